//! Taking over a repository from another server, of git or of the Hugging Face API, once or by the clock.
//!
//! refs → what is new → the same quarantine, checks and transaction as a push, with the large objects fetched
//! when the checks have said which are needed. Everything goes through the hub's [`Egress`](polder_egress::Egress):
//! the host in the URL may be private because the operator named it; where it sends the hub may not.

mod attempt;
mod commit;
mod exchange;
mod hf;
mod import;
mod large_objects;
mod mirrors;
mod object;
mod patience;
mod source;
mod standing;

pub(crate) use exchange::HttpExchange;
pub(crate) use import::{PackPlace, kept};
pub use import::{PullOptions, Pulled};
pub(crate) use large_objects::RemoteObjects;
pub use mirrors::PullMirrorSummary;
pub(crate) use patience::Patience;
pub use source::PullSource;
pub(crate) use source::page_of;
