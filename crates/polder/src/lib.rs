//! The binary as a library: commands, configuration, wiring, signals.
//!
//! [`main`] is the whole program. It parses the command line ([`cli`]), reads the configuration
//! ([`config`]) and either runs a hub (`serve`, `demo`) or a command of the operator ([`admin`]),
//! which goes to the server that owns the data directory if there is one. This crate decides nothing
//! about repositories and access: that is `polder-hub`. It alone reads environment variables.

pub mod admin;
pub mod cli;
pub mod config;
mod data_dir;
mod demo;
mod door;
mod error;
mod failpoint;
mod first_start;
mod logging;
mod metrics;
mod options;
mod output;
mod program;
mod screen;
mod serve;
mod size;
mod verify;

pub use error::Error;
pub use program::main;
