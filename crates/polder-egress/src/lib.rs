//! The one HTTP client for what leaves the hub.
//!
//! An [`Egress`] sends a [`Request`] to a [`Url`] and gives a [`Response`] whose body is a bounded stream.
//! Where a request may go is decided here and nowhere else: a host's name is resolved once for each
//! connection, every address found is checked, and the connection is made to exactly one of those; a
//! redirect is a new decision. Only public addresses are reached, beside the hosts in the [`Allowance`] that
//! the operator named, exactly those and at exactly that port.
//!
//! It never reads a proxy from the environment, never decompresses, never follows from https to http, and
//! never sends a [`Credential`] to another origin than its own.

mod address;
mod allowance;
mod connect;
mod credential;
mod egress;
mod error;
mod places;
mod request;
mod resolve;
mod response;
#[cfg(test)]
mod tests;
mod trust;
mod url;

pub use allowance::Allowance;
pub use credential::Credential;
pub use egress::{Egress, Options};
pub use error::{Error, Kind};
pub use request::Request;
pub use resolve::{Resolve, Resolving, SystemResolver};
pub use response::{BlockingBody, Body, Response};
pub use url::{Host, Origin, Scheme, Url};
