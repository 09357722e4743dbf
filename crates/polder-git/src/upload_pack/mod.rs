//! Clone and fetch: `POST git-upload-pack`.
//!
//! One call answers one request of the stateless protocol that smart HTTP uses. Nothing is remembered
//! between requests.

mod fetch;
mod ls_refs;
mod object_info;
mod request;
mod response;
mod v0;
mod v2;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
pub(crate) mod random_history;
#[cfg(test)]
mod real_git_test;
#[cfg(test)]
mod wire_test;

use polder_types::ObjectId;

use crate::capabilities::Protocol;
use crate::pkt_line::write_error;
use crate::{Error, Result, Sink, Snapshot};

/// Tells what visible refs pointed at a short while ago: clients may still want it, because a force-push
/// between a client's `GET` and its `POST` must not fail the fetch. Asked only when a want is otherwise
/// unknown. Never what a hidden or deleted ref pointed at.
pub type RecentTips<'a> = &'a dyn Fn() -> Result<Vec<ObjectId>>;

/// No former tip may be wanted.
pub const NO_RECENT_TIPS: RecentTips<'static> = &|| Ok(Vec::new());

/// Answers one request.
///
/// `request` is the whole body, already decoded and bounded by the caller. A body of `0000` or nothing,
/// with which clients probe, gets an empty answer.
///
/// ```
/// use polder_git::{NO_RECENT_TIPS, Protocol, Snapshot, upload_pack};
/// let snapshot = Snapshot::new(1, "refs/heads/main".to_owned(), Vec::new(), Vec::new());
/// let mut answer = Vec::new();
/// upload_pack(&snapshot, NO_RECENT_TIPS, Protocol::V2, b"0014command=ls-refs\n0000", &mut answer).unwrap();
/// assert_eq!(answer, b"0000");
/// ```
///
/// # Errors
/// In every case but [`Error::Closed`] the client has been told, as far as its protocol still allows.
/// [`Error::Refused`] comes before any pack: the response is complete and may end normally. After
/// every other error the connection must be cut, so that a short pack is never taken for a whole one.
///
/// Source: git `Documentation/gitprotocol-http.adoc`, `gitprotocol-pack.adoc`, `gitprotocol-v2.adoc`.
pub fn upload_pack(
    snapshot: &Snapshot,
    recent_tips: RecentTips<'_>,
    protocol: Protocol,
    request: &[u8],
    out: &mut dyn Sink,
) -> Result<()> {
    let mut response = response::Response::new(out);
    let result = match protocol {
        Protocol::V2 => v2::serve(snapshot, recent_tips, request, &mut response),
        Protocol::V0 | Protocol::V1 => v0::serve(snapshot, recent_tips, request, &mut response),
    };
    if let Err(error) = &result {
        response.fail(&client_words(error));
    }
    result
}

/// What the client is told. Details of our own damage are for the log.
fn client_words(error: &Error) -> String {
    match error {
        Error::Refused { message } | Error::TooLarge { message } => message.clone(),
        Error::NotFound { what } => format!("upload-pack: {what} not found"),
        Error::Corrupt { .. } => "upload-pack: the repository is damaged on the server".to_owned(),
        Error::Io { .. } | Error::Closed => {
            "upload-pack: the server could not read the repository".to_owned()
        }
    }
}

/// The body of a response that only refuses, for errors found before [`upload_pack`] can be called.
pub fn refuse(message: &str) -> bytes::Bytes {
    let mut out = Vec::new();
    write_error(&mut out, message);
    out.into()
}
