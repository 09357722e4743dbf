//! A large object on its way from elsewhere: kept across restarts until it is whole.
//!
//! It lies in a directory of its own outside every instance's quarantine: the bytes at their final places,
//! the chunk list, and which bytes are known to be good. What is said to be good is on the disk: bytes are
//! synced before the record of them is. A lock on the directory keeps others away from it.

use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use polder_types::{BlobId, UnixMillis, failpoint};
use rustix::fs::{FallocateFlags, FlockOperation, fallocate, flock};
use rustix::io::Errno;

use crate::disk::Inner;
use crate::error::{Error, Result, failed};
use crate::inspect::{changed, remove};
use crate::names::{Area, TRANSFERS, blob_path, list_path, shard};
use crate::publish::{link, remove_own};

const DATA: &str = "data";
const LIST: &str = "list";
const DONE: &str = "done";
const NEW: &str = "new";
/// While it is on its way.
const MODE: u32 = 0o600;

/// A large object on its way; see the module page. Dropping it keeps it for the next time.
#[derive(Debug)]
pub struct Transfer {
    dir: PathBuf,
    data: Arc<File>,
    store: Arc<Inner>,
    _lock: File,
}

impl Inner {
    /// Opens or begins the transfer named `key`; `None` when someone has it open.
    pub(crate) fn open_transfer(self: &Arc<Self>, key: &str, size_bytes: u64) -> Result<Option<Transfer>> {
        self.require_writable()?;
        let dir = self.transfer_path(key)?;
        match fs::create_dir(&dir) {
            Ok(()) => self.sync_directory(&self.root.join(TRANSFERS))?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed("make", &dir)(error)),
        }
        let Some(lock) = lock(&dir)? else { return Ok(None) };
        let path = dir.join(DATA);
        make_own(&path, &dir.join(NEW))?;
        let options = File::options().read(true).write(true).create(true).truncate(false).open(&path);
        let data = options.map_err(failed("open", &path))?;
        if data.metadata().map_err(failed("look at", &path))?.len() != size_bytes {
            remove(&dir.join(DONE))?;
            allocate(&data, size_bytes).map_err(failed("allocate", &path))?;
        }
        Ok(Some(Transfer { dir, data: Arc::new(data), store: Arc::clone(self), _lock: lock }))
    }

    /// Names of transfers that are not whole yet, and when each last changed.
    pub(crate) fn transfers(&self) -> Result<Vec<(String, UnixMillis)>> {
        let root = self.root.join(TRANSFERS);
        let mut found = Vec::new();
        for entry in fs::read_dir(&root).map_err(failed("list", &root))? {
            let entry = entry.map_err(failed("list", &root))?;
            let Ok(key) = entry.file_name().into_string() else { continue };
            let last = [DONE, LIST, DATA].iter().find_map(|name| fs::metadata(entry.path().join(name)).ok());
            let Ok(metadata) = last.map_or_else(|| entry.metadata(), Ok) else { continue };
            found.push((key, changed(&metadata)));
        }
        Ok(found)
    }

    /// Removes a transfer that nobody has open; false when there was none.
    pub(crate) fn remove_transfer(&self, key: &str) -> Result<bool> {
        self.require_writable()?;
        let dir = self.transfer_path(key)?;
        let Some(_lock) = lock(&dir)? else { return Ok(false) };
        fs::remove_dir_all(&dir).map_err(failed("remove", &dir))?;
        Ok(true)
    }

    fn transfer_path(&self, key: &str) -> Result<PathBuf> {
        let path = self.root.join(TRANSFERS).join(key);
        if !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Ok(path);
        }
        let source = io::Error::new(io::ErrorKind::InvalidInput, "a transfer's name has letters and digits");
        Err(Error::Io { doing: "open", path, source })
    }
}

impl Transfer {
    /// Its bytes, as long as the object, to be read and written by position.
    pub fn data(&self) -> &Arc<File> {
        &self.data
    }

    /// Its chunk list, if one was kept.
    pub fn list(&self) -> Option<File> {
        File::open(self.dir.join(LIST)).ok()
    }

