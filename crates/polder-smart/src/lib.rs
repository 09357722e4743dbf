//! Git smart-HTTP and Git LFS over HTTP.
//!
//! The wire words of git and git-lfs clients and nothing else: [`Route::parse`] reads a method and URL
//! into a closed enum, [`RouteKind::access`] says what each needs, [`Smart`] gets the grant, calls the
//! hub, and writes the answer the way `git http-backend` and LFS servers do. It knows no objects, no
//! packs and no rules of who may do what.

mod git;
mod git_failure;
mod lfs;
mod lfs_accept;
mod lfs_failure;
mod lfs_json;
mod lfs_locks;
mod lfs_multipart;
mod lfs_scalar;
mod route;
#[cfg(test)]
mod router_tests;
mod smart;

pub use lfs_json::LFS_MEDIA_TYPE;
pub use route::{Route, RouteKind};
pub use smart::Smart;
