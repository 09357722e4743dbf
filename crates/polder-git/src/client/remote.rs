//! A repository on another git server.

use polder_types::ObjectId;

use super::advertisement::Hello;
use super::haves::Haves;
use super::lines::Lines;
use super::refs::{Listed, REF_LINES_MAX, REFS_BYTES_MAX, read_ls_refs};
use super::{Exchange, PackStream, RemoteBody, RemoteProgress, fetch_v0, fetch_v2};
use crate::capabilities::AGENT;
use crate::pkt_line::{write_delim, write_flush, write_line};
use crate::{Error, Protocol, Ref, Result, Snapshot};

/// Most objects wanted in one fetch.
const WANTS_MAX: usize = 2 * polder_types::limits::REFS_PER_REPO_MAX;

/// The refs of a repository on another server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteRefs {
    /// The full name of the default branch, which may not exist yet; `None` if the server does not tell.
    pub head: Option<String>,
    /// Every ref, in byte order of the names.
    pub refs: Vec<Ref>,
}

/// A repository on another git server, whose first answer has been read.
pub struct Remote<'e> {
    exchange: &'e dyn Exchange,
    pub(super) hello: Hello,
}

/// What is asked for.
pub(super) struct Wanted<'w> {
    pub(super) ids: &'w [ObjectId],
    pub(super) quiet: bool,
}

impl<'e> Remote<'e> {
    /// Asks which protocol the server speaks and what it can do.
    ///
    /// # Errors
    /// [`Error::Refused`] when that is no git server, or one whose repository cannot be taken over (dumb HTTP,
    /// SHA-256, shallow), or in the server's own words; [`Error::Io`] with what the [`Exchange`] says inside.
    pub fn connect(exchange: &'e dyn Exchange) -> Result<Self> {
        let mut answer = exchange.advertisement().map_err(failed)?;
        Ok(Self { exchange, hello: Hello::read(&mut answer)? })
    }

    /// The protocol that the server speaks.
    pub fn protocol(&self) -> Protocol {
        self.hello.protocol
    }

    /// Every ref that the server shows, and its HEAD.
    ///
    /// # Errors
    /// As [`connect`](Self::connect); [`Error::TooLarge`] for more refs than a repository here may have.
    pub fn list_refs(&self) -> Result<RemoteRefs> {
        let listed = match self.hello.listed.clone() {
            Some(listed) => listed.settle()?,
            None => self.ls_refs()?,
        };
        let Listed { head, detached, refs } = listed;
        // Servers that do not tell where HEAD points tell what it is: a branch at the same commit.
        let guessed = || {
            let mut same =
                refs.iter().filter(|r| Some(r.oid) == detached && r.name.starts_with("refs/heads/"));
            let main =
                same.clone().find(|r| matches!(r.name.as_str(), "refs/heads/main" | "refs/heads/master"));
            main.or_else(|| same.next()).map(|r| r.name.clone())
        };
        let head = head.filter(|name| name.starts_with("refs/heads/")).or_else(guessed);
        Ok(RemoteRefs { head, refs })
    }

    fn ls_refs(&self) -> Result<Listed> {
        let mut out = Vec::new();
        write_line(&mut out, "command=ls-refs");
        write_line(&mut out, AGENT);
        write_line(&mut out, "object-format=sha1");
        write_delim(&mut out);
        write_line(&mut out, "peel");
        write_line(&mut out, "symrefs");
        if self.hello.offers("ls-refs", "unborn") {
            write_line(&mut out, "unborn");
        }
        write_flush(&mut out);
        let mut answer = self.post(out)?;
        read_ls_refs(&mut Lines::new(&mut answer, REF_LINES_MAX, REFS_BYTES_MAX))
    }

    /// A pack with what `wants` reach and `ours` does not. What is common is found out in a bounded number
    /// of rounds from every visible ref of `ours` and from `theirs`, ids that the server showed. Without `progress`
    /// the server is asked to say nothing.
    ///
    /// # Errors
    /// As [`connect`](Self::connect), also for ids that the server does not give; what goes wrong later comes
    /// from reading the pack.
    pub fn fetch<'p>(
        &self,
        wants: &[ObjectId],
        theirs: &[ObjectId],
        ours: &Snapshot,
        progress: Option<RemoteProgress<'p>>,
    ) -> Result<PackStream<'p>> {
        if wants.is_empty() || wants.len() > WANTS_MAX {
            return Err(Error::too_large(format!("a fetch of {} objects", wants.len())));
        }
        let wanted = Wanted { ids: wants, quiet: progress.is_none() };
        let mut haves = Haves::new(ours, theirs)?;
        let progress = progress.unwrap_or_else(|| Box::new(|_| {}));
        match self.hello.protocol {
            Protocol::V2 => fetch_v2::fetch(self, &wanted, &mut haves, progress),
            Protocol::V0 | Protocol::V1 => fetch_v0::fetch(self, &wanted, &mut haves, progress),
        }
    }

    pub(super) fn post(&self, body: Vec<u8>) -> Result<RemoteBody> {
        self.exchange.post(self.hello.protocol, body).map_err(failed)
    }
}

fn failed(source: std::io::Error) -> Error {
    Error::io("ask the git server", "its answer", source)
}
