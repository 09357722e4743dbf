//! From quarantine to a durable name: sync the bytes, link without replacing, sync the directory.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use polder_types::{PackId, failpoint};

use crate::disk::Inner;
use crate::error::{Error, Result, failed};
use crate::names::{Area, pack_paths, shard};

/// Published files are never written again.
const PUBLISHED_MODE: u32 = 0o440;

impl Inner {
    /// Publishes a pack with its index; see [`crate::Store::publish_pack`].
    pub(crate) fn publish_pack(&self, id: PackId, pack: &Path, index: &Path) -> Result<()> {
        self.require_writable()?;
        for path in [pack, index] {
            let file = File::open(path).map_err(failed("open", path))?;
            self.seal(&file, path)?;
        }
        failpoint::hit("pack.fsynced");
        let directory = self.shard_directory(Area::Packs, shard(id.0))?;
        let (pack_name, index_name) = pack_paths(&self.root, id);
        let what = || format!("pack {id}");
        link(pack, &pack_name, what)?;
        if let Err(error) = link(index, &index_name, what) {
            remove_own(&pack_name);
            return Err(error);
        }
        failpoint::hit("pack.renamed");
        if let Err(error) = self.sync_directory(&directory) {
            remove_own(&index_name);
            remove_own(&pack_name);
            return Err(error);
        }
        failpoint::hit("pack.dir_synced");
        Ok(())
    }

    /// Makes the bytes of a quarantined file durable, and read-only.
    pub(crate) fn seal(&self, file: &File, path: &Path) -> Result<()> {
        file.set_permissions(Permissions::from_mode(PUBLISHED_MODE)).map_err(failed("seal", path))?;
        self.sync_file(file, path)
    }
}

/// Gives a file its published name; a file that has the name already stays what it is.
pub(crate) fn link(from: &Path, to: &Path, what: impl FnOnce() -> String) -> Result<()> {
    match fs::hard_link(from, to) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(Error::Exists { what: what() }),
        Err(error) => Err(failed("link", to)(error)),
    }
}

/// Takes back a name that this call made. What cannot be taken back is unknown to every row, so the
/// sweep finds it.
pub(crate) fn remove_own(path: &Path) {
    if let Err(error) = fs::remove_file(path) {
        tracing::warn!(path = %path.display(), %error, "cannot take back a half-published file; the sweep will");
    }
}
