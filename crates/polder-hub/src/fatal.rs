//! Failures after which the process must not go on: the disk did not confirm a sync.
//!
//! What such a disk holds is unknown, and a second sync would report success for lost bytes. So the
//! first failure is remembered for the life of the process, every later write is refused by the
//! mechanism that saw it, and the server ends itself with the reason.

use std::sync::OnceLock;

use tokio::sync::Notify;

static REASON: OnceLock<String> = OnceLock::new();
static RAISED: Notify = Notify::const_new();

/// Remembers the first failure and wakes who waits for one.
pub(crate) fn raise(reason: String) {
    tracing::error!(%reason, "storage failed; the process must end");
    REASON.get_or_init(|| reason);
    RAISED.notify_waiters();
}

/// Waits until storage fails, and says why. A server ends when this returns.
pub async fn storage_failed() -> String {
    loop {
        let raised = RAISED.notified();
        if let Some(reason) = REASON.get() {
            return reason.clone();
        }
        raised.await;
    }
}