    /// Keeps a chunk list, a file in a [`Scratch`](crate::Scratch) of this store, in place of one that is there.
    ///
    /// # Errors
    /// As [`Store::publish_pack`](crate::Store::publish_pack).
    pub fn set_list(&self, from: &Path) -> Result<()> {
        let file = File::open(from).map_err(failed("open", from))?;
        self.store.sync_file(&file, from)?;
        let path = self.dir.join(LIST);
        fs::rename(from, &path).map_err(failed("replace", &path))
    }

    /// Which bytes are good, as last given to [`Transfer::save`].
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn saved(&self) -> Result<Option<Vec<u8>>> {
        let path = self.dir.join(DONE);
        match fs::read(&path) {
            Ok(done) => Ok(Some(done)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("read", &path)(error)),
        }
    }

    /// Makes the bytes durable that were written so far, then the record of which are good.
    ///
    /// # Errors
    /// As [`Store::publish_pack`](crate::Store::publish_pack).
    pub fn save(&self, done: &[u8]) -> Result<()> {
        self.store.sync_file(&self.data, &self.dir.join(DATA))?;
        let (fresh, path) = (self.dir.join(NEW), self.dir.join(DONE));
        let mut file = File::create(&fresh).map_err(failed("make", &fresh))?;
        file.write_all(done).map_err(failed("write", &fresh))?;
        self.store.sync_file(&file, &fresh)?;
        fs::rename(&fresh, &path).map_err(failed("replace", &path))?;
        failpoint::hit("transfer.saved");
        Ok(())
    }

    /// Makes the object durable under `id`, with its list if it has one. The transfer is kept until it is told
    /// to end, when the object has its row.
    ///
    /// # Errors
    /// As [`Staged::publish`](crate::Staged::publish).
    pub fn publish(&self, id: BlobId) -> Result<()> {
        let store = &self.store;
        store.require_writable()?;
        let (data, list) = (self.dir.join(DATA), self.dir.join(LIST));
        store.seal(&self.data, &data)?;
        let directory = store.shard_directory(Area::Blobs, shard(id.0))?;
        let (list_name, name) = (list_path(&store.root, id), blob_path(&store.root, id));
        let what = || format!("object {id}");
        let has_list = match self.list() {
            Some(file) => {
                store.seal(&file, &list)?;
                link(&list, &list_name, what)?;
                true
            }
            None => false,
        };
        let linked = link(&data, &name, what).and_then(|()| {
            failpoint::hit("transfer.linked");
            store.sync_directory(&directory).inspect_err(|_| remove_own(&name))
        });
        if linked.is_err() && has_list {
            remove_own(&list_name);
        }
        linked
    }

    /// Ends the transfer: nothing is kept of it but what was published.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn end(self) -> Result<()> {
        fs::remove_dir_all(&self.dir).map_err(failed("remove", &self.dir))
    }
}

/// Sees to it that bytes which are there already can be written. A process that died after it published
/// them left another name of the same file, which must not be written to any more.
fn make_own(data: &Path, new: &Path) -> Result<()> {
    let metadata = match fs::metadata(data) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed("look at", data)(error)),
    };
    if metadata.nlink() > 1 {
        remove(new)?;
        fs::copy(data, new).map_err(failed("copy", data))?;
        fs::rename(new, data).map_err(failed("replace", data))?;
    }
    fs::set_permissions(data, Permissions::from_mode(MODE)).map_err(failed("open", data))
}

/// Takes the room for all bytes at once, so that a full disk is seen before they are fetched.
fn allocate(file: &File, size_bytes: u64) -> io::Result<()> {
    file.set_len(0)?;
    if size_bytes == 0 {
        return Ok(());
    }
    match fallocate(file, FallocateFlags::empty(), 0, size_bytes) {
        Ok(()) => Ok(()),
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => file.set_len(size_bytes),
        Err(error) => Err(error.into()),
    }
}

fn lock(dir: &Path) -> Result<Option<File>> {
    let file = match File::open(dir) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("open", dir)(error)),
    };
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(failed("lock", dir)(error)),
    }
}
