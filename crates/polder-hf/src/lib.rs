//! The Hugging Face surface: files, listings, commits, branches and repositories as its clients ask for them.
//!
//! The wire words of `huggingface_hub` and of everything that speaks like it: [`Route::parse`] reads a
//! method and URL into a closed enum, [`RouteKind::access`] says what each needs, [`Hf`] gets the grant,
//! asks the hub, and answers with the headers and keys that those clients cannot do without. What a
//! revision means, where bytes are and how a commit lands is `polder-hub`'s; ranges are `polder-http`'s.

mod account;
mod ask;
mod attachments;
mod card_check;
mod card_rules;
pub mod cas;
mod collections;
mod commit_lines;
mod discussions;
mod failure;
mod file;
mod gate;
mod hf;
mod info;
mod lfs_files;
mod listings;
mod not_served;
mod oauth;
mod oauth_page;
mod openapi;
mod people;
mod presentation;
mod refs;
mod repos;
mod route;
mod route_api;
mod route_collections;
mod route_discussions;
mod route_listings;
mod route_oauth;
mod route_settings;
#[cfg(test)]
mod router_tests;
mod search;
mod shards;
mod shown;
mod tree;
mod upload;
mod webhooks;
mod xet_token;

pub use hf::Hf;
pub use route::{At, Route, RouteKind};
