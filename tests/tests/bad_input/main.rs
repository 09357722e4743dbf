//! Bad input of every kind: a clear error in the client's own words, and nothing changes.
#![cfg(test)]

mod commands;
mod compression;
mod fetches;
mod lfs;
mod malicious;
mod objects;
mod packs;
mod place;
mod reach;
mod requests;
