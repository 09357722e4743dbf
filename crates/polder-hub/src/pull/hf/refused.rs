//! What an answer that is none means to the operator.

use http::{HeaderMap, HeaderName, StatusCode};

use super::name::HfRepo;
use crate::error::{Error, Kind};

const ERROR_CODE: HeaderName = HeaderName::from_static("x-error-code");
const ERROR_MESSAGE: HeaderName = HeaderName::from_static("x-error-message");
/// What servers say of a repository that they took down.
const DISABLED: &str = "Access to this resource is disabled.";
/// How to give a token.
const HINT: &str = "give a token with --token-file FILE";

/// Says what `status` means for `what` of a repository.
pub(super) fn refused(
    repo: &HfRepo,
    with_token: bool,
    status: StatusCode,
    headers: &HeaderMap,
    what: &str,
) -> Error {
    let (id, at) = (repo.path(), repo.endpoint().origin());
    let forbidden = |message: String| Error::new(Kind::Forbidden, message);
    let text =
        |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match (text(&ERROR_CODE), status) {
        ("GatedRepo", _) => {
            let also =
                if with_token { "that holds the token".to_owned() } else { format!("of yours, and {HINT}") };
            forbidden(format!("`{id}` is gated: ask for access at {} with the account {also}", repo.page()))
        }
        _ if text(&ERROR_MESSAGE) == DISABLED => forbidden(format!("{at} disabled access to `{id}`")),
        ("RevisionNotFound", _) => Error::not_found(format!("`{id}` at {at} has no such revision ({what})")),
        ("EntryNotFound", _) => Error::not_found(format!("{at} lists {what} of `{id}` and does not have it")),
        (_, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) if with_token => {
            forbidden(format!("{at} answers {} for `{id}`: this token may not read it", status.as_u16()))
        }
        (_, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
            forbidden(format!("there is no `{id}` at {at} for anyone to read; if it is private, {HINT}"))
        }
        (_, StatusCode::NOT_FOUND | StatusCode::GONE) => {
            let also = if with_token { ", or none that this token may read" } else { "; if it is private, " };
            let hint = if with_token { "" } else { HINT };
            Error::not_found(format!("there is no {what} of `{id}` at {at}{also}{hint}"))
        }
        (_, status) => Error::invalid(format!("{at} answers {} for {what} of `{id}`", status.as_u16())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pull::patience::tests::headers;

    #[test]
    fn a_refusal_says_what_to_do() {
        let repo = HfRepo::parse("hf:datasets/acme/d", "https://hub.example").expect("parsed").expect("one");
        let say = |with_token, status: u16, pairs: &[(&'static str, &'static str)]| {
            let status = StatusCode::from_u16(status).expect("a status");
            refused(&repo, with_token, status, &headers(pairs), "its files")
        };
        let gated = say(true, 403, &[("x-error-code", "GatedRepo")]);
        assert_eq!(gated.kind(), Kind::Forbidden);
        assert!(
            gated.message().contains("ask for access at https://hub.example/datasets/acme/d "),
            "{gated}"
        );
        assert!(say(false, 401, &[("x-error-code", "GatedRepo")]).message().contains("--token-file"));
        assert!(say(false, 404, &[]).message().contains("--token-file"));
        assert!(!say(true, 404, &[]).message().contains("--token-file"));
        assert!(say(true, 401, &[]).message().contains("this token may not read it"));
        let disabled = say(false, 403, &[("x-error-message", DISABLED)]);
        assert!(disabled.message().contains("disabled"), "{disabled}");
    }
}
