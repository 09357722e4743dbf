//! Whether a client takes the one media type that LFS answers have.

use http::header::ACCEPT;
use http::{HeaderMap, StatusCode};

use crate::lfs_failure::LfsFailure;
use crate::lfs_json::LFS_MEDIA_TYPE;

/// Refuses a client that says it takes something else only. None given means anything; plain JSON is
/// what the answers are, so a client that asks for that is served too.
///
/// Source: git-lfs `docs/api/batch.md` "Response Errors", 406.
pub(crate) fn require(headers: &HeaderMap) -> Result<(), LfsFailure> {
    let mut values = headers.get_all(ACCEPT).iter().peekable();
    if values.peek().is_none() || values.filter_map(|value| value.to_str().ok()).any(takes_lfs) {
        return Ok(());
    }
    let message = format!("the `Accept` header must be `{LFS_MEDIA_TYPE}`");
    Err(LfsFailure::new(StatusCode::NOT_ACCEPTABLE, message))
}

fn takes_lfs(value: &str) -> bool {
    let types = value.split(',').map(|range| range.split(';').next().unwrap_or_default().trim());
    types
        .map(str::to_ascii_lowercase)
        .any(|range| [LFS_MEDIA_TYPE, "application/json", "application/*", "*/*"].contains(&range.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn the_lfs_type_json_and_anything_are_accepted_and_html_is_not() {
        let status = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(ACCEPT, HeaderValue::from_static(value));
            }
            require(&headers).is_ok()
        };
        for good in [
            "application/vnd.git-lfs+json",
            "Application/Vnd.Git-LFS+json; charset=utf-8",
            "text/html, application/json;q=0.5",
            "application/*",
            "*/*",
        ] {
            assert!(status(&[good]), "{good}");
        }
        assert!(status(&[]));
        assert!(status(&["text/html", "*/*"]));
        for bad in ["text/html", "application/vnd.git-lfs+xml", "", "application/jsonp"] {
            assert!(!status(&[bad]), "{bad}");
        }
    }
}
