//! The chunk list beside each large object: written while the object is received, and read back.

use std::fs::{self, File};
use std::io::{BufReader, Read, Write as _};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use polder_types::{BlobId, Sha256, failpoint};
use polder_xet::{Chunk, Cut, ENTRY_BYTES, FileHash, HEADER_BYTES, ListCheck, ListError, ListHeader, Lister};

use crate::disk::Inner;
use crate::error::{Error, Result, failed};
use crate::inspect::{open, read_all};
use crate::names::{Area, blob_path, list_path, shard};
use crate::receive::QuarantinedFile;
use crate::store::BlobFile;

/// Bytes of entries gathered before they are written.
const GATHERED_BYTES: usize = 64 << 10;
/// Bytes of entries read at a time.
const PAGE_BYTES: usize = ENTRY_BYTES << 12;

/// What the list of an object must say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListClaim {
    /// The object's SHA-256.
    pub sha256: Sha256,
    /// Its length in bytes.
    pub size_bytes: u64,
    /// The hash of the tree over its chunks.
    pub file_hash: FileHash,
}

impl ListClaim {
    fn is_of(&self, header: &ListHeader) -> bool {
        let said = (&header.sha256, header.size_bytes, header.file_hash);
        said == (self.sha256.as_bytes(), self.size_bytes, self.file_hash)
    }
}

/// A chunk list being made out of bytes that pass by. Dropping it removes its file.
#[derive(Debug)]
pub(crate) struct Listing {
    lister: Lister,
    file: QuarantinedFile,
}

impl Listing {
    pub(crate) fn create(store: Arc<Inner>, lister: Lister) -> Result<Self> {
        let file = QuarantinedFile::create(store, "list")?;
        // The header comes last: only then is known what it says.
        (&file.file).write_all(&[0; HEADER_BYTES]).map_err(failed("write", &file.path))?;
        Ok(Self { lister, file })
    }

    /// Looks at the object's next bytes; nothing is written.
    pub(crate) fn see(&mut self, bytes: &[u8]) {
        self.lister.push(bytes);
    }

    /// Takes the object's next chunks, where they are given; nothing is written.
    pub(crate) fn give(&mut self, chunks: &[Chunk]) {
        self.lister.give(chunks);
    }

    /// Writes entries once enough have gathered.
    pub(crate) fn write(&mut self) -> Result<()> {
        if self.lister.waiting_bytes() < GATHERED_BYTES {
            return Ok(());
        }
        let entries = self.lister.take_entries();
        (&self.file.file).write_all(&entries).map_err(failed("write", &self.file.path))
    }

    /// Completes the list of an object of `size_bytes`.
    pub(crate) fn finish(self, sha256: &Sha256, size_bytes: u64) -> Result<(QuarantinedFile, Cut)> {
        let Self { lister, file } = self;
        let unlistable = |error: ListError| std::io::Error::new(std::io::ErrorKind::FileTooLarge, error);
        let ended = lister.finish(*sha256.as_bytes()).map_err(unlistable);
        let written = ended.and_then(|(header, entries, cut)| {
            if header.size_bytes != size_bytes {
                let what = "the chunks that were given are not the object's";
                return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, what));
            }
            (&file.file).write_all(&entries)?;
            file.file.write_all_at(&header.encode(), 0)?;
            Ok(cut)
        });
        let cut = written.map_err(failed("write", &file.path))?;
        Ok((file, cut))
    }
}

impl Inner {
    pub(crate) fn open_list(&self, id: BlobId) -> Result<BlobFile> {
        open(&list_path(&self.root, id), || format!("the chunk list of object {id}"))
    }

    /// What is wrong with the list of an object; with `deep`, every entry is read.
    pub(crate) fn check_list(&self, id: BlobId, claim: &ListClaim, deep: bool) -> Result<Option<String>> {
        let list = match self.open_list(id) {
            Ok(list) => list,
            Err(Error::NotFound { .. }) => return Ok(Some("it has no chunk list".to_owned())),
            Err(error) => return Err(error),
        };
        let path = list_path(&self.root, id);
        let checked = check(&list.file, list.size_bytes, claim, deep, &mut |_| Ok(()));
        checked.map_err(failed("read", &path))
    }

