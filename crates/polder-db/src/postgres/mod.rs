//! PostgreSQL behind the neutral words of this crate: one connection that writes, a pool that reads.
//!
//! Several processes may have one database open. Their writes take turns: each batch begins by taking
//! one advisory lock, which its commit gives back. So a write sees what every write before it did, as
//! with SQLite, and what each does needs no thought of others: no two race, facts are numbered in the
//! order of commits, and no transaction fails because of another. Every statement of a batch sees all
//! that is committed (READ COMMITTED). One fsync pays for a batch, as with SQLite.

mod connect;
mod errors;
mod open;
mod statement;
#[cfg(test)]
mod tests;
mod writer;

pub(crate) use open::{Postgres, open};
pub(crate) use statement::rows;
pub(crate) use writer::PgWriter;
