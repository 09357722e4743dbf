//! The store in a directory of a local file system.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result, failed, is_full};
use crate::instance::Instance;
use crate::names::{Area, EPOCH, LOST, NODES, QUARANTINE, SHARDS, TRANSFERS, UPLOADS, XORBS, shard_name};
use crate::node::Node;

/// Longest text kept as epoch, in bytes.
const EPOCH_BYTES_MAX: usize = 256;

/// A store on the local disk.
#[derive(Debug, Clone)]
pub struct Disk {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) root: PathBuf,
    pub(crate) instance: Instance,
    pub(crate) node: Node,
    /// Set by the first failed sync; from then on nothing is written.
    sync_failed: AtomicBool,
    /// Shards whose directory this process knows to be durable in its parent.
    durable_shards: [[AtomicBool; SHARDS]; 2],
}

impl Disk {
    pub(crate) fn open(root: &Path) -> Result<Self> {
        let quarantine = root.join(QUARANTINE);
        fs::create_dir_all(&quarantine).map_err(failed("make", &quarantine))?;
        for name in [Area::Blobs.directory(), Area::Packs.directory(), LOST, UPLOADS, TRANSFERS, XORBS] {
            let path = root.join(name);
            fs::create_dir_all(&path).map_err(failed("make", &path))?;
        }
        let inner = Inner {
            root: root.to_owned(),
            instance: Instance::create(&quarantine)?,
            node: Node::take(&root.join(NODES))?,
            sync_failed: AtomicBool::new(false),
            durable_shards: [const { [const { AtomicBool::new(false) }; SHARDS] }; 2],
        };
        inner.sync_directory(root)?;
        if let Some(parent) = root.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            inner.sync_directory(parent)?;
        }
        Ok(Self { inner: Arc::new(inner) })
    }

    pub(crate) fn epoch(&self) -> Result<Option<String>> {
        let path = self.inner.root.join(EPOCH);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("read", &path)(error)),
        }
    }

    pub(crate) fn set_epoch(&self, epoch: &str) -> Result<()> {
        let inner = &self.inner;
        inner.require_writable()?;
        let path = inner.root.join(EPOCH);
        if epoch.is_empty() || epoch.len() > EPOCH_BYTES_MAX {
            let source = io::Error::new(io::ErrorKind::InvalidInput, "an epoch has 1 to 256 bytes");
            return Err(Error::Io { doing: "write", path, source });
        }
        let fresh = inner.instance.fresh_path("epoch");
        let mut file = File::create_new(&fresh).map_err(failed("make", &fresh))?;
        file.write_all(epoch.as_bytes()).map_err(failed("write", &fresh))?;
        inner.sync_file(&file, &fresh)?;
        fs::rename(&fresh, &path).map_err(failed("replace", &path))?;
        inner.sync_directory(&inner.root)
    }
}

impl Inner {
    /// Fails when an earlier sync failed.
    pub(crate) fn require_writable(&self) -> Result<()> {
        if !self.sync_failed.load(Ordering::Acquire) {
            return Ok(());
        }
        let source = io::Error::other("an earlier sync failed; start again after the disk is checked");
        Err(Error::SyncFailed { path: self.root.clone(), source })
    }

    pub(crate) fn has_sync_failed(&self) -> bool {
        self.sync_failed.load(Ordering::Acquire)
    }

    /// Makes a file's bytes durable. After a failure the system may call the lost pages clean, so
    /// asking again would prove nothing: the store turns read-only.
    pub(crate) fn sync_file(&self, file: &File, path: &Path) -> Result<()> {
        match file.sync_all() {
            Ok(()) => Ok(()),
            // Space promised at write time was not there: the caller drops the file, nothing is lost.
            Err(source) if is_full(&source) => Err(Error::Full { path: path.to_owned() }),
            Err(source) => Err(self.turn_read_only(path, source)),
        }
    }

    /// Makes the names in a directory durable.
    pub(crate) fn sync_directory(&self, path: &Path) -> Result<()> {
        let directory = File::open(path).map_err(failed("open", path))?;
        directory.sync_all().map_err(|source| self.turn_read_only(path, source))
    }

    fn turn_read_only(&self, path: &Path, source: io::Error) -> Error {
        self.sync_failed.store(true, Ordering::Release);
        tracing::error!(path = %path.display(), error = %source, "sync failed: the store takes no more writes");
        Error::SyncFailed { path: path.to_owned(), source }
    }

    /// The directory of a shard, made durable in its parent before its first use by this process.
    pub(crate) fn shard_directory(&self, area: Area, shard: u8) -> Result<PathBuf> {
        let parent = self.root.join(area.directory());
        let path = parent.join(shard_name(shard));
        let [blobs, packs] = &self.durable_shards;
        let flags = match area {
            Area::Blobs => blobs,
            Area::Packs => packs,
        };
        let is_durable = flags.get(usize::from(shard));
        if is_durable.is_some_and(|flag| flag.load(Ordering::Acquire)) {
            return Ok(path);
        }
        match fs::create_dir(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed("make", &path)(error)),
        }
        // Also when it was there: the process that made it may have died before this line.
        self.sync_directory(&parent)?;
        if let Some(flag) = is_durable {
            flag.store(true, Ordering::Release);
        }
        Ok(path)
    }
}