    /// Makes the list of an object that has none, unless its bytes are not what they should be.
    pub(crate) fn make_list(self: &Arc<Self>, id: BlobId, sha256: &Sha256) -> Result<Option<Cut>> {
        let blob = self.open_blob(id)?;
        let mut listing = Listing::create(Arc::clone(self), Lister::default())?;
        let (found, size_bytes) = read_all(&blob.file, &blob_path(&self.root, id), |bytes| {
            listing.see(bytes);
            listing.write()
        })?;
        if found != *sha256 {
            return Ok(None);
        }
        let (file, cut) = listing.finish(sha256, size_bytes)?;
        self.place_list(&file, id)?;
        Ok(Some(cut))
    }

    /// Takes the list of an object over from elsewhere, once it is seen to be what `claim` says.
    pub(crate) fn take_list(
        self: &Arc<Self>,
        id: BlobId,
        claim: &ListClaim,
        from: &File,
    ) -> Result<Option<String>> {
        let file = QuarantinedFile::create(Arc::clone(self), "list")?;
        let size_bytes = from.metadata().map_err(failed("look at", &file.path))?.len();
        let copied = check(from, size_bytes, claim, true, &mut |bytes| (&file.file).write_all(bytes));
        let wrong = copied.map_err(failed("copy to", &file.path))?;
        if wrong.is_none() {
            self.place_list(&file, id)?;
        }
        Ok(wrong)
    }

    /// Gives a list its name, in place of one that is there: both say what the object's chunks are.
    fn place_list(&self, file: &QuarantinedFile, id: BlobId) -> Result<()> {
        self.require_writable()?;
        self.seal(&file.file, &file.path)?;
        failpoint::hit("list.fsynced");
        let directory = self.shard_directory(Area::Blobs, shard(id.0))?;
        let to = list_path(&self.root, id);
        // A second name first, so that the file in quarantine keeps its own to be removed by.
        let second = file.path.with_extension("placed");
        fs::hard_link(&file.path, &second).map_err(failed("link", &second))?;
        fs::rename(&second, &to).map_err(failed("replace", &to))?;
        failpoint::hit("list.renamed");
        self.sync_directory(&directory)
    }
}

/// Reads a list from its start; what is wrong with it, if anything is. Every piece goes to `see`.
fn check(
    mut file: &File,
    size_bytes: u64,
    claim: &ListClaim,
    deep: bool,
    see: &mut dyn FnMut(&[u8]) -> std::io::Result<()>,
) -> std::io::Result<Option<String>> {
    let mut bytes = Vec::with_capacity(PAGE_BYTES);
    let header_bytes = u64::try_from(HEADER_BYTES).unwrap_or(u64::MAX);
    Read::by_ref(&mut file).take(header_bytes).read_to_end(&mut bytes)?;
    let header = match ListHeader::decode(&bytes) {
        Ok((header, _)) => header,
        Err(error) => return Ok(Some(error.to_string())),
    };
    if !claim.is_of(&header) {
        return Ok(Some("its chunk list is that of another object".to_owned()));
    }
    if size_bytes != header.list_bytes() {
        return Ok(Some("its chunk list has a wrong length".to_owned()));
    }
    see(&bytes)?;
    if !deep {
        return Ok(None);
    }
    let (mut check, mut file) = (ListCheck::new(header), BufReader::with_capacity(PAGE_BYTES, file));
    loop {
        bytes.clear();
        Read::by_ref(&mut file)
            .take(u64::try_from(PAGE_BYTES).unwrap_or(u64::MAX))
            .read_to_end(&mut bytes)?;
        if bytes.is_empty() {
            return Ok(check.finish().err().map(|error| error.to_string()));
        }
        if let Err(error) = check.page(&bytes, &mut |_| {}) {
            return Ok(Some(error.to_string()));
        }
        see(&bytes)?;
    }
}
