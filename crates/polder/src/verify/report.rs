//! What `polder verify` tells.

use std::io::{self, Write};

use polder_log::SignedRepo;
use polder_types::Sha256;

/// What was signed, and how much of the clone is that.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Report {
    /// By which hub.
    pub(crate) origin: String,
    /// `namespace/name` there.
    pub(crate) path: String,
    /// The repository's id.
    pub(crate) rid: Sha256,
    /// Its newest event that the proof has: place in the log, how many of the log were signed, when.
    pub(crate) event: u64,
    pub(crate) log_size: u64,
    pub(crate) time: String,
    /// Refs that are as signed.
    pub(crate) refs: usize,
    /// Signed refs that the clone has not.
    pub(crate) refs_not_cloned: usize,
    /// Git objects that its refs reach.
    pub(crate) objects: u64,
    /// Large files that are what their commits name.
    pub(crate) files: u64,
    /// Large files that the clone has not.
    pub(crate) files_not_downloaded: u64,
    /// What is wrong.
    pub(crate) problems: Vec<String>,
    /// What else to know.
    pub(crate) notes: Vec<String>,
}

impl Report {
    pub(super) fn new(signed: &SignedRepo, notes: Vec<String>) -> Self {
        Self {
            origin: signed.checkpoint.log.origin.to_string(),
            path: signed.body.meta.as_ref().map(|meta| meta.path.clone()).unwrap_or_default(),
            rid: signed.body.repo().unwrap_or(Sha256::new([0; 32])),
            event: signed.index,
            log_size: signed.checkpoint.size,
            time: signed.body.time.rfc3339(),
            refs: 0,
            refs_not_cloned: 0,
            objects: 0,
            files: 0,
            files_not_downloaded: 0,
            problems: Vec::new(),
            notes,
        }
    }

    /// For people, or as JSON for scripts.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub(crate) fn write(&self, out: &mut dyn Write, json: bool) -> io::Result<()> {
        if json {
            serde_json::to_writer_pretty(&mut *out, self)?;
            return writeln!(out);
        }
        let Self { origin, path, rid, event, log_size, time, .. } = self;
        writeln!(out, "`{path}` as {origin} signed it: event {event} of {log_size}, {time}")?;
        writeln!(out, "repository {rid}")?;
        writeln!(out, "refs: {} as signed, {} not cloned", self.refs, self.refs_not_cloned)?;
        writeln!(out, "git objects: {} reached", self.objects)?;
        writeln!(out, "large files: {} as signed, {} not downloaded", self.files, self.files_not_downloaded)?;
        for note in &self.notes {
            writeln!(out, "note: {note}")?;
        }
        for problem in &self.problems {
            writeln!(out, "WRONG: {problem}")?;
        }
        match self.problems.len() {
            0 => writeln!(out, "verified"),
            1 => writeln!(out, "not verified: 1 problem"),
            count => writeln!(out, "not verified: {count} problems"),
        }
    }
}
