//! What lies between two commits of a repository.

use polder_git::{Comparison, Diff};
use polder_types::ObjectId;

use crate::Hub;
use crate::access::{Grant, Read};
use crate::error::Result;

/// Most bytes of a textual comparison, but for the file in which they end.
const DIFF_BYTES_MAX: usize = 2 << 20;
/// Most files of a textual comparison.
const DIFF_FILES_MAX: usize = 300;

impl Hub {
    /// Compares two commits file by file: `limit` changes, at most 1,000, after the first `skip`.
    ///
    /// Sizes and pointers are those of the files; a moved file is one change. `None` compares with nothing.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`] for an unknown commit; [`crate::Kind::TooLarge`] where more than 100,000 files
    /// differ; [`crate::Kind::Unavailable`] when no place came free.
    pub async fn compare(
        &self,
        grant: &Grant<Read>,
        old: Option<ObjectId>,
        new: ObjectId,
        skip: usize,
        limit: usize,
    ) -> Result<Comparison> {
        let held = self.held(grant.repo_id()).await?;
        self.histories.run(move || Ok(polder_git::compare(&held.snapshot, old, new, skip, limit)?)).await
    }

    /// The same as a unified diff, of the first 300 files and about 2 MiB. LFS files show their pointers; binary
    /// files and those over 1 MiB are only said to differ.
    ///
    /// # Errors
    /// As [`Hub::compare`].
    pub async fn unified_diff(
        &self,
        grant: &Grant<Read>,
        old: Option<ObjectId>,
        new: ObjectId,
    ) -> Result<Diff> {
        let held = self.held(grant.repo_id()).await?;
        self.histories
            .run(move || {
                let compared = polder_git::compare(&held.snapshot, old, new, 0, DIFF_FILES_MAX)?;
                let mut diff = polder_git::unified_diff(&held.snapshot, &compared.changes, DIFF_BYTES_MAX)?;
                diff.is_cut |= compared.total > DIFF_FILES_MAX;
                Ok(diff)
            })
            .await
    }
}
