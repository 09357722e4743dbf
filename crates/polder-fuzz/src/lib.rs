//! What the fuzzers run: one function for each parser that reads what strangers send.
//!
//! A target takes any bytes and panics when something that must hold does not: two ways to read the same
//! input differ, a limit is passed, something accepted cannot be served. `tests/fuzz` runs them under
//! libFuzzer; an ordinary test replays the corpus in `fixtures/fuzz` through the same functions.
#![expect(clippy::panic, reason = "a fuzz target says what it found by panicking")]

mod commands;
mod fetch_requests;
mod gzip_bodies;
mod hand_made;
mod log_bodies;
mod log_notes;
mod log_pages;
mod pack_intake;
mod pkt_line;
mod pointers;
mod server_answers;
mod shards;
mod tree_checks;
mod xorbs;

pub use hand_made::{Pack, object_id};

/// Takes any bytes; panics when something that must hold of them does not.
pub type Target = fn(&[u8]);

/// Every target by its name, which is also its folder in the corpus.
pub const TARGETS: [(&str, Target); 13] = [
    ("commands", commands::run),
    ("fetch_requests", fetch_requests::run),
    ("gzip_bodies", gzip_bodies::run),
    ("log_bodies", log_bodies::run),
    ("log_notes", log_notes::run),
    ("log_pages", log_pages::run),
    ("pack_intake", pack_intake::run),
    ("pkt_line", pkt_line::run),
    ("pointers", pointers::run),
    ("server_answers", server_answers::run),
    ("shards", shards::run),
    ("tree_checks", tree_checks::run),
    ("xorbs", xorbs::run),
];

/// Runs the target of that name.
pub fn run(name: &str, input: &[u8]) {
    match TARGETS.iter().find(|(known, _)| *known == name) {
        Some((_, target)) => target(input),
        None => panic!("no target is called {name}"),
    }
}
