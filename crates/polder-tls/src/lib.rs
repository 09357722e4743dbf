//! TLS for the hub: certificates, and the listener that shows them.
//!
//! A [`Certificate`] is a chain with its key, checked when it is read. [`Served`] holds the one that is
//! shown now; [`CertificateFiles`] keeps it equal to two files, [`Acme`] gets it from an authority and
//! renews it. [`TlsListener`] turns TCP connections
//! into TLS ones for [`polder_http::serve`], and [`redirect`] answers on the plain port beside it.
//!
//! One stack: rustls with aws-lc-rs, TLS 1.2 and 1.3, HTTP/1.1. It knows no routes and no users.

mod acme;
mod certificate;
mod connection;
mod error;
mod files;
mod handshake;
mod listener;
mod redirect;
mod served;

pub use acme::{Acme, AcmeOptions};
pub use certificate::Certificate;
pub use connection::TlsConnection;
pub use error::Error;
pub use files::{CertificateFiles, Pair};
pub use listener::TlsListener;
pub use redirect::redirect;
pub use served::Served;
