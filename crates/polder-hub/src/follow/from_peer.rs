//! Taking over all that one source has, now, and asking no other.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use polder_db::{Mirror, MirrorEnd, MirrorMode, MirrorState};
use polder_types::Sha256;
use tokio::time::Instant;

use super::peer::Peer;
use super::sources::{Source, SourceSet};
use super::work::LEASE_SECONDS;
use crate::Hub;
use crate::error::{Error, Result};
use crate::exchange::Progress;

/// Mirrors read at a time.
const PAGE: i64 = 500;
/// Pause between two looks whether another has ended its work on a mirror.
const LOOK_PERIOD: Duration = Duration::from_millis(500);
/// How long that is waited for: a claim that nobody keeps alive has lapsed by then.
const PATIENCE: Duration = Duration::from_mins(6);

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TakenOver {
    /// Events read.
    pub(crate) events: u64,
    /// Repositories of the source that are served here as it has them, or newer.
    pub(crate) ready: usize,
    /// The others, and what is wrong with each.
    pub(crate) troubled: Vec<(String, String)>,
}

/// Whether the source has a repository.
pub(crate) type HasRepo<'a> = &'a (dyn Fn(Sha256) -> Result<bool> + Sync);

impl Hub {
    /// Reads the log of an upstream as far as a source has it, and brings those of its mirrors that the source
    /// `has`.
    pub(crate) async fn take_from(
        &self,
        log: i64,
        peer: Arc<dyn Peer>,
        has: HasRepo<'_>,
        say: &Progress,
    ) -> Result<TakenOver> {
        let upstream = self.db.upstream(log).await?;
        let upstream = upstream.ok_or_else(|| Error::not_found("this hub is not followed"))?;
        let name = peer.name().to_owned();
        // What it says is not the home's answer, nor that of a hub that is asked again.
        let source = Source::mirror(peer, name.clone());
        let sources = Arc::new(SourceSet::new(self.db.clone(), log, vec![source]));
        let events = self.read_to_the_end(&sources).await?;
        say(&format!("{events} new events"));
        let (mut tried, until) = (HashSet::new(), Instant::now() + PATIENCE);
        loop {
            self.db.wake_mirrors(log).await?;
            let mut seen = HashSet::new();
            while let Some(mirror) = self.db.claim_mirrors(log, LEASE_SECONDS, 1).await?.pop() {
                if !seen.insert(mirror.rid) {
                    self.put_back(&mirror, &name).await?;
                    break;
                }
                if tried.contains(&(mirror.rid, mirror.rseq)) || !has(mirror.rid)? {
                    self.put_back(&mirror, &name).await?;
                    continue;
                }
                tried.insert((mirror.rid, mirror.rseq));
                say(&format!("{}: event {}", mirror.path, mirror.rseq));
                if let Some(why) = self.work_on(&upstream, &sources, &mirror).await? {
                    say(&format!("{}: {why}", mirror.path));
                }
            }
            let (ready, open) = self.state_of(log, has).await?;
            let is_worked_on = open.iter().any(|mirror| !tried.contains(&(mirror.rid, mirror.rseq)));
            if !is_worked_on || Instant::now() > until {
                let why = |mirror: Mirror| {
                    let state = mirror.state.to_string();
                    (mirror.path, mirror.last_error.unwrap_or(state))
                };
                return Ok(TakenOver { events, ready, troubled: open.into_iter().map(why).collect() });
            }
            tokio::time::sleep(LOOK_PERIOD).await;
        }
    }

    /// Lets another source be asked for a mirror.
    async fn put_back(&self, mirror: &Mirror, name: &str) -> Result<()> {
        let why = mirror.last_error.clone().unwrap_or_else(|| format!("`{name}` does not have it"));
        let due = Some(self.clock.now().plus_seconds(1));
        Ok(self.db.end_mirror(mirror, MirrorEnd { state: MirrorState::Retry, why, due }).await?)
    }

    /// How many of the mirrors that a source has are up to date, and which are not.
    async fn state_of(&self, log: i64, has: HasRepo<'_>) -> Result<(usize, Vec<Mirror>)> {
        let (mut ready, mut open, mut after) = (0, Vec::new(), None);
        loop {
            let page = self.db.list_mirrors(log, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok((ready, open)) };
            after = Some(last.rid);
            for mirror in page.into_iter().filter(|mirror| mirror.mode != MirrorMode::Metadata) {
                match mirror.state {
                    MirrorState::Hidden | MirrorState::Kept => {}
                    _ if !has(mirror.rid)? => {}
                    MirrorState::Ready => ready += 1,
                    _ => open.push(mirror),
                }
            }
        }
    }
}
