//! Servers that lie, stall or never end: each is named, bounded, and believed in nothing.

use std::io::{self, Read};
use std::sync::Mutex;

use super::{Advertisement, Exchange, Local, RemoteBody, list};
use crate::pkt_line::{Band, write_band, write_data, write_delim, write_flush, write_line};
use crate::upload_pack::fixture::Source;
use crate::{Error, PackOptions, Protocol, write_pack};

const SMART: &str = "application/x-git-upload-pack-advertisement";

/// Answers what it was told to, in turn; the last answer for ever.
struct Scripted {
    kind: &'static str,
    hello: Vec<u8>,
    answers: Mutex<Vec<Vec<u8>>>,
    /// Repeated without end behind each answer.
    endless: Vec<u8>,
}

struct Endless(io::Cursor<Vec<u8>>, Vec<u8>);

impl Read for Endless {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.0.read(into)?;
        if count == 0 && !self.1.is_empty() {
            self.0 = io::Cursor::new(self.1.clone());
            return self.0.read(into);
        }
        Ok(count)
    }
}

impl Scripted {
    fn new(kind: &'static str, hello: &[u8]) -> Self {
        Self { kind, hello: hello.to_vec(), answers: Mutex::default(), endless: Vec::new() }
    }

    fn v2(answers: &[Vec<u8>]) -> Self {
        let mut hello = Vec::new();
        for line in ["version 2", "ls-refs=unborn", "fetch=shallow"] {
            write_line(&mut hello, line);
        }
        write_flush(&mut hello);
        Self { answers: Mutex::new(answers.iter().rev().cloned().collect()), ..Self::new(SMART, &hello) }
    }

    fn then(mut self, endless: &[u8]) -> Self {
        self.endless = endless.to_vec();
        self
    }
}

impl Exchange for Scripted {
    fn advertisement(&self) -> io::Result<Advertisement> {
        let body = Endless(io::Cursor::new(self.hello.clone()), Vec::new());
        Ok(Advertisement { content_type: Some(self.kind.to_owned()), body: Box::new(body) })
    }

    fn post(&self, _: Protocol, _: Vec<u8>) -> io::Result<RemoteBody> {
        let mut answers = self.answers.lock().unwrap();
        let answer = if answers.len() > 1 { answers.pop() } else { answers.last().cloned() };
        Ok(Box::new(Endless(io::Cursor::new(answer.unwrap_or_default()), self.endless.clone())))
    }
}

fn lines(lines: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    for line in lines {
        match *line {
            "" => write_flush(&mut out),
            "--" => write_delim(&mut out),
            line => write_line(&mut out, line),
        }
    }
    out
}

const ID: &str = "0123456789012345678901234567890123456789";

fn line_of(name: &str) -> String {
    format!("{ID} {name}")
}

/// A good listing, then `answer` to the fetch.
fn fetches(answer: Vec<u8>) -> Scripted {
    Scripted::v2(&[lines(&[&line_of("refs/heads/main"), ""]), answer])
}

fn pack_answer(frames: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = lines(&["packfile"]);
    frames(&mut out);
    out
}

#[test]
fn what_is_no_git_server_is_told_from_one() {
    for (kind, body, words) in [
        ("text/html", "<!doctype html>", "no git repository at this URL"),
        ("text/plain", "0123456789012345678901234567890123456789\trefs/heads/main\n", "dumb HTTP"),
        ("application/x-git-receive-pack-advertisement", "0000", "no git repository"),
        (SMART, "<html>", "bad line length character: <htm"),
        (SMART, "", "ends too early"),
        (SMART, "001e# service=git-upload-pack\n0007hi\n", "unexpected line"),
        (SMART, "0011ERR go \u{1b}[31maway", "the server says: go  [31"),
        (SMART, "000eversion 2\n0019object-format=sha256\n0000", "SHA-256"),
        (SMART, "000eversion 2\n0001", "unexpected line"),
        (SMART, "0009hello", "unexpected line"),
    ] {
        let refused = list(&Scripted::new(kind, body.as_bytes())).unwrap_err();
        assert!(matches!(refused, Error::Refused { .. }), "{refused:?}");
        assert!(refused.to_string().contains(words), "{body}: {refused}");
        assert!(!refused.to_string().contains('\u{1b}'), "{refused}");
    }
}

#[test]
fn a_listing_is_checked_line_by_line() {
    let good = line_of("refs/heads/main");
    for (answer, words) in [
        (vec![good.as_str(), &good, ""], "names the ref `refs/heads/main` twice"),
        (vec![&line_of("refs/heads/a..b"), ""], "git does not allow"),
        (vec![&line_of("config"), ""], "git does not allow"),
        (vec![&line_of("refs/heads/../../config"), ""], "git does not allow"),
        (vec!["xyz refs/heads/main", ""], "unexpected line"),
        (vec![ID, ""], "unexpected line"),
        (vec![&format!("{good} peeled:12"), ""], "unexpected line"),
        (vec!["--"], "unexpected line"),
        (vec![&good], "ends too early"),
        (vec![&good, "ERR out of memory"], "the server says: out of memory"),
    ] {
        let refused = list(&Scripted::v2(&[lines(&answer)])).unwrap_err().to_string();
        assert!(refused.contains(words), "{answer:?}: {refused}");
    }
    let mut not_utf8 = Vec::new();
    write_data(&mut not_utf8, &[line_of("refs/heads/").as_bytes(), b"\xff\n"].concat());
    assert!(list(&Scripted::v2(&[not_utf8])).unwrap_err().to_string().contains("not UTF-8"));
    // What is not known is not an error: servers may say more.
    let more = [lines(&[
        &format!("{good} size:1"),
        &format!("{ID} HEAD symref-target:refs/heads/x"),
        "unborn refs/heads/y",
        "",
    ])];
    let listed = list(&Scripted::v2(&more)).unwrap();
    assert_eq!((listed.refs.len(), listed.head.as_deref()), (1, Some("refs/heads/x")));
}

