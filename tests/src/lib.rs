//! The test kit: a real hub in its own process, real clients around it, and ways to watch both.
//!
//! Nothing here stands in for anything: [`Hub`] starts the built binary, [`Git`] runs the git on
//! this machine, [`Http`] writes HTTP/1.1 to a socket. A client that is not installed is a named
//! failure in CI and a named skip elsewhere ([`have`]). Waiting is polling with a deadline
//! ([`until`]); nothing sleeps and hopes.
//!
//! The kit fails by panicking: a step that must work and does not is the end of the test.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test kit fails loudly, at the step that went wrong"
)]

mod authority;
mod client;
mod door;
mod faults;
mod fetch;
mod fixture;
mod git;
mod git_server;
mod hf_proxy;
mod http;
mod hub;
mod hub_client;
mod issuer;
mod large_object;
mod listen;
mod loop_fs;
mod memory;
mod metrics;
mod network;
mod pair;
mod pebble;
mod program;
mod push;
mod python;
mod receiver;
mod shared;
mod wait;

pub use authority::{Authority, Issued};
pub use client::{Client, have, in_ci, skip};
pub use door::Door;
pub use faults::FailingReads;
pub use fixture::{fixtures, minilm};
pub use git::{Git, Work};
pub use git_server::{GitServer, Manners};
pub use hf_proxy::{HfProxy, Passes};
pub use http::{Http, Request, Response, base64};
pub use hub::{Hub, HubBuilder, Token};
pub use hub_client::{HUB_VERSIONS, HubClient, LIBRARIES};
pub use issuer::Issuer;
pub use large_object::{LargeObject, sha256_hex};
pub use loop_fs::LoopFs;
pub use memory::Memory;
pub use network::{Machine, Network};
pub use pair::{Pair, until_followable};
pub use pebble::{Pebble, free_port};
pub use program::{Done, binary, program, run, workspace_root};
pub use push::{FLUSH, pack_exactly, pack_of, pack_with, pkt, push_body, sideband_text, zero};
pub use python::python;
pub use receiver::{Posted, Receiver};
pub use shared::{Shared, once_more_on_postgres};
pub use wait::{poll, until, until_ok};
