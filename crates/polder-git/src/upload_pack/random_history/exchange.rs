//! One request, answered by polder and by git's own server, and what each answer says.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::Path;

use polder_types::ObjectId;

use crate::pkt_line::{Packet, PacketSlice};
use crate::{NO_RECENT_TIPS, Protocol, Snapshot, upload_pack};

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// The lines before the pack; those about shallow ends in order of their ids.
    pub(super) lines: Vec<String>,
    pub(super) pack: Option<Contents>,
}

/// What a pack holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Contents {
    pub(super) objects: BTreeSet<ObjectId>,
    /// Objects outside the pack that it builds on.
    pub(super) bases: BTreeSet<ObjectId>,
}

/// Asks polder.
pub(super) fn ask_polder(snapshot: &Snapshot, protocol: Protocol, body: &[u8], dir: &Path) -> Answer {
    let mut out = Vec::new();
    match upload_pack(snapshot, NO_RECENT_TIPS, protocol, body, &mut out) {
        Ok(()) | Err(crate::Error::Refused { .. }) => read(&out, dir),
        Err(error) => panic!("{error}"),
    }
}

/// Asks `git upload-pack`, configured to hide what polder hides and to allow every want.
///
/// `pack.useSparse` is off: with it git sends objects that the client is known to have, as a short cut.
#[expect(clippy::disallowed_methods, reason = "tests drive the real git")]
pub(super) fn ask_git(git: &Path, dir: &Path, protocol: Protocol, body: &[u8]) -> Answer {
    let mut command = std::process::Command::new(git);
    for setting in [
        "uploadpack.allowFilter=true",
        "uploadpack.allowAnySHA1InWant=true",
        "uploadpack.allowRefInWant=true",
        "transfer.hideRefs=refs/polder",
        "pack.useSparse=false",
        "pack.threads=1",
        "gc.auto=0",
    ] {
        command.args(["-c", setting]);
    }
    command
        .args(["upload-pack", "--stateless-rpc", "."])
        .current_dir(dir)
        .env_clear()
        .env("PATH", git.parent().unwrap())
        .env("HOME", "/nonexistent")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    if protocol == Protocol::V2 {
        command.env("GIT_PROTOCOL", "version=2");
    }
    let mut child = command.spawn().unwrap();
    // A server that refuses may not read all of it.
    let _sent = child.stdin.take().unwrap().write_all(body);
    let output = child.wait_with_output().unwrap();
    let mut answer = read(&output.stdout, dir);
    if !output.status.success() && !answer.lines.iter().any(|line| line.starts_with("ERR ")) {
        answer.lines.push(format!("ERR {}", String::from_utf8_lossy(&output.stderr)));
    }
    answer
}

fn read(out: &[u8], dir: &Path) -> Answer {
    let mut lines = Vec::new();
    let mut pack = Vec::new();
    let mut packets = PacketSlice::new(out);
    while let Some(packet) = packets.next_packet().unwrap() {
        match packet {
            Packet::Data([1, data @ ..]) => pack.extend_from_slice(data),
            Packet::Data([2, ..]) => {}
            Packet::Data([3, message @ ..]) => {
                lines.push(format!("ERR {}", String::from_utf8_lossy(message)));
            }
            Packet::Data(_) => lines.push(String::from_utf8_lossy(packet.line().unwrap()).into_owned()),
            Packet::Flush => lines.push("0000".to_owned()),
            Packet::Delim => lines.push("0001".to_owned()),
            Packet::ResponseEnd => lines.push("0002".to_owned()),
        }
    }
    sort_shallow(&mut lines);
    Answer { lines, pack: (!pack.is_empty()).then(|| contents(&pack, dir)) }
}

/// Sorts each run of lines about shallow ends, whose order means nothing; git repeats some.
fn sort_shallow(lines: &mut Vec<String>) {
    let is_shallow = |line: &String| line.starts_with("shallow ") || line.starts_with("unshallow ");
    for run in lines.chunk_by_mut(|a, b| is_shallow(a) && is_shallow(b)) {
        run.sort();
    }
    lines.dedup_by(|later, line| is_shallow(line) && later == line);
}

/// Lists a pack with libgit2, which takes bases that are missing in it from the repository in `dir`.
fn contents(pack: &[u8], dir: &Path) -> Contents {
    let repo = git2::Repository::open_bare(dir).unwrap();
    let odb = repo.odb().unwrap();
    let place = tempfile::tempdir().unwrap();
    let mut indexer = git2::Indexer::new(Some(&odb), place.path(), 0o644, false).unwrap();
    indexer.write_all(pack).unwrap();
    let hash = indexer.commit().unwrap();
    let index = std::fs::read(place.path().join(format!("pack-{hash}.idx"))).unwrap();
    let index = gix_pack::index::File::from_data(index, "idx".into(), gix_hash::Kind::Sha1).unwrap();
    let entries: BTreeMap<u64, ObjectId> = index
        .iter()
        .map(|entry| (entry.pack_offset, ObjectId::from_slice(entry.oid.as_bytes()).unwrap()))
        .collect();
    // What was added stands where the trailer of the pack as sent was, or after it.
    let end = u64::try_from(pack.len() - ObjectId::BYTES).unwrap();
    let (mut objects, mut bases) = (BTreeSet::new(), BTreeSet::new());
    for (offset, id) in entries {
        if offset < end {
            objects.insert(id)
        } else {
            bases.insert(id)
        };
    }
    Contents { objects, bases }
}