#[test]
fn refs_without_end_are_cut_off() {
    let endless = lines(&[&line_of("refs/heads/main")]);
    let refused = list(&Scripted::v2(&[Vec::new()]).then(&endless)).unwrap_err();
    assert!(matches!(refused, Error::TooLarge { .. }), "{refused:?}");
    let mut long = Vec::new();
    write_line(&mut long, &format!("{ID} refs/heads/main {}", "x".repeat(60_000)));
    let refused = list(&Scripted::v2(&[Vec::new()]).then(&long)).unwrap_err();
    assert!(matches!(refused, Error::TooLarge { .. }), "{refused:?}");
}

#[test]
fn a_fetch_that_goes_wrong_says_how() {
    let pack = |frames: &[(Band, &[u8])]| {
        pack_answer(|out| frames.iter().for_each(|(band, data)| write_band(out, *band, data)))
    };
    let mut no_band = lines(&["packfile"]);
    write_data(&mut no_band, b"");
    let mut band_4 = lines(&["packfile"]);
    write_data(&mut band_4, b"\x04hello");
    for (answer, words) in [
        (lines(&["ERR upload-pack: not our ref 12"]), "the server says: upload-pack: not our ref 12"),
        (pack(&[(Band::Error, b"out of\r\nmemory")]), "the server says: out of  memory"),
        (lines(&["packfile-uris", "x", "--"]), "unexpected line"),
        (lines(&["shallow-info", "x", "--"]), "shallow clone"),
        (lines(&["acknowledgments", "NAK", ""]), "unexpected line"),
        (lines(&["hello"]), "unexpected line"),
        (lines(&[""]), "unexpected line"),
        (pack(&[(Band::Data, b"PACK")]), "broke off in the middle"),
        (no_band, "without a band"),
        (band_4, "unknown band"),
        (Vec::new(), "ends too early"),
    ] {
        let shown = String::from_utf8_lossy(&answer).into_owned();
        let refused = Local::empty().mirror(&fetches(answer)).unwrap_err();
        assert!(matches!(refused, Error::Refused { .. }), "{refused:?}");
        assert!(refused.to_string().contains(words), "{shown:?}: {refused}");
    }
}

#[test]
fn a_damaged_or_cut_pack_is_never_taken() {
    let source = Source::with_history();
    let snapshot = source.snapshot();
    let ids: Vec<_> = snapshot.packs().iter().flat_map(|pack| pack.object_ids()).collect();
    let mut whole = Vec::new();
    write_pack(&snapshot, &ids, PackOptions { offset_deltas: true, bases: None }, &mut whole).unwrap();
    let answer = |bytes: &[u8]| {
        pack_answer(|out| {
            write_band(out, Band::Data, bytes);
            write_flush(out);
        })
    };
    Local::empty().fetch(&fetches(answer(&whole)), &[ids[0]], Vec::new()).unwrap_err();
    let one = |bytes: &[u8]| {
        let server = Scripted::v2(&[answer(bytes)]);
        Local::empty().fetch(&server, &[ids[0]], Vec::new())
    };
    assert_eq!(one(&whole).unwrap().len(), ids.len());
    for cut in [0, 4, 12, 100, whole.len() / 2, whole.len() - 20, whole.len() - 1] {
        let taken = one(&whole[..cut]).unwrap_or_default();
        assert!(taken.is_empty(), "cut at {cut}");
    }
    for at in [5, 11, 40, whole.len() / 2, whole.len() - 3] {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        assert!(one(&damaged).is_err(), "damaged at {at}");
    }
    let trailing = [whole.as_slice(), b"more"].concat();
    assert!(one(&trailing).is_err(), "something behind the pack");
}

#[test]
fn progress_without_end_is_cut_off_and_shown_as_plain_lines() {
    let mut said = Vec::new();
    write_band(&mut said, Band::Progress, b"Counting objects:  50%\rCounting objects: 100%\n\x1b[2Jhi\n");
    let mut empty = Vec::new();
    write_band(&mut empty, Band::Data, b"");
    empty.extend_from_slice(b"0005\x01");
    let mut local = Local::empty();
    for endless in [&said, &empty] {
        let refused = local.mirror(&fetches(lines(&["packfile"])).then(endless)).unwrap_err();
        assert!(matches!(refused, Error::TooLarge { .. }), "{refused:?}");
    }
    assert!(local.said.contains(&"Counting objects: 100%".to_owned()));
    assert!(local.said.iter().all(|line| !line.contains(['\u{1b}', '\r', '\n'])));
}

#[test]
fn a_server_that_never_gets_ready_is_told_to_decide() {
    let mut source = Source::with_history();
    let server = super::Polder { snapshot: &source.snapshot(), newest: Protocol::V2 };
    let mut local = Local::empty();
    local.mirror(&server).unwrap();
    for round in 0..3 {
        source.commit_round(round);
    }
    // It acknowledges what it was never offered, for ever.
    let stubborn = fetches(lines(&["acknowledgments", &format!("ACK {ID}"), ""]));
    let refused = local.mirror(&stubborn).unwrap_err().to_string();
    assert!(refused.contains("unexpected line"), "{refused}");
}
