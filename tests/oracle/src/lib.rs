//! Compares `polder-xet` with what the real client is made of, over many random inputs: `cargo test` in this folder.
//! Off by default, because it builds 160 crates; what it would find at once is in the golden vectors of `polder-xet`.
