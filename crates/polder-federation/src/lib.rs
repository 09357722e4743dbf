//! What other hubs ask of this one: its log, its repositories, its objects.
//!
//! [`Federation`] is the edge. Nobody needs credentials here, and nobody is given anything by them: every
//! answer is what anyone may know. Whoever asks checks what they get against the signed log, so the logs of
//! other hubs that are mirrored here are given out in the same way, below `mirror/<sha256 of the origin>`.

mod failure;
mod federation;
mod log;
mod polls;
mod repos;
mod route;

pub use federation::Federation;
pub use route::{Log, Route, RouteKind};
