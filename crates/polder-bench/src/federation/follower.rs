//! A follower that takes pages from a file into a database, and says what it took.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use polder_db::{Appended, Db, Log, LogEntry};
use polder_log::{Advanced, Content, Cursor, EventsPage, Leaf, PAGE_BYTES_MAX, RepoHead, check_next};
use polder_types::{Clock, IdSource, Sha256};

use super::origin::Origin;
use crate::cpu;
use crate::tools::Result;

/// What the bench is called with to be a follower.
pub(super) const WORD: &str = "follow-pages";

/// Takes every page and prints seconds, processor seconds, peak KiB and bytes of the database.
pub(super) fn run(pages: &Path, data: &Path) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let start = Instant::now();
    let size = runtime.block_on(follow(pages, data))?;
    let seconds = start.elapsed().as_secs_f64();
    let used = cpu::of_process(std::process::id())?.as_secs_f64();
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    let peak = peak.trim().trim_end_matches(" kB");
    let bytes = bytes_under(data)?;
    eprintln!("followed {size} events");
    Ok(writeln!(std::io::stdout().lock(), "{seconds} {used} {peak} {bytes}")?)
}

async fn follow(pages: &Path, data: &Path) -> Result<u64> {
    let (name, key) = Origin::identity()?;
    let db = Db::open(data, Clock::System, Arc::new(IdSource::new(Clock::System, 0))).await?;
    let log = db.open_log(name.clone(), key.clone(), false).await?;
    let mut cursor = Cursor::start(name);
    let mut file = BufReader::new(File::open(pages)?);
    while let Some(bytes) = next_page(&mut file)? {
        let page = EventsPage::decode(&bytes)?;
        let advanced = cursor.advance(&page, &key)?;
        check_chains(&db, &log, &advanced).await?;
        cursor = advanced.cursor.clone();
        append(&db, &log, page.first, advanced).await?;
    }
    let taken = db.log(log.id).await?.ok_or("the log is gone")?;
    db.close().await;
    if taken.tree == cursor.tree { Ok(taken.tree.size()) } else { Err("the database has another log".into()) }
}

fn next_page(file: &mut impl Read) -> Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match file.read_exact(&mut length) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    let length = usize::try_from(u32::from_be_bytes(length))?;
    if length > PAGE_BYTES_MAX {
        return Err("a page is too long".into());
    }
    let mut bytes = vec![0; length];
    file.read_exact(&mut bytes)?;
    Ok(Some(bytes))
}

/// Each event must follow the one before it of its repository.
async fn check_chains(db: &Db, log: &Log, advanced: &Advanced) -> Result<()> {
    let rids: BTreeSet<Sha256> = advanced.entries.iter().map(|entry| entry.leaf.rid).collect();
    let rids: Vec<Sha256> = rids.into_iter().collect();
    let known = db.log_heads(log.id, &rids).await?;
    let head = |leaf: &Leaf| RepoHead { rseq: leaf.rseq, body_sha256: leaf.body_sha256 };
    let mut heads: BTreeMap<Sha256, RepoHead> = known.iter().map(|row| (row.rid, head(&row.leaf))).collect();
    for entry in &advanced.entries {
        let Content::Body(body) = &entry.content else { return Err("a body is not in order".into()) };
        let Some(rid) = body.repo() else { continue };
        check_next(heads.get(&rid).copied(), body)?;
        heads.insert(rid, head(&entry.leaf));
    }
    Ok(())
}

async fn append(db: &Db, log: &Log, first: u64, advanced: Advanced) -> Result<()> {
    let log = db.log(log.id).await?.ok_or("the log is gone")?;
    if log.tree.size() != first {
        return Err("the database is elsewhere in the log".into());
    }
    let entry = |entry: polder_log::Entry| {
        let (body, nsid) = match entry.content {
            Content::Body(body) => (Some(Bytes::copy_from_slice(body.bytes())), body.namespace()),
            Content::NotSent | Content::Refused { .. } => (None, None),
        };
        LogEntry { leaf: entry.leaf, body, nsid }
    };
    let entries = advanced.entries.into_iter().map(entry).collect();
    match db.append_to_log(log.append(entries)).await? {
        Appended::Done(_) => Ok(()),
        Appended::Raced => Err("someone else appended".into()),
    }
}

fn bytes_under(directory: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { bytes_under(&entry.path())? } else { metadata.len() };
    }
    Ok(bytes)
}
