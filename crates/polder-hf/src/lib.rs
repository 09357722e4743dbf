//! The Hugging Face surface: resolve and raw.
//!
//! The wire words of `huggingface_hub` and of everything that speaks like it: [`Route::parse`] reads a
//! method and URL into a closed enum, [`RouteKind::access`] says what each needs, [`Hf`] gets the grant,
//! asks the hub for the file, and answers with the headers those clients cannot do without. What a
//! revision means and where the bytes are is `polder-hub`'s; ranges are `polder-http`'s.

mod failure;
mod file;
mod hf;
mod presentation;
mod route;
#[cfg(test)]
mod router_tests;

pub use hf::Hf;
pub use route::{FileAt, Route, RouteKind};
