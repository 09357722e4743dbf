//! Repositories that are pulled by the clock: each has its own turn, and none waits for another's trouble.

use std::collections::HashMap;
use std::time::Duration;

use polder_db::{NewPullMirror, PullEnd, PullMirror};
use polder_types::{RepoName, UnixMillis, Visibility};
use tokio::runtime::Handle;
use tokio::task::{Id, JoinSet};

use super::attempt::Attempt;
use super::patience::lost;
use super::{PullOptions, PullSource};
use crate::Hub;
use crate::audit::Entry;
use crate::blocking::to_the_end;
use crate::error::{Error, Kind, Result};
use crate::exchange::ImportReport;
use crate::secret::random;

/// Pulls under way at once.
const PULLS_MAX: usize = 16;
/// Of those, from one server: what it holds up is its own.
const PULLS_PER_HOST_MAX: usize = 4;
/// How long a claim lasts without a sign of life, in seconds.
const LEASE_SECONDS: i64 = 300;
/// Time between two signs of life.
const ALIVE_PERIOD: Duration = Duration::from_mins(1);
/// How long a pull is put off whose server is busy with others, in seconds.
const PUT_OFF_SECONDS: i64 = 15;
/// Pause after a first failure, in seconds; each next is twice as long, up to the longest.
const FIRST_PAUSE_SECONDS: i64 = 30;
/// Longest pause after failures, in seconds.
const PAUSE_SECONDS_MAX: i64 = 3_600;
/// Longest that a server is left alone because it asks for that, in seconds.
const LEFT_ALONE_SECONDS_MAX: i64 = 86_400;
/// Least and most time between two pulls, in seconds.
const EVERY_SECONDS: std::ops::RangeInclusive<i64> = 10..=366 * 86_400;
/// Longest time between two looks at what is due; other nodes may have added some.
const LOOK_PERIOD: Duration = Duration::from_secs(30);
/// Rows read at a time.
const PAGE: i64 = 500;

/// A repository that is pulled by the clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullMirrorSummary {
    /// The repository here.
    pub name: RepoName,
    /// The repository there.
    pub url: String,
    /// Time between two pulls, in seconds.
    pub every_seconds: i64,
    /// Whether tips that are deleted or rewritten there are kept here.
    pub keeps_tips: bool,
    /// The next pull; `None` while one runs.
    pub due: Option<UnixMillis>,
    /// The last pull that ended.
    pub tried_at: Option<UnixMillis>,
    /// The last pull that worked.
    pub worked_at: Option<UnixMillis>,
    /// How many failed in a row.
    pub failures: i64,
    /// What came of the last one.
    pub last_result: Option<String>,
    /// Who may read the source, where that is not anyone.
    pub closed_there: Option<Visibility>,
    /// Whether the repository here stays as open as it is all the same.
    pub stays_open: bool,
}

impl Hub {
    /// Has a repository pulled from `source` by the clock, the first time after `every_seconds`. Until that is
    /// stopped it takes no pushes. `there` is who may read the source, as its first pull told.
    ///
    /// # Errors
    /// [`Kind::NotFound`] without such a repository; [`Kind::Invalid`] for a time that is too short or long.
    pub async fn mirror_by_clock(
        &self,
        source: &PullSource,
        name: &RepoName,
        every_seconds: u64,
        options: PullOptions,
        there: Visibility,
    ) -> Result<()> {
        let every_seconds = i64::try_from(every_seconds).unwrap_or(i64::MAX);
        if !EVERY_SECONDS.contains(&every_seconds) {
            return Err(Error::invalid(
                "a mirror is pulled every 10 seconds at the most, every year at the least",
            ));
        }
        let repo = self.live_repo(name).await?;
        let entry = Entry::operator("repo.mirror").on(repo.id, &repo.name).with("from", source.to_string());
        let new = NewPullMirror {
            repo: repo.id,
            url: source.to_string(),
            user_name: source.user().map(str::to_owned),
            token_file: source.token_file().map(|path| path.display().to_string()),
            every_seconds,
            keeps_tips: options.keep,
            closed_there: closed(there),
            stays_open: options.stays_open,
            due: self.clock.now().plus_seconds(jittered(every_seconds)?),
        };
        let hub = self.clone();
        to_the_end(async move {
            hub.audited(entry).set_pull_mirror(new).await?;
            hub.names.clear();
            hub.pull_bell.notify_one();
            Ok(())
        })
        .await
    }

    /// Ends that; the repository takes pushes again.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if it was not so.
    pub async fn stop_mirroring(&self, name: &RepoName) -> Result<()> {
        let repo = self.live_repo(name).await?;
        let entry = Entry::operator("repo.mirror-stop").on(repo.id, &repo.name);
        let hub = self.clone();
        let stopped = to_the_end(async move {
            let stopped = hub.audited(entry).stop_pull_mirror(repo.id).await?;
            hub.names.clear();
            Ok(stopped)
        });
        if stopped.await? {
            Ok(())
        } else {
            Err(Error::not_found(format!("`{name}` is no mirror of another server's")))
        }
    }

