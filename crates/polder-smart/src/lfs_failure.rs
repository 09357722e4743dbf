//! Failures as LFS clients show them.

use http::header::{ALLOW, LOCATION, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, StatusCode};
use polder_http::{Place, RequestId, Response, log, respond, set_retry_after, status};
use polder_hub::{Error, Hub, Kind};

use crate::lfs_json::{ErrorBody, LFS_MEDIA_TYPE};
use crate::lfs_locks::LockJson;

const DOCUMENTATION_URL: &str = "https://github.com/git-lfs/git-lfs/tree/main/docs/api";
/// Asks git-lfs for credentials without making a browser ask for them.
const LFS_AUTHENTICATE: HeaderName = HeaderName::from_static("lfs-authenticate");

/// Why an LFS request has no answer.
#[derive(Debug)]
pub(crate) struct LfsFailure {
    status: StatusCode,
    message: String,
    allow: Option<&'static str>,
    lock: Option<Box<LockJson>>,
    error: Option<Error>,
}

impl From<Error> for LfsFailure {
    /// The common table, except that git-lfs knows "your request is wrong" as 422.
    fn from(error: Error) -> Self {
        let status = match error.kind() {
            Kind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            kind => status(kind),
        };
        Self { status, message: error.message().to_owned(), allow: None, lock: None, error: Some(error) }
    }
}

impl LfsFailure {
    /// A failure of this edge's own.
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), allow: None, lock: None, error: None }
    }

    /// The same, showing the lock that is in the way.
    pub(crate) fn with_lock(self, lock: LockJson) -> Self {
        Self { lock: Some(Box::new(lock)), ..self }
    }

    pub(crate) fn unknown_address() -> Self {
        Self::new(StatusCode::NOT_FOUND, "there is nothing at this LFS address")
    }

    pub(crate) fn wrong_method(allow: &'static str) -> Self {
        let failure = Self::new(StatusCode::METHOD_NOT_ALLOWED, format!("this address answers {allow} only"));
        Self { allow: Some(allow), ..failure }
    }

    /// The answer for a request that names a repository.
    pub(crate) fn response(&self, hub: &Hub, place: &Place, id: &RequestId) -> Response {
        let mut response = self.plain(id);
        if let Some(to) = self.error.as_ref().and_then(Error::moved_to) {
            response.headers_mut().insert(LOCATION, place.moved(hub.public_url(), to));
        }
        response
    }

    /// The answer for a request that names none.
    pub(crate) fn plain(&self, id: &RequestId) -> Response {
        if let Some(error) = &self.error {
            log(error, id);
        }
        let body = ErrorBody {
            lock: self.lock.as_deref(),
            message: &self.message,
            documentation_url: DOCUMENTATION_URL,
            request_id: id.as_str(),
        };
        let mut response = respond::json_as(self.status, LFS_MEDIA_TYPE, &body);
        if let Some(error) = &self.error {
            set_retry_after(&mut response, error);
        }
        let headers = response.headers_mut();
        if let Some(allow) = self.allow {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Basic realm=\"Polder\"");
            headers.insert(LFS_AUTHENTICATE, challenge.clone());
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;

    #[tokio::test]
    async fn a_refusal_is_json_with_the_request_id_and_a_challenge_for_401_only() {
        let id = RequestId::in_extensions(&http::Extensions::new());
        for kind in [Kind::Unauthenticated, Kind::Invalid, Kind::Forbidden, Kind::Full, Kind::Unavailable] {
            let failure = LfsFailure::from(Error::new(kind, "why"));
            let response = failure.plain(&id);
            let is_401 = kind == Kind::Unauthenticated;
            assert_eq!(response.status() == StatusCode::UNAUTHORIZED, is_401);
            assert_eq!(response.headers().contains_key(LFS_AUTHENTICATE), is_401);
            assert_eq!(response.headers().contains_key(WWW_AUTHENTICATE), is_401);
            assert_eq!(response.headers()["content-type"], LFS_MEDIA_TYPE);
            assert_eq!(response.headers().contains_key("retry-after"), kind == Kind::Unavailable);
            let body = response.into_body().collect().await.expect("whole").to_bytes();
            let body: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
            assert_eq!((&body["message"], &body["request_id"]), (&"why".into(), &"-".into()));
        }
        assert_eq!(LfsFailure::from(Error::new(Kind::Invalid, "")).status.as_u16(), 422);
        assert_eq!(LfsFailure::from(Error::new(Kind::Full, "")).status.as_u16(), 507);
    }
}
