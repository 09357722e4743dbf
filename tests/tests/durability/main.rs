//! What was acknowledged is there after a crash, a power cut or a full disk; what was not is either
//! whole or absent; and nothing is left behind.
#![cfg(test)]

mod disks;
mod kills;
mod place;
mod steps;
mod webhooks;

use polder_tests::workspace_root;

use place::Place;
use steps::{EXPORT, LOG, PUSH, UPLOAD};
use webhooks::WEBHOOK;

/// Hit in `backup.rs`, `bundle.rs`, `upgrade.rs`, `git_lfs/multipart.rs`, and in `polder-blob/src/tests/crash.rs`,
/// `polder-hub/src/tests/transfer/crash.rs` and `polder-hub/src/xet/upload/tests/crash.rs`.
const ELSEWHERE: &[&str] = &[
    "backup.before_manifest",
    "bundle.part_done",
    "db.migrated",
    "lfs.part_kept",
    "lfs.assembled",
    "lfs.upload_forgotten",
    "list.fsynced",
    "list.renamed",
    "transfer.saved",
    "transfer.whole",
    "transfer.linked",
    "transfer.published",
    "xet.xorb_kept",
    "xet.file_placed",
    "xet.files_placed",
    "xet.files_linked",
    "xet.pieces_written",
    "xet.xorbs_forgotten",
];

#[test]
fn every_failpoint_of_the_product_is_hit_here() {
    let known: Vec<&str> = PUSH
        .iter()
        .chain(UPLOAD)
        .map(|(name, _)| *name)
        .chain(EXPORT.iter().chain(LOG).chain(WEBHOOK).chain(ELSEWHERE).copied())
        .collect();
    let mut open = vec![workspace_root().join("crates")];
    let mut found = 0;
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|kind| kind == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                for rest in text.split("failpoint::hit(\"").skip(1) {
                    let name = rest.split('"').next().unwrap();
                    assert!(known.contains(&name), "{} has `{name}`, which no test hits", path.display());
                    found += 1;
                }
            }
        }
    }
    assert!(found >= known.len() - 2, "{found} failpoints in the sources, {} known", known.len());
}
