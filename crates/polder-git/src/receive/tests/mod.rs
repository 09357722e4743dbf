//! Packs made by real git, and by hand where git would not make them.

mod attacks;
mod bombs;
mod collisions;
mod conversation;
mod packs;
mod ref_names;
mod severities;
mod verdicts;

use std::io::Write;
use std::process::{Command as Process, Output, Stdio};

use flate2::Compression;
use flate2::write::ZlibEncoder;
use polder_types::{ObjectId, PackId};
use tempfile::TempDir;

use super::{Checked, IndexLimits, Received, Severity, check_push, index_pack};
use crate::pack::{EntryKind, write_header};
use crate::{ObjectKind, Ref, Result, Snapshot};

/// A repository of real git in a temporary directory.
struct Git {
    dir: TempDir,
}

impl Git {
    fn new() -> Self {
        let git = Self { dir: tempfile::tempdir().unwrap() };
        git.run(&["init", "-q", "-b", "main", "."], b"");
        git
    }

    fn try_run(&self, args: &[&str], stdin: &[u8]) -> std::result::Result<Vec<u8>, String> {
        let output = self.output(args, stdin);
        if output.status.success() {
            return Ok(output.stdout);
        }
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// Whether it worked, and what it said to the user.
    fn run_with_stderr(&self, args: &[&str], stdin: &[u8]) -> (bool, String) {
        let output = self.output(args, stdin);
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    #[expect(clippy::disallowed_methods, reason = "tests drive the real git")]
    fn output(&self, args: &[&str], stdin: &[u8]) -> Output {
        let mut child = Process::new("git")
            .args(args)
            .current_dir(self.dir.path())
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", self.dir.path())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_AUTHOR_NAME", "A")
            .env("GIT_AUTHOR_EMAIL", "a@example.org")
            .env("GIT_AUTHOR_DATE", "1700000000 +0000")
            .env("GIT_COMMITTER_NAME", "C")
            .env("GIT_COMMITTER_EMAIL", "c@example.org")
            .env("GIT_COMMITTER_DATE", "1700000000 +0000")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        let bytes = stdin.to_vec();
        // A git that stops reading early closes the pipe; its exit status tells.
        let writer = std::thread::spawn(move || drop(input.write_all(&bytes)));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        output
    }

    fn run(&self, args: &[&str], stdin: &[u8]) -> Vec<u8> {
        self.try_run(args, stdin).unwrap_or_else(|error| panic!("git {args:?}: {error}"))
    }

    fn oid(&self, args: &[&str], stdin: &[u8]) -> ObjectId {
        String::from_utf8(self.run(args, stdin)).unwrap().trim().parse().unwrap()
    }

    /// Stores any bytes as an object.
    fn object(&self, kind: &str, content: &[u8]) -> ObjectId {
        self.oid(&["hash-object", "-w", "--literally", "-t", kind, "--stdin"], content)
    }

    fn blob(&self, content: &[u8]) -> ObjectId {
        self.object("blob", content)
    }

    /// Entries as `mode name`, in the order given.
    fn tree(&self, entries: &[(&str, ObjectId)]) -> ObjectId {
        self.object("tree", &tree_bytes(entries))
    }

    fn commit(&self, tree: ObjectId, parents: &[ObjectId]) -> ObjectId {
        let mut args = vec!["commit-tree".to_owned(), "-m".to_owned(), "m".to_owned(), tree.to_string()];
        for parent in parents {
            args.extend(["-p".to_owned(), parent.to_string()]);
        }
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        self.oid(&args, b"")
    }

    /// A pack of exactly these objects.
    fn pack(&self, ids: &[ObjectId]) -> Vec<u8> {
        self.run(&["pack-objects", "--stdout", "-q", "--delta-base-offset"], lines("", ids).as_bytes())
    }

    /// A pack of what a push of `tips` sends to a server that has `haves`.
    fn push_pack(&self, tips: &[ObjectId], haves: &[ObjectId]) -> Vec<u8> {
        let list = lines("", tips) + &lines("^", haves);
        self.run(&["pack-objects", "--stdout", "-q", "--revs", "--delta-base-offset"], list.as_bytes())
    }
}

/// One line for each id.
fn lines(prefix: &str, ids: &[ObjectId]) -> String {
    ids.iter().fold(String::new(), |text, id| text + prefix + &id.to_string() + "\n")
}

fn tree_bytes(entries: &[(&str, ObjectId)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (entry, id) in entries {
        bytes.extend_from_slice(entry.as_bytes());
        bytes.push(0);
        bytes.extend_from_slice(id.as_bytes());
    }
    bytes
}

fn receive_with(pack: &[u8], limits: &IndexLimits) -> Result<Option<Received>> {
    let quarantine = tempfile::tempdir().unwrap();
    let mut body = pack;
    index_pack(PackId(1), &mut body, quarantine.path(), limits, &mut |_| {})
}

fn receive(pack: &[u8]) -> Result<Received> {
    receive_with(pack, &IndexLimits::PUSH).map(|received| received.expect("a pack with objects"))
}

fn refusal(pack: &[u8]) -> String {
    receive(pack).map_or_else(|error| error.to_string(), |_| "accepted".to_owned())
}

fn empty() -> Snapshot {
    snapshot(&[], &[])
}

/// A repository with these refs, whose packs hold everything given.
fn snapshot(refs: &[(&str, ObjectId)], packs: &[&[u8]]) -> Snapshot {
    let packs: Vec<_> = packs.iter().map(|pack| receive(pack).unwrap().pack).collect();
    let objects = Snapshot::new(0, "refs/heads/main".to_owned(), Vec::new(), packs.clone());
    let with_peeled = |(name, oid): &(&str, ObjectId)| Ref {
        name: (*name).to_owned(),
        oid: *oid,
        peeled: super::peel(&objects, *oid).unwrap(),
    };
    Snapshot::new(1, "refs/heads/main".to_owned(), refs.iter().map(with_peeled).collect(), packs)
}

fn push(before: &Snapshot, pack: &[u8], tips: &[ObjectId]) -> Result<Checked> {
    let received = receive_with(pack, &IndexLimits::PUSH)?;
    check_push(before, received.as_ref(), tips, Severity::Push)
}

/// Writes packs entry by entry, as no git would.
struct Pack {
    bytes: Vec<u8>,
    count: u32,
}

impl Pack {
    fn new() -> Self {
        Self { bytes: b"PACK\0\0\0\x02\0\0\0\0".to_vec(), count: 0 }
    }

    fn offset(&self) -> u64 {
        u64::try_from(self.bytes.len()).unwrap()
    }

    /// Adds an entry that claims `size`; returns its offset.
    fn entry_claiming(&mut self, kind: EntryKind, size: u64, content: &[u8]) -> u64 {
        let offset = self.offset();
        write_header(&mut self.bytes, kind, size);
        let mut encoder = ZlibEncoder::new(&mut self.bytes, Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap();
        self.count += 1;
        offset
    }

    fn entry(&mut self, kind: EntryKind, content: &[u8]) -> u64 {
        self.entry_claiming(kind, u64::try_from(content.len()).unwrap(), content)
    }

    fn blob(&mut self, content: &[u8]) -> u64 {
        self.entry(EntryKind::Whole(ObjectKind::Blob), content)
    }

    fn delta_on(&mut self, base: u64, delta: &[u8]) -> u64 {
        let distance = self.offset() - base;
        self.entry(EntryKind::OffsetDelta { distance }, delta)
    }

    fn finish_counting(mut self, count: u32) -> Vec<u8> {
        self.bytes[8..12].copy_from_slice(&count.to_be_bytes());
        let mut hasher = gix_hash::hasher(gix_hash::Kind::Sha1);
        hasher.update(&self.bytes);
        self.bytes.extend_from_slice(hasher.try_finalize().unwrap().as_slice());
        self.bytes
    }

    fn finish(self) -> Vec<u8> {
        let count = self.count;
        self.finish_counting(count)
    }
}

/// A size as deltas write it.
fn delta_size(mut size: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(size & 0x7f).unwrap();
        size >>= 7;
        bytes.push(if size == 0 { low } else { low | 0x80 });
        if size == 0 {
            return bytes;
        }
    }
}

/// A delta that keeps the whole base (below 64 KiB) and appends one byte.
fn append_byte(base_size: usize, byte: u8) -> Vec<u8> {
    let mut delta = delta_size(base_size);
    delta.extend(delta_size(base_size + 1));
    delta.extend([
        0xb0,
        u8::try_from(base_size & 0xff).unwrap(),
        u8::try_from(base_size >> 8).unwrap(),
        1,
        byte,
    ]);
    delta
}
