//! The log as hubs, mirrors and followers use it, by the crate's public face alone.
#![cfg(test)]

mod bodies;
mod cursor;
mod keys;
mod kit;
mod merkle;
mod proofs;
mod vectors;