    /// Every repository that is pulled by the clock.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list_pull_mirrors(&self) -> Result<Vec<PullMirrorSummary>> {
        let (mut summaries, mut after) = (Vec::new(), None);
        loop {
            let page = self.db.list_pull_mirrors(after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(summaries) };
            after = Some(last.repo);
            for mirror in page {
                let Some(repo) = self.db.repo(mirror.repo).await? else { continue };
                summaries.push(summary(repo.name, mirror));
            }
        }
    }

    /// Pulls what is due, now and whenever something is. Ends never; failures are written down with their
    /// mirror and tried again.
    pub(crate) async fn keep_pulling(&self) {
        let mut pulls = Pulls::default();
        loop {
            let pause = self.start_due(&mut pulls).await.unwrap_or_else(|error| {
                tracing::error!(error = %error.chain(), "cannot look for mirrors to pull");
                LOOK_PERIOD
            });
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.pull_bell.notified() => {}
                () = pulls.ended(), if !pulls.running.is_empty() => {}
            }
        }
    }

    /// Pulls everything that is due and waits for it; how many there were.
    ///
    /// # Errors
    /// When the database cannot be read or written.
    pub async fn pull_due(&self) -> Result<usize> {
        let (mut pulls, mut count) = (Pulls::default(), 0);
        loop {
            let before = pulls.running.len();
            self.start_due(&mut pulls).await?;
            count += pulls.running.len() - before;
            if pulls.running.is_empty() {
                return Ok(count);
            }
            pulls.ended().await;
        }
    }

    /// Starts what is due and has a place; how long until something is due again.
    async fn start_due(&self, pulls: &mut Pulls) -> Result<Duration> {
        metrics::gauge!("polder_pulls_running")
            .set(f64::from(u32::try_from(pulls.running.len()).unwrap_or(0)));
        let places = PULLS_MAX - pulls.running.len().min(PULLS_MAX);
        let (next, failing) = self.db.next_pull().await?;
        metrics::gauge!("polder_pull_mirrors_failing")
            .set(f64::from(u32::try_from(failing).unwrap_or(u32::MAX)));
        let now = self.clock.now();
        let Some(due) = next else { return Ok(LOOK_PERIOD) };
        if due > now || places == 0 {
            let wait = u64::try_from(due.0.saturating_sub(now.0)).unwrap_or(0);
            return Ok(Duration::from_millis(wait).clamp(Duration::from_millis(100), LOOK_PERIOD));
        }
        for mirror in self.db.claim_pulls(LEASE_SECONDS, i64::try_from(places).unwrap_or(1)).await? {
            let host = host_of(&mirror);
            if !pulls.has_place(&host) {
                let later = self.clock.now().plus_seconds(PUT_OFF_SECONDS);
                self.db.end_pull(&mirror, PullEnd::PutOff, later).await?;
                continue;
            }
            let hub = self.clone();
            pulls.start(host, async move {
                if let Err(error) = hub.pull_one(&mirror).await {
                    tracing::error!(error = %error.chain(), url = mirror.url, "the result of a pull is lost");
                }
            });
        }
        Ok(Duration::ZERO)
    }

    /// Pulls one and writes down what came of it.
    async fn pull_one(&self, mirror: &PullMirror) -> Result<()> {
        let (end, pause) = match self.pull_alive(mirror).await {
            Ok(ImportReport { refs, objects }) => {
                metrics::counter!("polder_pulls_total", "result" => "worked").increment(1);
                let told = format!("{refs} refs changed, {objects} new objects");
                (PullEnd::Worked(told), jittered(mirror.every_seconds)?)
            }
            Err(error) => {
                metrics::counter!("polder_pulls_total", "result" => "failed").increment(1);
                tracing::warn!(url = mirror.url, error = %error.chain(), "a mirror could not be pulled");
                let pause = pause_after(mirror.failures, random()?).max(least_pause(mirror, &error));
                (PullEnd::Failed(error.message().to_owned()), pause)
            }
        };
        self.db.end_pull(mirror, end, self.clock.now().plus_seconds(pause)).await?;
        Ok(())
    }

    /// Pulls one, keeping its claim meanwhile.
    async fn pull_alive(&self, mirror: &PullMirror) -> Result<ImportReport> {
        let token_file = mirror.token_file.as_ref().map(Into::into);
        let source = PullSource::new(&mirror.url, mirror.user_name.clone(), token_file)?;
        let repo =
            self.db.repo(mirror.repo).await?.ok_or_else(|| Error::not_found("this repository is gone"))?;
        let options = PullOptions { keep: mirror.keeps_tips, stays_open: mirror.stays_open };
        let (hub, claimed) = (self.clone(), mirror.clone());
        let attempt = Attempt::by_clock(mirror.claim());
        let patience = attempt.patience().clone();
        let pulling = self.door.run(move || {
            let there = hub.close_as_there(&repo, &source, options, &attempt, &mut |_| {})?;
            if closed(there) != claimed.closed_there {
                Handle::current().block_on(hub.db.set_closed_there(&claimed, closed(there)))?;
            }
            hub.pull_blocking(&repo, &source, options.keep, &attempt, &mut |_| {})
        });
        tokio::select! {
            ended = pulling => ended,
            why = self.keep_claim(mirror) => {
                patience.end();
                Err(why)
            }
        }
    }

    /// Keeps a claim until that cannot be; why.
    async fn keep_claim(&self, mirror: &PullMirror) -> Error {
        loop {
            tokio::time::sleep(ALIVE_PERIOD).await;
            match self.db.still_pulling(mirror, LEASE_SECONDS).await {
                Ok(true) => {}
                Ok(false) => return lost(),
                Err(error) => return error.into(),
            }
        }
    }
}

