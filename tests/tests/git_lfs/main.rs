//! git-lfs, and the LFS API spoken by hand.
#![cfg(test)]

mod client;
mod links;
mod locks;
mod place;
mod transfer;
