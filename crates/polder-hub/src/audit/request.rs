//! Which request a use case runs for.

/// A request, as the log names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestOrigin {
    /// Its id, as in `X-Request-Id` and in the request log.
    pub id: String,
    /// The client's address, if it is to be kept.
    pub address: Option<String>,
}

tokio::task_local! {
    static CURRENT: RequestOrigin;
}

impl RequestOrigin {
    /// Runs `work` as a part of this request: what it does is recorded with it.
    pub async fn scope<T>(self, work: impl Future<Output = T>) -> T {
        CURRENT.scope(self, work).await
    }

    /// The request that runs now. Work that goes on elsewhere takes it along in its principal.
    pub(crate) fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }
}
