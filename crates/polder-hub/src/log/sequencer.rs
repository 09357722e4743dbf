//! The sequencer: facts in commit order → signed events, once.
//!
//! One write: facts read, state read, leaves and bodies stored. Then the checkpoint over them is signed
//! and made durable where no restore of the database rolls it back. Only then it is given out, and who
//! waits for it wakes. A crash at any point leaves a log that goes on: leaves without a checkpoint are
//! signed at the next start, and a checkpoint without leaves is never contradicted.

use std::time::Duration;

use polder_db::{Appended, Log, LogAppend, Sequenced};
use polder_log::{Checkpoint, EventType, SignerKey};
use polder_types::failpoint;

use super::author::{Author, entry};
use super::{Lead, LogTip, checkpoint_file};
use crate::Hub;
use crate::error::{Error, Kind, Result};

/// Pause after a first new fact, so that those after it come along.
const GATHER: Duration = Duration::from_millis(20);
/// Longest time between two looks when nothing rang: where other nodes take changes too, and where not.
const LOOK_SHARED: Duration = Duration::from_millis(100);
const LOOK_ALONE: Duration = Duration::from_secs(1);
/// How long the right to append lasts without being renewed, in seconds.
const LEASE_SECONDS: i64 = 15;
/// A log that nothing happened in says so after this long, in seconds.
const HEARTBEAT_SECONDS: i64 = 9 * 60;
/// Pause after a failure.
pub(super) const RETRY: Duration = Duration::from_secs(5);

impl Hub {
    /// Keeps the own log up to date. Ends never; failures are logged and tried again.
    pub(crate) async fn keep_log(&self) {
        if !self.federates() {
            return std::future::pending().await;
        }
        let mut facts = self.db.facts();
        let look = if self.db.is_shared() { LOOK_SHARED } else { LOOK_ALONE };
        loop {
            if let Err(error) = self.sequence_once().await {
                tracing::error!(error = %error.chain(), "the log does not go on");
                tokio::time::sleep(RETRY).await;
            }
            tokio::select! {
                _changed = facts.changed() => tokio::time::sleep(GATHER).await,
                () = self.own_log.bell.notified() => {}
                () = tokio::time::sleep(look) => {}
            }
        }
    }

    /// Leaves the log to another process. One that ends without it is waited for until its lease lapses.
    pub(crate) async fn leave_log(&self) {
        let Some(held) = self.own_log.lead.lock().await.take() else { return };
        if let Err(error) = self.db.give_back_log(held.log, held.lease).await {
            tracing::warn!(error = %Error::from(error).chain(), "the log is left only when its lease lapses");
        }
    }

    /// Tells of every fact that there is, if it falls to this process.
    ///
    /// # Errors
    /// [`Kind::Conflict`] when more was signed than the database knows: it was restored, and to sign
    /// anything now would contradict what others have. [`Kind::Unavailable`], [`Kind::Internal`].
    pub async fn sequence_once(&self) -> Result<()> {
        let Some(log) = self.db.own_log().await? else { return Ok(()) };
        let mut lead = self.own_log.lead.lock().await;
        let Some(held) = self.lead(&log, *lead).await? else {
            *lead = None;
            self.give_out(&log);
            return Ok(());
        };
        let done = self.sequence(&log, held).await;
        // After a failure, what is held in memory may be what is wrong.
        *lead = done.is_ok().then_some(held);
        done
    }

    /// Takes or keeps the right to append; the first time, looks whether the database was rolled back.
    pub(super) async fn lead(&self, log: &Log, held: Option<Lead>) -> Result<Option<Lead>> {
        let alone = !self.db.is_shared();
        if let Some(held) = held.filter(|held| alone && held.log == log.id) {
            return Ok(Some(held));
        }
        let lease = self.db.lease_log(log.id, self.own_log.holder, LEASE_SECONDS, alone).await?;
        let Some(lease) = lease else { return Ok(None) };
        if let Some(held) = held.filter(|held| (held.log, held.lease) == (log.id, lease)) {
            return Ok(Some(held));
        }
        let log = &match self.check_not_rolled_back(log).await {
            Ok(()) => log.clone(),
            Err(error) if self.refill(log, lease).await? => {
                let log = self.db.log(log.id).await?.ok_or(error)?;
                self.check_not_rolled_back(&log).await?;
                log
            }
            Err(error) => return Err(error),
        };
        self.tell_lost(log.id, lease).await?;
        Ok(Some(Lead { log: log.id, lease, next_snapshot: self.next_snapshot(log).await? }))
    }

    pub(super) async fn check_not_rolled_back(&self, log: &Log) -> Result<()> {
        let dir = self.keys.dir.clone();
        let Some((signed, _)) = self.leaf.run(move || checkpoint_file::read(&dir)).await? else {
            return unsigned_so_far(log);
        };
        let known = if signed.log == log.name { self.db.log_root(log, signed.size).await? } else { None };
        if signed.log.epoch < log.name.epoch && signed.log.origin == log.name.origin {
            return Ok(());
        }
        if known == Some(signed.root) {
            return Ok(());
        }
        let message = format!(
            "the log `{}` was signed with {} leaves, and the database, which has {}, is behind it or another: \
             nothing more is signed. Name a hub that mirrors this one in `[federation] mirrors`, or restore a newer backup; `polder key new-epoch` is the last resort",
            signed.log,
            signed.size,
            log.tree.size()
        );
        Err(Error::new(Kind::Conflict, message))
    }

