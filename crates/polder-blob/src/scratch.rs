//! A directory for work in progress.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::Inner;
use crate::error::Result;

/// An empty directory on the store's file system, removed with everything in it when dropped; what a
/// crash leaves of it goes when the store is next opened.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    // Keeps the instance, and so its lock, until the last of its directories has gone.
    store: Arc<Inner>,
}

impl Scratch {
    pub(crate) fn create(store: Arc<Inner>) -> Result<Self> {
        let path = store.instance.fresh_directory()?;
        Ok(Self { path, store })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = self.store.instance.take_back(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "work in progress was not removed; the next start does it");
        }
    }
}
