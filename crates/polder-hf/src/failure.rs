//! Failures as `huggingface_hub` tells them apart: by `X-Error-Code`, not by status.
//!
//! Source: `huggingface_hub` 2.4.0 `utils/_http.py`, `hf_raise_for_status`.

use http::header::{LOCATION, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, StatusCode};
use polder_http::{Place, RequestId, Response, log, respond, set_retry_after, status};
use polder_hub::{Error, Hub, Kind, OpenError};
use polder_types::ObjectId;

pub(crate) const X_REPO_COMMIT: HeaderName = HeaderName::from_static("x-repo-commit");
pub(crate) const X_ERROR_CODE: HeaderName = HeaderName::from_static("x-error-code");
pub(crate) const X_ERROR_MESSAGE: HeaderName = HeaderName::from_static("x-error-message");
/// With any other text a 401 is taken for "no such repository".
const BAD_CREDENTIALS: &str = "Invalid credentials in Authorization header";

/// By this and no other text is a repository that was taken down told apart.
const DISABLED: &str = "Access to this resource is disabled.";

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The credentials are not valid.
    Credentials(Error),
    /// The repository may not be read, or is elsewhere, or is not there.
    Repository(Error),
    /// The revision or file cannot be opened.
    Open(OpenError),
    /// A commit's parent is not where its branch is.
    Stale(Error),
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        Self::Open(error)
    }
}

/// What is wrong with a request whatever it is about.
impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Open(OpenError::Other(error))
    }
}

impl Failure {
    fn error(&self) -> &Error {
        match self {
            Self::Credentials(error) | Self::Repository(error) | Self::Stale(error) => error,
            Self::Open(error) => error.error(),
        }
    }

    /// The client's word for it, where it has one.
    fn code(&self) -> Option<&'static str> {
        match (self, self.error().kind()) {
            (_, _) if self.error().is_gated() => Some("GatedRepo"),
            (Self::Repository(_), Kind::NotFound | Kind::Unauthenticated) => Some("RepoNotFound"),
            (Self::Open(OpenError::Revision(_)), Kind::NotFound) => Some("RevisionNotFound"),
            (Self::Open(OpenError::Entry { .. }), Kind::NotFound) => Some("EntryNotFound"),
            _ => None,
        }
    }

    /// With it the client remembers that this commit has no such file, and does not ask again.
    fn commit_id(&self) -> Option<ObjectId> {
        match self {
            Self::Open(OpenError::Entry { commit_id, .. }) => Some(*commit_id),
            Self::Open(OpenError::Revision(_) | OpenError::Other(_))
            | Self::Credentials(_)
            | Self::Repository(_)
            | Self::Stale(_) => None,
        }
    }

    fn message(&self) -> &str {
        match self {
            Self::Credentials(error) if error.kind() == Kind::Unauthenticated => BAD_CREDENTIALS,
            failure => failure.error().message(),
        }
    }

    /// The answer.
    pub(crate) fn response(&self, hub: &Hub, place: &Place, id: &RequestId) -> Response {
        log(self.error(), id);
        let mut response = self.rendered();
        if let Some(to) = self.error().moved_to() {
            response.headers_mut().insert(LOCATION, place.moved(hub.public_url(), to));
        }
        response
    }

    fn rendered(&self) -> Response {
        let status = match self {
            Self::Stale(_) => StatusCode::PRECONDITION_FAILED,
            failure => status(failure.error().kind()),
        };
        let mut response = respond::json(status, &serde_json::json!({ "error": self.message() }));
        set_retry_after(&mut response, self.error());
        let headers = response.headers_mut();
        let told = if self.error().is_disabled() { DISABLED } else { self.message() };
        headers.insert(X_ERROR_MESSAGE, respond::header_text(told));
        if let Some(code) = self.code() {
            headers.insert(X_ERROR_CODE, HeaderValue::from_static(code));
        }
        if let Some(commit_id) = self.commit_id() {
            headers.insert(X_REPO_COMMIT, respond::header_text(&commit_id.to_string()));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"Polder\""));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::RETRY_AFTER;

    #[test]
    fn each_failure_has_the_code_that_its_exception_is_made_from() {
        let error = |kind| Error::new(kind, "no `ü` here\r\n");
        let entry = |kind| OpenError::Entry { commit_id: ObjectId::ZERO, error: error(kind) };
        let commit = ObjectId::ZERO.to_string();
        for (failure, status, code, repo_commit) in [
            (Failure::Credentials(error(Kind::Unauthenticated)), 401, None, None),
            (Failure::Credentials(error(Kind::Invalid)), 400, None, None),
            (Failure::Repository(error(Kind::Unauthenticated)), 401, Some("RepoNotFound"), None),
            (Failure::Repository(error(Kind::NotFound)), 404, Some("RepoNotFound"), None),
            (Failure::Credentials(error(Kind::Throttled)), 429, None, None),
            (Failure::Repository(error(Kind::Internal)), 500, None, None),
            (Failure::Stale(error(Kind::Conflict)), 412, None, None),
            (Failure::from(error(Kind::Conflict)), 409, None, None),
            (Failure::Open(OpenError::Revision(error(Kind::NotFound))), 404, Some("RevisionNotFound"), None),
            (Failure::Open(entry(Kind::NotFound)), 404, Some("EntryNotFound"), Some(commit.as_str())),
            (Failure::Open(entry(Kind::Internal)), 500, None, Some(commit.as_str())),
            (Failure::Open(OpenError::Other(error(Kind::Unavailable))), 503, None, None),
        ] {
            let response = failure.rendered();
            let header = |name| response.headers().get(name).map(|value| value.to_str().expect("ASCII"));
            assert_eq!(response.status().as_u16(), status, "{failure:?}");
            assert_eq!(header(X_ERROR_CODE), code, "{failure:?}");
            assert_eq!(header(X_REPO_COMMIT), repo_commit, "{failure:?}");
            assert_eq!(header(WWW_AUTHENTICATE).is_some(), status == 401, "{failure:?}");
            assert_eq!(header(RETRY_AFTER).is_some(), matches!(status, 429 | 503), "{failure:?}");
            let message = header(X_ERROR_MESSAGE).expect("always there");
            let expected = if matches!(failure.error().kind(), Kind::Unauthenticated) && code.is_none() {
                BAD_CREDENTIALS
            } else {
                "no `?` here??"
            };
            assert_eq!(message, expected, "{failure:?}");
        }
    }
}
