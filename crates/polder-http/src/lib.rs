//! The edge kit: what every wire dialect of the hub shares.
//!
//! A request comes in over a connection, is split once into a [`Url`], finds the one [`Edge`] whose
//! closed route enum knows it, and is answered; [`App`] is that as one function. On the way an edge
//! uses [`Caller`] (who asks; the only way to a `Grant`), [`Place`] (which repository, and where it is
//! after a rename), [`status`] (the hub's failures as HTTP), [`body`] and [`respond`].
//!
//! It knows no dialect: the words of git, LFS and the APIs are in the edges' own crates. It decides
//! nothing about access: that is `polder-hub`.

mod access;
mod app;
pub mod body;
mod caller;
mod client_address;
mod connection;
mod error;
mod file_body;
mod file_queue;
mod file_response;
#[cfg(test)]
mod file_serving_tests;
mod idle;
mod listener;
mod object_response;
mod ops;
mod peer;
mod place;
mod range;
mod request_log;
pub mod respond;
mod rest;
mod server;
#[cfg(test)]
mod server_tests;
mod stop;
mod transport;
mod url;

pub use access::Access;
pub use app::{App, AppBuilder, Edge, Request, Response, ResponseFuture};
pub use caller::{Caller, credentials};
pub use client_address::{ClientAddress, ForwardedHeader, TrustedProxies};
pub use error::{log, set_retry_after, status};
pub use file_body::{FileBody, FilePart};
pub use file_queue::FileQueue;
pub use file_response::{FileSource, file_response};
pub use listener::{Listener, accept_tcp};
pub use object_response::object_response;
pub use ops::{MetricsText, Ops, OpsRoute};
pub use peer::Peer;
pub use place::{Place, Target};
pub use range::{Selection, is_not_modified, select_range};
pub use request_log::RequestId;
pub use server::{ServerLimits, serve};
pub use stop::Stop;
pub use transport::{TcpTransport, Transport};
pub use url::{Url, query_pairs, query_parameter, query_parameters};
