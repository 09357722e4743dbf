//! What other git servers answer when the hub fetches.

use std::io::{self, Cursor, ErrorKind, Read as _};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use polder_git::client::{Advertisement, Exchange, Remote, RemoteBody};
use polder_git::{Error, Protocol, check_ref_name};
use polder_types::ObjectId;

use crate::fetch_requests::{REPOSITORY, framed};

/// More requests than a fetch ever makes: a listing, and as many rounds as are allowed.
const REQUESTS_MAX: usize = 12;

/// Any answers lead to a listing of good names and to bytes of a pack, or to a refusal in one printable line,
/// after a bounded number of requests. Answers are separated by a line `==`; the first is that of `info/refs`.
pub(crate) fn run(input: &[u8]) {
    let Some((choice, text)) = input.split_first() else { return };
    let answers = separated(text).into_iter().rev().map(|part| match choice & 0x80 {
        0 => part.to_vec(),
        _ => framed(part),
    });
    let server = Server { answers: Mutex::new(answers.collect()), asked: AtomicUsize::new(0) };
    let empty = crate::hand_made::empty();
    let told = converse(&server, if choice & 1 == 0 { &empty } else { &REPOSITORY.snapshot });
    match told {
        Ok(()) | Err(Error::Refused { .. } | Error::TooLarge { .. }) => {}
        Err(error) => panic!("not the server's fault: {error:?}"),
    }
    if let Err(error) = told {
        assert!(!error.to_string().contains(char::is_control), "{error:?}");
    }
    assert!(server.asked.load(Ordering::Relaxed) <= REQUESTS_MAX, "too many requests");
}

fn converse(server: &Server, ours: &polder_git::Snapshot) -> Result<(), Error> {
    let remote = Remote::connect(server)?;
    let listed = remote.list_refs()?;
    for pair in listed.refs.windows(2) {
        assert!(pair.is_sorted_by(|a, b| a.name < b.name), "{pair:?}");
    }
    assert!(listed.refs.iter().all(|r| check_ref_name(&r.name).is_ok()), "{listed:?}");
    assert!(listed.head.is_none_or(|head| head.starts_with("refs/heads/")));
    let mut wants: Vec<ObjectId> = listed.refs.iter().map(|r| r.oid).collect();
    let theirs = wants.clone();
    wants.push(ObjectId::new([7; 20]));
    let progress = Box::new(|line: &str| assert!(!line.contains(char::is_control), "{line:?}"));
    let mut stream = remote.fetch(&wants, &theirs, ours, Some(progress))?;
    let mut pack = Vec::new();
    match stream.read_to_end(&mut pack) {
        Ok(_) => Ok(()),
        Err(error) if matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::FileTooLarge) => {
            Err(Error::refused(error.to_string()))
        }
        Err(error) => panic!("not the server's fault: {error:?}"),
    }
}

struct Server {
    /// The last first; it stays.
    answers: Mutex<Vec<Vec<u8>>>,
    asked: AtomicUsize,
}

impl Server {
    fn next(&self) -> RemoteBody {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let mut answers = self.answers.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let answer = if answers.len() > 1 { answers.pop() } else { answers.last().cloned() };
        Box::new(Cursor::new(answer.unwrap_or_default()))
    }
}

impl Exchange for Server {
    fn advertisement(&self) -> io::Result<Advertisement> {
        let content_type = Some("application/x-git-upload-pack-advertisement".to_owned());
        Ok(Advertisement { content_type, body: self.next() })
    }

    fn post(&self, _: Protocol, _: Vec<u8>) -> io::Result<RemoteBody> {
        Ok(self.next())
    }
}

/// The parts between lines `==`.
fn separated(text: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.windows(4).position(|four| four == b"\n==\n") {
        parts.push(rest.get(..at).unwrap_or_default());
        rest = rest.get(at + 4..).unwrap_or_default();
    }
    parts.push(rest);
    parts
}
