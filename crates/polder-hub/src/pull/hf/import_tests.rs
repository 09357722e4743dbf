//! Imports from servers without git, most of which lie.

mod content;
mod lies;
mod patience;

use std::sync::{Arc, Mutex};

use polder_git::{EntryKind, Snapshot};

use super::evil::{Asked, EvilHub, Has, large, program, small};
use crate::exchange::ImportReport;
use crate::pull::PullOptions;
use crate::tests::transfer::sources::noise;
use crate::tests::{Fixture, fixture, repo};
use crate::{Error, Result};

pub(super) const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
pub(super) const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
pub(super) const C: &str = "cccccccccccccccccccccccccccccccccccccccc";
pub(super) const MAIN: &str = "refs/heads/main";

pub(super) struct Place {
    pub(super) fixture: Fixture,
    pub(super) evil: EvilHub,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Place {
    pub(super) async fn new(files: &[(&str, Has)]) -> Self {
        let evil = EvilHub::start();
        evil.set(MAIN, A, files);
        Self { fixture: fixture().await, evil, heard: Arc::default() }
    }

    pub(super) async fn pull(&self) -> Result<ImportReport> {
        self.pull_as("acme/m", false).await
    }

    async fn pull_as(&self, there: &str, keep: bool) -> Result<ImportReport> {
        let hub = &self.fixture.hub;
        let source = hub.pull_source(&format!("hf:{there}"), Some(&self.evil.url), None, None)?;
        let heard = Arc::clone(&self.heard);
        let progress = Arc::new(move |line: &str| heard.lock().expect("lock").push(line.to_owned()));
        let options = PullOptions { keep, stays_open: false };
        Ok(hub.pull(&source, &repo("acme/open"), options, progress).await?.report)
    }

    async fn refused(&self) -> Error {
        let error = self.pull().await.expect_err("refused");
        assert_eq!(self.snapshot().await.refs().len(), 0, "{error}");
        error
    }

    pub(super) async fn snapshot(&self) -> Arc<Snapshot> {
        let hub = &self.fixture.hub;
        let id = hub.live_repo(&repo("acme/open")).await.expect("there").id;
        hub.held(id).await.expect("held").snapshot
    }

    /// Path, kind and blob of everything at a ref, folders too.
    async fn files(&self, at: &str) -> Vec<(String, EntryKind, String)> {
        let snapshot = self.snapshot().await;
        let tip = snapshot.find_ref(at).expect(at).oid;
        let page = polder_git::list_tree(&snapshot, tip, "", true, None, 1_000).expect("listed");
        page.entries.into_iter().map(|entry| (entry.path, entry.kind, entry.oid.to_string())).collect()
    }

    pub(super) async fn tip(&self, at: &str) -> polder_git::CommitInfo {
        let snapshot = self.snapshot().await;
        polder_git::commit_info(&snapshot, snapshot.find_ref(at).expect(at).oid).expect("a commit")
    }
}

fn is_tree(asked: &Asked) -> bool {
    asked.path.contains("/tree/")
}

fn is_file(asked: &Asked) -> bool {
    asked.path.contains("/resolve/")
}

fn usual() -> Vec<(&'static str, Has)> {
    vec![
        ("README.md", small("hello\n")),
        ("empty", small("")),
        ("tools/run.sh", program("#!/bin/sh\n")),
        ("tools/read.me", small("hello\n")),
        ("weights.bin", large(noise(1, 3 << 20))),
    ]
}
