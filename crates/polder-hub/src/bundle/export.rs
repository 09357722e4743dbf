//! Writing a bundle.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use polder_db::FollowRule;
use polder_log::LogName;
use polder_types::Sha256;
use tokio::runtime::Handle;

use super::cursor::{BundleCursor, LEFT_OUT_MAX, Since, rules};
use super::gather::Gathered;
use super::layout::{
    CHECKPOINT, Contents, JOURNAL, PART_BYTES_MAX, PART_BYTES_MIN, PLAN, VERSION, Whole, write_whole,
};
use super::repository::Outcome;
use super::resume::{Asked, Plan, prepare, resume};
use super::writer::Writer;
use crate::audit::Entry;
use crate::backup::{cannot, sync};
use crate::error::{Error, Kind, Result};
use crate::exchange::Progress;
use crate::follow::{RULES_MAX, select};
use crate::{Hub, LogTip};

/// What to write a bundle of.
#[derive(Debug, Clone)]
pub struct BundleRequest {
    /// Where to; an empty directory, or one with an export of the same that was stopped.
    pub dir: PathBuf,
    /// Base of the URLs of a hub that is followed; `None` for this hub's own repositories.
    pub origin: Option<String>,
    /// Which repositories, as patterns; none for all.
    pub select: Vec<String>,
    /// The cursor of the bundle before.
    pub since: Option<PathBuf>,
    /// Bytes of each file.
    pub file_size: u64,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleReport {
    /// Whose log.
    pub origin: String,
    /// Events.
    pub events: u64,
    /// Repositories.
    pub repositories: usize,
    /// Bytes in all parts.
    pub bytes: u64,
    /// How many parts these are.
    pub parts: usize,
    /// Repositories that are selected and not in it, since they are not whole here.
    pub left_out: usize,
}

/// An export under way. Blocking.
pub(super) struct Export {
    pub(super) hub: Hub,
    pub(super) tip: LogTip,
    pub(super) from: u64,
    pub(super) rules: Vec<FollowRule>,
    pub(super) since: Option<Since>,
    pub(super) writer: Writer,
    pub(super) say: Progress,
}

impl Hub {
    /// Writes a bundle of what this hub, or one that it follows, has signed and what that names.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for a request that is none, [`Kind::Conflict`] when the directory has something else or
    /// the cursor is not one of this log.
    pub async fn export_bundle(&self, request: BundleRequest, say: Progress) -> Result<BundleReport> {
        let BundleRequest { dir, origin, mut select, since, file_size } = request;
        if dir.starts_with(&self.data_dir) || self.data_dir.starts_with(&dir) {
            return Err(Error::invalid("a bundle must not be inside the data directory, nor around it"));
        }
        if !(PART_BYTES_MIN..=PART_BYTES_MAX).contains(&file_size) {
            let message = format!("a file of a bundle has {PART_BYTES_MIN} to {PART_BYTES_MAX} bytes");
            return Err(Error::invalid(message));
        }
        if select.is_empty() {
            select.push("*".to_owned());
        }
        select::check(select.iter())?;
        if select.len() > RULES_MAX {
            return Err(Error::invalid(format!("a bundle is selected by {RULES_MAX} rules at most")));
        }
        let tip = self.bundled_log(origin.as_deref()).await?;
        let since = match since {
            Some(path) => Some(Since::read(self, &tip, &path).await?),
            None => None,
        };
        let from = since.as_ref().map_or(0, |since| since.size);
        let LogName { origin, epoch } = &tip.name;
        let asked = Asked { origin: origin.to_string(), epoch: *epoch, from, select, file_size };
        let fresh = Plan { asked, size: tip.size, note: tip.note.to_string() };
        let entry = Entry::operator("bundle.export").with("log", tip.name.to_string().as_str());
        let hub = self.clone();
        let report = self.door.run(move || export(hub, tip, &dir, fresh, since, say)).await?;
        self.record(entry.with("bytes", report.bytes)).await;
        Ok(report)
    }

