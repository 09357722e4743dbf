//! What every store must do ([`contract`]), and what only a disk can show ([`disk`], [`crash`]).

mod contract;
mod crash;
mod disk;

use std::fs;
use std::path::{Path, PathBuf};

use polder_types::BlobId;

use crate::{Result, Scratch, Store};

/// A fresh store of each kind, with what keeps it alive.
fn stores() -> Vec<(Store, tempfile::TempDir)> {
    let directory = tempfile::tempdir().unwrap();
    vec![(Store::open(directory.path()).unwrap(), directory)]
}

fn put(store: &Store, id: BlobId, content: &[u8]) -> Result<()> {
    let mut stage = store.stage(u64::try_from(content.len()).unwrap())?;
    stage.write(content)?;
    stage.finish()?.publish(id)
}

fn read(store: &Store, id: BlobId) -> Vec<u8> {
    let blob = store.open_blob(id).unwrap();
    let mut content = Vec::new();
    std::io::Read::read_to_end(&mut blob.file.as_ref(), &mut content).unwrap();
    assert_eq!(u64::try_from(content.len()).unwrap(), blob.size_bytes);
    content
}

fn write_pack(scratch: &Scratch, pack: &[u8], index: &[u8]) -> (PathBuf, PathBuf) {
    let paths = (scratch.path().join("pack"), scratch.path().join("idx"));
    fs::write(&paths.0, pack).unwrap();
    fs::write(&paths.1, index).unwrap();
    paths
}

/// Every file under `root`, relative to it, but those that only hold the numbers of nodes.
fn files_under(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.extend((!path.ends_with("nodes")).then_some(path));
            } else {
                found.push(path.strip_prefix(root).unwrap().to_string_lossy().into_owned());
            }
        }
    }
    found.sort();
    found
}
