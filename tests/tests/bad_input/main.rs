//! Bad input of every kind: a clear error in the client's own words, and nothing changes.
#![cfg(test)]

mod bombs;
mod commands;
mod compression;
mod fetches;
mod floods;
mod lfs;
mod malicious;
mod many_refs;
mod names;
mod objects;
mod packs;
mod place;
mod reach;
mod requests;
