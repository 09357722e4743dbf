//! Reading, writing, importing and exporting, with real git as the oracle.

mod changed_paths;
mod commit;
mod compare;
mod export;
mod history;
mod import;
mod kit;
mod merge;
mod revision;
mod rewrite;
mod tree;