    /// Says what there is to say.
    async fn sequence(&self, log: &Log, lead: Lead) -> Result<()> {
        // What a crash left unsigned.
        self.sign(log.id).await?;
        // Looks by a read: a write that has nothing to do costs a turn of the writer.
        while let Some(log) = self.db.log(log.id).await?
            && self.db.has_facts_after(log.fact_seq).await?
        {
            self.describe_pending(log.fact_seq).await?;
            let author = Author { log: log.name.clone(), keys: self.keys.namespaces() };
            let build = move |batch: &_, _: u64| author.events(batch);
            match self.db.sequence(log.id, lead.lease, build).await? {
                Sequenced::Idle => break,
                Sequenced::Done { named } => {
                    if named {
                        self.names.clear();
                    }
                    failpoint::hit("log.appended");
                    self.sign(log.id).await?;
                }
                Sequenced::Unlisted(blobs) => {
                    for blob in blobs {
                        self.list_chunks_of(blob).await?;
                    }
                }
                Sequenced::Raced => {
                    return Err(Error::new(Kind::Conflict, "another node appends to the log"));
                }
            }
        }
        while self.tell_moves(log.id, lead).await? {}
        while self.erase_some(log.id, lead).await? {}
        let now = self.clock.now();
        if log.appended_at.plus_seconds(HEARTBEAT_SECONDS) <= now {
            self.heartbeat(log.id, lead).await?;
        }
        Ok(())
    }

    /// Describes what no push has, so that events say what the cards do. One that cannot be described is told of
    /// without.
    async fn describe_pending(&self, after: i64) -> Result<()> {
        for (repo, tip) in self.db.undescribed(after).await? {
            if let Err(error) = self.describe_now(repo, tip).await {
                tracing::warn!(%repo, error = %error.chain(), "the log tells of this without its card");
            }
        }
        Ok(())
    }

    async fn heartbeat(&self, id: i64, lead: Lead) -> Result<()> {
        let Some(log) = self.db.log(id).await? else { return Ok(()) };
        if log.appended_at.plus_seconds(HEARTBEAT_SECONDS) > self.clock.now() {
            return Ok(());
        }
        let author = Author { log: log.name.clone(), keys: self.keys.namespaces() };
        let event = author.statement(EventType::Heartbeat, self.clock.now())?;
        let body = event.seal(&[]).map_err(Error::internal)?;
        let sequenced = Some((lead.lease, log.fact_seq));
        let append = LogAppend { sequenced, ..log.append(vec![entry(&body)]) };
        if self.db.append_to_log(append).await? == Appended::Raced {
            return Err(Error::new(Kind::Conflict, "another node appends to the log"));
        }
        self.sign(id).await
    }

    /// Signs what is appended, makes that durable, and gives it out.
    pub(super) async fn sign(&self, id: i64) -> Result<()> {
        let Some(mut log) = self.db.log(id).await? else { return Ok(()) };
        let size = log.tree.size();
        if log.checkpoint_size < size {
            let checkpoint = Checkpoint { log: log.name.clone(), size, root: log.tree.root() };
            let key = SignerKey::new(log.key.name(), self.keys.log_key(&log.key.key())?)
                .map_err(Error::internal)?;
            let note = checkpoint.sign(&[&key]);
            let (dir, text) = (self.keys.dir.clone(), note.clone());
            self.leaf.run(move || checkpoint_file::replace(&dir, &checkpoint, &text)).await?;
            failpoint::hit("log.signed");
            self.db.set_log_checkpoint(id, note.clone(), size).await?;
            failpoint::hit("log.stored");
            (log.checkpoint, log.checkpoint_size) = (Some(note), size);
        }
        self.give_out(&log);
        Ok(())
    }

    /// Wakes who waits, if the log has grown.
    pub(super) fn give_out(&self, log: &Log) {
        let Some(tip) = LogTip::of(log) else { return };
        self.own_log.tip.send_if_modified(|held| {
            let grew = held.as_ref() != Some(&tip);
            if grew {
                *held = Some(tip);
            }
            grew
        });
    }
}

/// Without the file of what was signed last, nothing may have been signed: a backup has the log but not the
/// file, because others may hold more of the log than it has.
fn unsigned_so_far(log: &Log) -> Result<()> {
    if log.checkpoint.is_none() {
        return Ok(());
    }
    let message = format!(
        "the log `{}` was signed with {} leaves or more, but `log.checkpoint` is not beside the hub's key, as after \
         a restore: nothing more is signed. Put the file there, from where the hub ran last",
        log.name, log.checkpoint_size
    );
    Err(Error::new(Kind::Conflict, message))
}
