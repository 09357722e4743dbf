//! Advertising refs and answering fetches.

use std::io;

use bytes::Bytes;
use polder_git::{NO_RECENT_TIPS, Protocol, Service, Sink};
use polder_types::limits::FETCH_REQUEST_BYTES_MAX;
use polder_types::{ObjectId, RepoId};
use tokio::runtime::Handle;

use crate::Hub;
use crate::access::{Contributes, Grant, Read};
use crate::blocking::start_admitted;
use crate::body::{BodyEncoding, BodyStream, ByteStream, response};
use crate::error::{Error, Result};

/// A `ls-refs` request starts with this packet; it is answered from memory, on the spot.
///
/// Source: gitprotocol-v2, "ls-refs"; git 2.47.3 sends the line feed, libgit2 and dulwich may not.
const LS_REFS: &[u8] = b"0014command=ls-refs\n";
const LS_REFS_WITHOUT_NEWLINE: &[u8] = b"0013command=ls-refs";

/// What a client begins a line with that has something already.
const HAVE: &[u8] = b"have ";

/// How long what a ref pointed at stays acceptable as a want after the ref has moved on, in seconds.
const RECENT_TIP_SECONDS: i64 = 600;

/// How long other hubs may want what the log has told of, in seconds: one that was away for some days can
/// still fetch what it had begun with.
const LOGGED_TIP_SECONDS: i64 = 7 * 24 * 3600;

/// Which former tips may be wanted.
#[derive(Clone, Copy)]
enum Former {
    /// Those of a moment ago, of refs that are still there.
    JustNow,
    /// All that the log told of in some days.
    Logged,
}

/// A response small enough to be made whole.
struct Whole(Vec<Bytes>);

impl Sink for Whole {
    fn send(&mut self, chunk: Bytes) -> io::Result<()> {
        self.0.push(chunk);
        Ok(())
    }
}

impl Hub {
    /// The body of `GET info/refs?service=git-upload-pack`.
    ///
    /// # Errors
    /// When the repository's state cannot be read.
    pub async fn advertise(&self, grant: &Grant<Read>, protocol: Protocol) -> Result<Bytes> {
        let held = self.held(grant.repo_id()).await?;
        Ok(polder_git::advertise(&held.snapshot, Service::UploadPack, protocol))
    }

    /// The body of `GET info/refs?service=git-receive-pack`.
    ///
    /// # Errors
    /// When the repository's state cannot be read.
    pub async fn advertise_push<L: Contributes>(
        &self,
        grant: &Grant<L>,
        protocol: Protocol,
    ) -> Result<Bytes> {
        let held = self.held(grant.repo_id()).await?;
        Ok(if self.push_options {
            polder_git::advertise_push_with_options(&held.snapshot, protocol)
        } else {
            polder_git::advertise(&held.snapshot, Service::ReceivePack, protocol)
        })
    }

    /// Answers `POST git-upload-pack`. `body` is at most [`FETCH_REQUEST_BYTES_MAX`] decoded.
    ///
    /// What is wrong with the git request itself is told in the answer, in git's own words.
    ///
    /// # Errors
    /// When the body is too large or cut short, or the repository's state cannot be read;
    /// [`crate::Kind::Throttled`] and [`crate::Kind::Unavailable`] when no place came free.
    pub async fn upload_pack(
        &self,
        grant: &Grant<Read>,
        protocol: Protocol,
        body: BodyStream,
        encoding: BodyEncoding,
    ) -> Result<ByteStream> {
        self.answer_fetch(grant, protocol, body, encoding, Former::JustNow).await
    }

    /// Answers another hub's `POST git-upload-pack`: it may want every tip that the log told of lately.
    ///
    /// # Errors
    /// As [`Hub::upload_pack`].
    pub async fn upload_logged_pack(
        &self,
        grant: &Grant<Read>,
        protocol: Protocol,
        body: BodyStream,
        encoding: BodyEncoding,
    ) -> Result<ByteStream> {
        self.answer_fetch(grant, protocol, body, encoding, Former::Logged).await
    }

    async fn answer_fetch(
        &self,
        grant: &Grant<Read>,
        protocol: Protocol,
        body: BodyStream,
        encoding: BodyEncoding,
        former: Former,
    ) -> Result<ByteStream> {
        let request = self.hold_body(body, encoding, FETCH_REQUEST_BYTES_MAX).await?;
        let held = self.held(grant.repo_id()).await?;
        if request.starts_with(LS_REFS) || request.starts_with(LS_REFS_WITHOUT_NEWLINE) {
            return listed(&held.snapshot, protocol, &request).await;
        }
        // Who has some of it already only comes up to date; what other hubs fetch is theirs to count.
        let is_download =
            matches!(former, Former::JustNow) && !request.windows(HAVE.len()).any(|part| part == HAVE);
        let (sink, stream) = response(self.fetches.enter(grant.share()).await?);
        let (hub, grant) = (self.clone(), grant.clone());
        start_admitted(sink, move |mut sink| {
            let recent_tips = || hub.recent_tips(grant.repo_id(), former);
            match polder_git::upload_pack(&held.snapshot, &recent_tips, protocol, &request, &mut sink) {
                Ok(()) => {
                    sink.finish();
                    if is_download {
                        hub.count_download(&grant);
                    }
                }
                Err(error) => {
                    report_failure(grant.repo(), &error);
                    // A refusal is a whole answer; after anything else the connection is cut.
                    if matches!(error, polder_git::Error::Refused { .. }) {
                        sink.finish();
                    }
                }
            }
        });
        Ok(stream)
    }

    /// What refs pointed at before they were moved. Blocking.
    fn recent_tips(&self, repo: RepoId, former: Former) -> polder_git::Result<Vec<ObjectId>> {
        let since = |seconds: i64| self.clock.now().plus_seconds(-seconds);
        let tips = Handle::current().block_on(async {
            match former {
                Former::JustNow => self.db.recent_tips(repo, since(RECENT_TIP_SECONDS)).await,
                Former::Logged => self.db.logged_tips(repo, since(LOGGED_TIP_SECONDS)).await,
            }
        });
        tips.map_err(|error| {
            polder_git::Error::io("look for former tips", "the database", io::Error::other(error))
        })
    }
}

async fn listed(snapshot: &polder_git::Snapshot, protocol: Protocol, request: &[u8]) -> Result<ByteStream> {
    let mut whole = Whole(Vec::new());
    match polder_git::upload_pack(snapshot, NO_RECENT_TIPS, protocol, request, &mut whole) {
        Ok(()) | Err(polder_git::Error::Refused { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let (sender, stream) = tokio::sync::mpsc::channel(whole.0.len().max(1));
    for chunk in whole.0 {
        sender.send(Ok(chunk)).await.map_err(Error::internal)?;
    }
    Ok(stream)
}

fn report_failure(repo: &polder_types::RepoName, error: &polder_git::Error) {
    match error {
        polder_git::Error::Closed => tracing::debug!(%repo, "the client went away during a fetch"),
        polder_git::Error::Refused { message } => tracing::info!(%repo, %message, "fetch refused"),
        error => {
            let chain = crate::error::chain(error);
            tracing::error!(%repo, error = %chain, "fetch failed");
        }
    }
}
