//! A whole push with the sending half of real git: what it writes is read, what we answer it reads.

use std::io::Read;

use super::*;
use crate::pkt_line::{Packet, PacketReader, write_flush, write_line};
use crate::receive::{Command, PushRequest, RefReport, progress, read_push, report};

/// Runs `git send-pack --stateless-rpc`, the half of an HTTP push that does not speak HTTP.
///
/// `answer` gets the request and the rest of the body, and makes the response.
#[expect(clippy::disallowed_methods, reason = "tests drive the real git")]
fn send_pack(
    git: &Git,
    capabilities: &str,
    refs: &[(&str, ObjectId)],
    specs: &[&str],
    answer: &mut dyn FnMut(&PushRequest, &mut dyn Read) -> Vec<u8>,
) -> (String, String) {
    let mut child = Process::new("git")
        .args(["send-pack", "--stateless-rpc", "--helper-status", "--force", "hub"])
        .args(specs)
        .current_dir(git.dir.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut advert = Vec::new();
    for (at, (name, id)) in refs.iter().enumerate() {
        let caps = if at == 0 { format!("\0{capabilities}") } else { String::new() };
        write_line(&mut advert, &format!("{id} {name}{caps}"));
    }
    write_flush(&mut advert);
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    stdin.write_all(&advert).unwrap();
    // Each write of the request arrives as one packet; a flush ends it.
    let mut body = Vec::new();
    let mut packets = PacketReader::new(&mut stdout);
    while let Some(Packet::Data(part)) = packets.next_packet().unwrap() {
        body.extend_from_slice(part);
    }
    let mut rest = body.as_slice();
    let request = read_push(&mut rest).unwrap().unwrap();
    let response = answer(&request, &mut rest);
    stdin.write_all(&response).unwrap();
    drop(stdin);
    let mut told = String::new();
    stdout.read_to_string(&mut told).unwrap();
    let output = child.wait_with_output().unwrap();
    // The end of the last request, which no server gets to see.
    let told = told.trim_start_matches("0000").to_owned();
    (told, String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Takes the push as the hub does, up to its transaction.
fn take(before: &Snapshot, request: &PushRequest, pack: &mut dyn Read) -> Vec<u8> {
    let quarantine = tempfile::tempdir().unwrap();
    let received = index_pack(PackId(2), pack, quarantine.path(), &IndexLimits::PUSH, &mut |_| {});
    let tips: Vec<ObjectId> = request.commands.iter().map(|command| command.new).collect();
    let verdict = received
        .and_then(|r| check_push(before, r.as_ref(), &tips, Severity::Push))
        .map_err(|e| e.to_string());
    let result = |command: &Command| match (&verdict, command.name.ends_with("stale")) {
        (Err(_), _) => Err("unpacker error".to_owned()),
        (Ok(_), true) => Err("failed to update ref".to_owned()),
        (Ok(_), false) => Ok(()),
    };
    let refs: Vec<RefReport> =
        request.commands.iter().map(|c| RefReport { name: c.name.clone(), result: result(c) }).collect();
    let mut response = progress(&request.capabilities, b"checked\n").to_vec();
    report(&request.capabilities, verdict.map(drop), &refs, &mut response).unwrap();
    response
}

const BANDED: &str = "report-status report-status-v2 delete-refs side-band-64k quiet atomic ofs-delta no-thin object-format=sha1 agent=polder/0";
const PLAIN: &str = "report-status delete-refs ofs-delta";

#[test]
fn real_git_pushes_and_reads_every_kind_of_report() {
    let git = Git::new();
    let first = git.commit(git.tree(&[("100644 f", git.blob(b"one"))]), &[]);
    let second = git.commit(git.tree(&[("100644 f", git.blob(b"two"))]), &[first]);
    git.run(&["update-ref", "refs/heads/main", &second.to_string()], b"");
    let before =
        snapshot(&[("refs/heads/main", first), ("refs/heads/gone", first)], &[&git.push_pack(&[first], &[])]);
    let refs = [("refs/heads/gone", first), ("refs/heads/main", first)];
    let specs = ["main:main", "main:refs/heads/stale", ":refs/heads/gone"];
    for capabilities in [BANDED, PLAIN] {
        let mut seen = Vec::new();
        let (told, terminal) = send_pack(&git, capabilities, &refs, &specs, &mut |request, pack| {
            seen.clone_from(&request.commands);
            take(&before, request, pack)
        });
        let mut lines: Vec<&str> = told.lines().filter(|line| !line.is_empty()).collect();
        lines.sort_unstable();
        let expected =
            ["error refs/heads/stale failed to update ref", "ok refs/heads/gone", "ok refs/heads/main"];
        assert_eq!(lines, expected, "{terminal}");
        assert_eq!(terminal.contains("remote: checked"), capabilities == BANDED, "{terminal}");
        assert_eq!(seen.len(), 3);
    }
}

#[test]
fn real_git_shows_why_a_pack_was_refused() {
    let git = Git::new();
    let bad = git.commit(git.tree(&[("100644 .git", git.blob(b"x"))]), &[]);
    git.run(&["update-ref", "refs/heads/main", &bad.to_string()], b"");
    let refs = [("refs/heads/other", git.commit(git.tree(&[]), &[]))];
    for capabilities in [BANDED, PLAIN] {
        let (told, terminal) = send_pack(&git, capabilities, &refs, &["main:main"], &mut |request, pack| {
            take(&empty(), request, pack)
        });
        assert!(terminal.contains("remote unpack failed: fsck error in pack"), "{terminal}");
        assert!(terminal.contains("hasDotgit: contains '.git'"), "{terminal}");
        assert!(told.contains("error refs/heads/main unpacker error"), "{told}");
    }
}
