//! Taking over a repository from a server that speaks the Hugging Face API and no git: a hub behind a
//! caching proxy, above all.
//!
//! refs → the files of each revision that is new → what of them is not here, large objects by ranges and each
//! held to its hash → one commit that names its source, through the same door as a push. Xet is not needed: a
//! server of the API serves every file by `resolve`, too.

mod api;
#[cfg(test)]
mod claim_tests;
#[cfg(test)]
mod evil;
mod files;
mod import;
#[cfg(test)]
mod import_tests;
mod large;
mod listing;
mod modes;
mod name;
mod refused;
#[cfg(test)]
mod revision_tests;
#[cfg(test)]
mod standing_tests;

pub(super) use api::Api;
pub(crate) use import::Way;
pub(super) use import::has_commits;
pub(super) use name::{HfRepo, WITH_SERVER};
