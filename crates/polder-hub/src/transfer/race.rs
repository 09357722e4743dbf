//! Who fetches what: units go to whichever source has a place free, as many at once as it bears.
//!
//! A source that sends a wrong piece gets no more work until another has sent the same piece right: then it
//! lied. If nobody can, the list itself is asked for again elsewhere. A unit that is late near the end is
//! given to a second source; whoever is first ends the other.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{AbortHandle, Id, JoinSet};
use tokio::time::Instant;

use super::fetch::{Fetch, Outcome};
use super::plan::Unit;
use super::source::{ObjectSource, SourceError};
use super::state::Shared;

/// Most units at once from one source.
const PLACES_MAX: usize = 16;
/// Units at once from a source that is not known yet.
const PLACES_AT_FIRST: usize = 2;
/// Failures in a row after which a source is given up for this object.
const FAILURES_MAX: u32 = 4;
/// Pause after the first failure; it doubles with each that follows.
const PAUSE: Duration = Duration::from_millis(100);
/// A unit is late at the earliest after this time.
const LATE: Duration = Duration::from_secs(2);
/// How often is looked for late units while nothing else happens.
const TICK: Duration = Duration::from_millis(250);

/// What is thought of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    Good,
    /// It sent something wrong for this place, or the list is wrong.
    Suspect(u64),
    /// It lied: it has no more part in this object.
    Liar(String),
    /// It does not have the object, or fails again and again.
    Useless(String),
}

/// A source and how it does.
pub(super) struct Runner {
    pub(super) source: Arc<dyn ObjectSource>,
    pub(super) standing: Standing,
    places: usize,
    busy: usize,
    failures: u32,
    not_before: Instant,
}

impl Runner {
    pub(super) fn new(source: Arc<dyn ObjectSource>) -> Self {
        let now = Instant::now();
        Self {
            source,
            standing: Standing::Good,
            places: PLACES_AT_FIRST,
            busy: 0,
            failures: 0,
            not_before: now,
        }
    }

    fn is_free(&self, now: Instant) -> bool {
        self.standing == Standing::Good && self.busy < self.places && self.not_before <= now
    }

    fn succeeded(&mut self) {
        self.failures = 0;
        self.places = (self.places + 1).min(PLACES_MAX);
    }

    fn failed(&mut self, error: &SourceError, now: Instant) {
        self.failures += 1;
        self.places = (self.places / 2).max(1);
        self.not_before = now + PAUSE * 2_u32.saturating_pow(self.failures.saturating_sub(1).min(6));
        if *error == SourceError::Missing || self.failures >= FAILURES_MAX {
            self.standing = Standing::Useless(error.to_string());
        }
    }
}

/// How a race ended.
#[derive(Debug)]
pub(super) enum Finish {
    /// All units are good.
    Whole,
    /// No source that is left can go on. With suspects among them, the list is in doubt.
    Stuck,
    /// We failed.
    Ours(std::io::Error),
}

/// A unit under way.
struct Running {
    runner: usize,
    unit: Arc<Unit>,
    since: Instant,
    abort: AbortHandle,
    /// Whether a second source has it too.
    twice: bool,
}

/// The race for the units of one object.
pub(super) struct Race<'a> {
    pub(super) runners: &'a mut [Runner],
    pub(super) shared: &'a Arc<Shared>,
    /// What a fetch needs, but for its source.
    pub(super) fetch: &'a (dyn Fn(Arc<dyn ObjectSource>) -> Fetch + Sync),
    /// Called now and then, to keep what is good and tell how far it is.
    pub(super) tick: &'a mut (dyn FnMut() -> std::io::Result<()> + Send),
    waiting: VecDeque<Arc<Unit>>,
    running: HashMap<Id, Running>,
    tasks: JoinSet<Outcome>,
    /// Time that units took, for what is late.
    took: Option<Duration>,
}

impl<'a> Race<'a> {
    pub(super) fn new(
        runners: &'a mut [Runner],
        shared: &'a Arc<Shared>,
        fetch: &'a (dyn Fn(Arc<dyn ObjectSource>) -> Fetch + Sync),
        tick: &'a mut (dyn FnMut() -> std::io::Result<()> + Send),
        units: Vec<Unit>,
    ) -> Self {
        let waiting = units.into_iter().map(Arc::new).collect();
        let (running, tasks) = (HashMap::new(), JoinSet::new());
        Self { runners, shared, fetch, tick, waiting, running, tasks, took: None }
    }