    /// The end of the log of the hub that is followed at `url`, or of the own one.
    async fn bundled_log(&self, url: Option<&str>) -> Result<LogTip> {
        let Some(url) = url else { return self.own_log_tip() };
        let url = url.trim_end_matches('/');
        let upstreams = self.db.list_upstreams().await?;
        let unknown = || Error::not_found(format!("`{url}` is not followed"));
        let upstream = upstreams.iter().find(|one| one.url == url).ok_or_else(unknown)?;
        let log = self.db.log(upstream.log).await?.ok_or_else(unknown)?;
        self.mirrored_log_tip(log.name.origin.sha256()).await
    }
}

fn export(
    hub: Hub,
    tip: LogTip,
    dir: &Path,
    fresh: Plan,
    since: Option<Since>,
    say: Progress,
) -> Result<BundleReport> {
    let plan = prepare(dir, fresh)?;
    let path = dir.join(PLAN);
    let lock = File::open(&path).map_err(|error| cannot("read", &path, error))?;
    lock.try_lock().map_err(|_taken| {
        Error::new(Kind::Conflict, format!("another export writes to `{}`", dir.display()))
    })?;
    let writer = resume(dir, plan.asked.file_size, &*say)?;
    if writer.bytes() > 0 {
        say(&format!("goes on after {} bytes", writer.bytes()));
    }
    // The end as it was when the export was begun.
    let tip = LogTip { size: plan.size, note: plan.note.as_str().into(), ..tip };
    let (from, rules) = (plan.asked.from, rules(&plan.asked.select));
    let mut export = Export { hub, tip, from, rules, since, writer, say };
    let (repositories, left_out) = export.run()?;
    export.finish(dir, plan, repositories, &left_out)
}

impl Export {
    /// Writes everything; how many repositories, and which are left out.
    fn run(&mut self) -> Result<(usize, Vec<Sha256>)> {
        let Gathered { newest, mut left_out } = self.gather()?;
        let (count, mut repositories) = (newest.len(), 0);
        for (at, (rid, newest)) in newest.into_iter().enumerate() {
            let Some(selected) = self.selected(rid, newest)? else { continue };
            let bytes = self.writer.bytes();
            (self.say)(&format!("{}: repository {} of {count}, {bytes} bytes so far", selected.path, at + 1));
            match self.repository(&selected)? {
                Outcome::Whole => repositories += 1,
                Outcome::LeftOut(why) => {
                    (self.say)(&format!("{} is left out: {why}", selected.path));
                    left_out.push(rid);
                }
            }
            if left_out.len() > LEFT_OUT_MAX {
                let message = format!("more than {LEFT_OUT_MAX} repositories are not whole here");
                return Err(Error::new(Kind::Unavailable, message));
            }
        }
        Ok((repositories, left_out))
    }

    fn finish(
        self,
        dir: &Path,
        plan: Plan,
        repositories: usize,
        left_out: &[Sha256],
    ) -> Result<BundleReport> {
        let Self { hub, tip, writer, .. } = self;
        let Asked { origin, epoch, from, select, file_size } = plan.asked;
        let root = Handle::current().block_on(async {
            let log = hub.db.log(tip.id).await?.ok_or_else(|| Error::not_found("this log is gone"))?;
            let root = hub.db.log_root(&log, tip.size).await?;
            root.ok_or_else(|| Error::internal("a log that became shorter"))
        })?;
        let bytes = writer.bytes();
        let (parts, index) = writer.finish()?;
        write_whole(dir, CHECKPOINT, plan.note.as_bytes())?;
        BundleCursor::new(&tip.name, tip.size, root, select.clone(), left_out).write(dir)?;
        let report = BundleReport {
            origin: origin.clone(),
            events: plan.size - from,
            repositories,
            bytes,
            parts: parts.len(),
            left_out: left_out.len(),
        };
        let (size, checkpoint) = (plan.size, Whole::of(plan.note.as_bytes()));
        let version = VERSION;
        Contents { version, origin, epoch, from, size, select, file_size, checkpoint, index, parts }
            .write(dir)?;
        for name in [JOURNAL, PLAN] {
            fs::remove_file(dir.join(name)).map_err(|error| cannot("remove", &dir.join(name), error))?;
        }
        sync(dir)?;
        Ok(report)
    }
}
