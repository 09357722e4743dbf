//! Fetch requests of every protocol version, against a small repository.

use std::sync::LazyLock;

use bytes::Bytes;
use polder_git::pkt_line::PacketSlice;
use polder_git::{
    Change, Error, NO_RECENT_TIPS, Protocol, Ref, Signature, Sink, Snapshot, upload_pack, write_commit,
};
use polder_types::{ObjectId, UnixMillis};

use crate::hand_made::receive;

/// More than the repository's objects and refs make, whatever is asked for.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Every request is answered or refused, in a bounded answer of whole packets, and never with a failure
/// of ours. `$n` stands for the id of the n-th commit, which no fuzzer can guess.
pub(crate) fn run(input: &[u8]) {
    let Some((choice, request)) = input.split_first() else { return };
    let protocol = match choice % 3 {
        0 => Protocol::V0,
        1 => Protocol::V1,
        _ => Protocol::V2,
    };
    let request = if choice & 0x80 == 0 { request.to_vec() } else { framed(request) };
    let mut answer = Answer(Vec::new());
    match upload_pack(&REPOSITORY.snapshot, NO_RECENT_TIPS, protocol, &request, &mut answer) {
        Ok(()) | Err(Error::Refused { .. } | Error::TooLarge { .. }) => {}
        Err(error) => panic!("not the client's fault: {error:?}"),
    }
    if protocol == Protocol::V2 {
        let mut packets = PacketSlice::new(&answer.0);
        while !packets.rest().is_empty() {
            if let Err(error) = packets.next_packet() {
                panic!("an answer that is not made of packets: {error}");
            }
        }
    }
}

struct Answer(Vec<u8>);

impl Sink for Answer {
    fn send(&mut self, chunk: Bytes) -> std::io::Result<()> {
        self.0.extend_from_slice(&chunk);
        assert!(self.0.len() <= ANSWER_BYTES_MAX, "an endless answer");
        Ok(())
    }
}

/// Lines as packets: an empty line is a flush, `--` a delimiter.
pub(crate) fn framed(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for line in text.split(|byte| *byte == b'\n') {
        match line {
            b"" => polder_git::pkt_line::write_flush(&mut out),
            b"--" => polder_git::pkt_line::write_delim(&mut out),
            line => polder_git::pkt_line::write_data(&mut out, &with_ids(line)),
        }
    }
    out
}

fn with_ids(line: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = line;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        let digit = rest.first().filter(|digit| *byte == b'$' && digit.is_ascii_digit());
        match digit.and_then(|digit| REPOSITORY.commits.get(usize::from(digit - b'0'))) {
            Some(id) => {
                out.extend(id.to_string().bytes());
                rest = rest.get(1..).unwrap_or_default();
            }
            None => out.push(*byte),
        }
    }
    out
}

pub(crate) struct Repository {
    pub(crate) snapshot: Snapshot,
    commits: Vec<ObjectId>,
}

/// Five commits, of which the last is visible to nobody.
pub(crate) static REPOSITORY: LazyLock<Repository> = LazyLock::new(|| {
    let author =
        Signature { name: "Ada".to_owned(), email: "ada@example.org".to_owned(), time: UnixMillis(0) };
    let named = |name: &str, oid: ObjectId| Ref { name: name.to_owned(), oid, peeled: None };
    let mut snapshot = Snapshot::new(0, "refs/heads/main".to_owned(), Vec::new(), Vec::new());
    let mut commits: Vec<ObjectId> = Vec::new();
    for n in 0..5 {
        let change = Change::Write {
            path: format!("folder{n}/file.txt"),
            content: format!("{n}\n").into(),
            executable: n == 1,
        };
        let parent = commits.last().copied();
        let pack = write_commit(&snapshot, parent, &[change], None, &author, "Write")
            .and_then(|written| Ok((written.commit_id, written.whole_pack()?)));
        let (commit_id, pack) = match pack {
            Ok(written) => written,
            Err(error) => panic!("{error}"),
        };
        commits.push(commit_id);
        match receive(&pack) {
            Ok(Some(received)) => snapshot = snapshot.with_pack(received.pack),
            other => panic!("{other:?}"),
        }
    }
    let [first, _, third, main, hidden] = commits[..] else { panic!("five commits") };
    let refs = vec![
        named("refs/heads/main", main),
        named("refs/heads/side", third),
        named("refs/polder/hidden", hidden),
        named("refs/tags/first", first),
    ];
    let packs = snapshot.packs().to_vec();
    Repository { snapshot: Snapshot::new(1, "refs/heads/main".to_owned(), refs, packs), commits }
});
