//! The files that a hub stores.

use std::path::{Path, PathBuf};

use super::Hub;

impl Hub {
    /// The files of large objects, as relative paths.
    pub fn stored_objects(&self) -> Vec<String> {
        let mut names = self.stored_files();
        names.retain(|name| name.contains("blobs/") && !name.ends_with(".chunks"));
        names
    }

    /// Of which objects that are being fetched some bytes are noted as good, as relative paths.
    pub fn noted_transfers(&self) -> Vec<String> {
        let mut names = self.files_in(&["transfers/"]);
        let is_empty = |name: &String| self.data.join(name).metadata().is_ok_and(|file| file.len() == 0);
        names.retain(|name| name.ends_with("/done") && !is_empty(name));
        names
    }

    /// Every file in the data directory but the database's, the log's own and what is being fetched, as relative
    /// paths.
    pub fn stored_files(&self) -> Vec<String> {
        self.files_in(&["blobs/", "packs/", "quarantine/", "lost/", "uploads/", "xorbs/"])
    }

    fn files_in(&self, directories: &[&str]) -> Vec<String> {
        let mut found = Vec::new();
        list(&self.data, &mut found);
        let base = self.data.display().to_string() + "/";
        let mut names: Vec<String> =
            found.iter().map(|path| path.display().to_string().replacen(&base, "", 1)).collect();
        names.retain(|name| directories.iter().any(|directory| name.contains(directory)));
        names.sort();
        names
    }
}

fn list(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => list(&path, found),
            _ => found.push(path),
        }
    }
}
