//! The client's side of smart HTTP: what another git server has, and the objects we lack.
//!
//! [`Remote::connect`] → [`Remote::list_refs`] → [`Remote::fetch`]: a pack of what is missing, to be indexed
//! and checked as a push is. How requests travel is the caller's ([`Exchange`]); nothing here knows a URL.
//! Protocol version 2 is spoken where the server does, else 1 or 0. Whatever the server sends is bounded,
//! and believed only as far as [`index_pack`](crate::index_pack) and the checks after it go.

mod advertisement;
mod fetch_v0;
mod fetch_v2;
mod haves;
mod lines;
mod pack_stream;
mod refs;
mod remote;
mod stored_pack;
#[cfg(test)]
mod tests;

use std::io::{self, Read};

pub use pack_stream::{PackStream, RemoteProgress};
pub use remote::{Remote, RemoteRefs};
pub use stored_pack::StoredPack;

use crate::Protocol;

/// A body as it comes from the server.
pub type RemoteBody = Box<dyn Read + Send>;

/// Carries requests to one repository of a git server.
pub trait Exchange {
    /// `GET info/refs?service=git-upload-pack` with `Git-Protocol: version=2`.
    ///
    /// # Errors
    /// When there is no answer with status 200; what is inside the error reaches the caller of [`Remote`].
    fn advertisement(&self) -> io::Result<Advertisement>;

    /// `POST git-upload-pack`, with `Git-Protocol: version=2` if that is the `protocol`.
    ///
    /// # Errors
    /// As above.
    fn post(&self, protocol: Protocol, body: Vec<u8>) -> io::Result<RemoteBody>;
}

/// The answer to `GET info/refs`.
pub struct Advertisement {
    /// The `Content-Type`, which tells a git server from a web page.
    pub content_type: Option<String>,
    /// The body.
    pub body: RemoteBody,
}