/// Pulls under way, and the server of each.
#[derive(Default)]
struct Pulls {
    running: JoinSet<()>,
    hosts: HashMap<Id, String>,
}

impl Pulls {
    /// Whether a place at this server is free.
    fn has_place(&self, host: &str) -> bool {
        self.hosts.values().filter(|held| *held == host).count() < PULLS_PER_HOST_MAX
    }

    fn start(&mut self, host: String, pull: impl Future<Output = ()> + Send + 'static) {
        let task = self.running.spawn(pull);
        self.hosts.insert(task.id(), host);
    }

    /// Waits until one ends.
    async fn ended(&mut self) {
        let id = match self.running.join_next_with_id().await {
            Some(Ok((id, ()))) => id,
            Some(Err(error)) => {
                tracing::error!(%error, "a pull died; it is tried again when its claim lapses");
                error.id()
            }
            None => return,
        };
        self.hosts.remove(&id);
    }
}

/// What is worth telling of who may read a source.
fn closed(there: Visibility) -> Option<Visibility> {
    Some(there).filter(|there| *there != Visibility::Public)
}

/// The server of a mirror: the URL up to its path.
fn host_of(mirror: &PullMirror) -> String {
    mirror.url.splitn(4, '/').take(3).collect::<Vec<_>>().join("/")
}

/// About `seconds`, so that what was begun together does not stay together.
fn jittered(seconds: i64) -> Result<i64> {
    let [byte] = random::<1>()?;
    Ok(seconds.saturating_sub(seconds / 20 * i64::from(byte) / 255))
}

/// How long to wait after a failure: ever longer, and somewhere in the later half of that.
fn pause_after(failures: i64, [byte]: [u8; 1]) -> i64 {
    let doublings = u32::try_from(failures.clamp(0, 7)).unwrap_or(7);
    let longest = FIRST_PAUSE_SECONDS.saturating_mul(2_i64.pow(doublings)).min(PAUSE_SECONDS_MAX);
    longest / 2 + longest / 2 * i64::from(byte) / 255
}

/// How long to wait at least after this failure: as long as the server asks for, and where only a person can
/// help (a gate, a token), no less than between two pulls.
fn least_pause(mirror: &PullMirror, error: &Error) -> i64 {
    match error.kind() {
        Kind::Forbidden | Kind::NotFound => mirror.every_seconds,
        _ => error.retry_after_seconds().map_or(0, i64::from).min(LEFT_ALONE_SECONDS_MAX),
    }
}

fn summary(name: RepoName, mirror: PullMirror) -> PullMirrorSummary {
    PullMirrorSummary {
        name,
        url: mirror.url,
        every_seconds: mirror.every_seconds,
        keeps_tips: mirror.keeps_tips,
        due: (!mirror.running).then_some(mirror.due),
        tried_at: mirror.tried_at,
        worked_at: mirror.worked_at,
        failures: mirror.failures,
        last_result: mirror.last_result,
        closed_there: mirror.closed_there,
        stays_open: mirror.stays_open,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_an_hour_and_are_never_all_the_same() {
        let longest: Vec<i64> = (0..10).map(|failures| pause_after(failures, [255])).collect();
        assert_eq!(longest, [30, 60, 120, 240, 480, 960, 1_920, 3_600, 3_600, 3_600]);
        assert_eq!(
            (pause_after(0, [0]), pause_after(9, [0]), pause_after(i64::MAX, [0])),
            (15, 1_800, 1_800)
        );
        for _ in 0..100 {
            assert!((3_420..=3_600).contains(&jittered(3_600).expect("random")));
            assert_eq!(jittered(10).expect("random"), 10);
        }
    }
}