    /// Runs it to its end.
    pub(super) async fn run(mut self) -> Finish {
        loop {
            self.hand_out();
            if self.running.is_empty() {
                if self.waiting.is_empty() {
                    return Finish::Whole;
                }
                if self.runners.iter().all(|runner| runner.standing != Standing::Good) {
                    return Finish::Stuck;
                }
                tokio::time::sleep(TICK.min(PAUSE)).await;
                continue;
            }
            if let Ok(Some(ended)) = tokio::time::timeout(TICK, self.tasks.join_next_with_id()).await {
                let (id, outcome) = match ended {
                    Ok((id, outcome)) => (id, outcome),
                    Err(error) if error.is_cancelled() => {
                        self.forget(error.id());
                        continue;
                    }
                    Err(error) => return Finish::Ours(std::io::Error::other(error)),
                };
                if let Some(running) = self.forget(id)
                    && let Err(error) = self.ended(running, outcome)
                {
                    return Finish::Ours(error);
                }
            }
            if let Err(error) = (self.tick)() {
                return Finish::Ours(error);
            }
        }
    }

    fn hand_out(&mut self) {
        let now = Instant::now();
        while let Some(at) = self.free_runner(now) {
            let Some(unit) = self.next_unit() else { break };
            self.start(at, unit, false);
        }
        if self.waiting.is_empty() {
            self.help_late(now);
        }
    }

    /// The free source that has least to do.
    fn free_runner(&self, now: Instant) -> Option<usize> {
        let free = self.runners.iter().enumerate().filter(|(_, runner)| runner.is_free(now));
        free.min_by_key(|(_, runner)| runner.busy).map(|(at, _)| at)
    }

    /// The next unit in order, or the one that a reader waits for.
    fn next_unit(&mut self) -> Option<Arc<Unit>> {
        let wished = self.shared.take_wish();
        let at = wished.and_then(|offset| self.waiting.iter().position(|unit| unit.has(offset)));
        self.waiting.remove(at.unwrap_or(0))
    }

    fn start(&mut self, at: usize, unit: Arc<Unit>, twice: bool) {
        let Some(runner) = self.runners.get_mut(at) else { return };
        runner.busy += 1;
        let fetch = (self.fetch)(Arc::clone(&runner.source));
        let task = Unit::clone(&unit);
        let abort = self.tasks.spawn(async move { fetch.run(task).await });
        let running = Running { runner: at, unit, since: Instant::now(), abort: abort.clone(), twice };
        self.running.insert(abort.id(), running);
    }

    /// Near the end: gives what is late to someone else, too.
    fn help_late(&mut self, now: Instant) {
        let late = self.took.map_or(LATE, |took| LATE.max(took * 3));
        let overdue = |running: &&mut Running| !running.twice && now.duration_since(running.since) > late;
        let slowest = self.running.values_mut().filter(overdue).min_by_key(|running| running.since);
        let Some(slowest) = slowest else { return };
        let others = self.runners.iter().enumerate();
        let helper = others.filter(|(at, runner)| *at != slowest.runner && runner.is_free(now));
        let Some((helper, _)) = helper.min_by_key(|(_, runner)| runner.busy) else { return };
        slowest.twice = true;
        let unit = Arc::clone(&slowest.unit);
        self.start(helper, unit, true);
    }

    fn forget(&mut self, id: Id) -> Option<Running> {
        let running = self.running.remove(&id)?;
        if let Some(runner) = self.runners.get_mut(running.runner) {
            runner.busy = runner.busy.saturating_sub(1);
        }
        Some(running)
    }

    /// Draws the conclusions from how a unit ended.
    fn ended(&mut self, running: Running, outcome: Outcome) -> std::io::Result<()> {
        let now = Instant::now();
        let Running { runner: at, unit, since, .. } = running;
        let twin = self.running.values().find(|other| Arc::ptr_eq(&other.unit, &unit));
        let Some(runner) = self.runners.get_mut(at) else { return Ok(()) };
        match outcome {
            Outcome::Whole => {
                runner.succeeded();
                let took = now.duration_since(since);
                self.took = Some(self.took.map_or(took, |before| (before * 3 + took) / 4));
                if let Some(twin) = twin {
                    twin.abort.abort();
                }
                self.convict();
                return Ok(());
            }
            Outcome::Wrong(place) => runner.standing = Standing::Suspect(place),
            Outcome::Failed(error) => runner.failed(&error, now),
            Outcome::Ours(error) => return Err(error),
        }
        if twin.is_none() {
            self.waiting.push_front(unit);
        }
        self.convict();
        Ok(())
    }

    /// Who sent a piece wrong that someone else sent right has lied.
    fn convict(&mut self) {
        for runner in self.runners.iter_mut() {
            if let Standing::Suspect(place) = runner.standing
                && self.shared.is_good(place, place + 1)
            {
                runner.standing = Standing::Liar(format!("wrong bytes at {place}"));
            }
        }
    }
}
