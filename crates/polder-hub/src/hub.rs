//! The hub itself: what it is opened with, what it holds, how it closes.

use std::collections::HashSet;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use polder_blob::Store;
use polder_db::{Db, NameState, Token, WEBHOOK_JOB};
use polder_egress::{Allowance, Egress};
use polder_types::{AccountId, Clock, RepoKind, Role, Sha256, UploadId};

use crate::admission::Admission;
use crate::audit::Refusals;
use crate::blocking::{
    ASSEMBLIES_MAX, Door, HISTORY_TASKS_MAX, LEAF_TASKS_MAX, MIRROR_TASKS_MAX, OPERATOR_TASKS_MAX, SHARDS_MAX,
};
use crate::body_budget::BodyBudget;
use crate::downloads::Counter;
use crate::error::{Error, Result};
use crate::figures::Figures;
use crate::follow::{Asked, Intakes, Mark, PackTries, UnderWay};
use crate::fresh::Fresh;
use crate::history::FolderHistories;
use crate::hooks::HookOptions;
use crate::keys::Keys;
use crate::limits::Limits;
use crate::log::{FederationOptions, OwnLog};
use crate::logins::Logins;
use crate::oauth::IssuerKeys;
use crate::scrub::ScrubOptions;
use crate::snapshots::Snapshots;
use crate::source_commits::SourceCommits;
use crate::storage::{Shared, Storage};
use crate::transfer::Transfers;

/// What a hub is opened with.
#[derive(Debug, Clone)]
pub struct HubOptions {
    /// The data directory; made when missing. One process owns it at a time.
    pub data_dir: PathBuf,
    /// Where rows and bytes are, if not in the data directory.
    pub shared: Shared,
    /// Base of every URL the hub hands out, without a trailing slash.
    pub public_url: String,
    /// Policy hooks.
    pub hooks: HookOptions,
    /// Whether clients may send push options, which hooks then get.
    pub push_options: bool,
    /// How much is done at once.
    pub limits: Limits,
    /// What a namespace without a quota of its own may store, in bytes; `None` is no limit.
    pub namespace_bytes_max: Option<i64>,
    /// How long rows of the audit log are kept, in days.
    pub audit_keep_days: i64,
    /// LFS objects larger than this arrive in parts of this size from clients that can, in bytes; a
    /// multiple of 1 MiB.
    pub lfs_part_bytes: u64,
    /// Authorities to trust beside this machine's when the hub connects to others, in PEM.
    pub egress_ca_file: Option<PathBuf>,
    /// Hosts at addresses that are not public where webhooks may go, by their URLs.
    pub webhook_hosts: Vec<String>,
    /// The server of repositories that are imported as `hf:acme/m`.
    pub hugging_face_endpoint: String,
    /// How stored bytes are read again.
    pub scrub: ScrubOptions,
    /// What it does with other hubs.
    pub federation: FederationOptions,
    /// Where the time comes from.
    pub clock: Clock,
}

const DAY_SECONDS: i64 = 24 * 3600;
/// Most names, tokens and memberships held in memory, each.
const ROWS_HELD_MAX: u64 = 100_000;

/// A hub: every use case is a method of it. Cheap to clone.
#[derive(Clone)]
pub struct Hub(Arc<Inner>);

pub(crate) type NameKey = (RepoKind, String);

/// What a hub holds. Use cases reach it through `Hub`'s `Deref`; nothing here is public.
pub struct Inner {
    pub(crate) db: Db,
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) keys: Keys,
    pub(crate) egress: Egress,
    /// Where webhooks may go beside public addresses.
    pub(crate) webhook_allowance: Allowance,
    pub(crate) public_url: String,
    pub(crate) hugging_face_endpoint: String,
    pub(crate) hooks: HookOptions,
    pub(crate) lfs_part_bytes: u64,
    pub(crate) contributed_bytes_max: Option<i64>,
    pub(crate) push_options: bool,
    /// Fetches, pushes and uploads are admitted apart, so that slow readers never keep a push waiting.
    pub(crate) fetches: Admission,
    /// Commits are pushes too.
    pub(crate) pushes: Admission,
    /// Uploads of large objects.
    pub(crate) uploads: Admission,
    /// Request bodies that are held whole.
    pub(crate) bodies: BodyBudget,
    /// Failed logins.
    pub(crate) logins: Logins,
    /// The keys of those who speak for trusted publishers.
    pub(crate) issuer_keys: IssuerKeys,
    /// For the operator's imports and exports, which may themselves wait for leaf work.
    pub(crate) door: Door,
    /// For short work that waits for nothing else, so that the two can never wait for one another.
    pub(crate) leaf: Door,
    /// For putting objects together that came in parts.
    pub(crate) assemblies: Door,
    /// For making objects of what clients of Xet sent.
    pub(crate) shards: Door,
    /// For walks through history.
    pub(crate) histories: Door,
    pub(crate) folder_histories: FolderHistories,
    pub(crate) source_commits: SourceCommits,
    /// Uploads being put together.
    pub(crate) completing: Mutex<HashSet<UploadId>>,
    /// Large objects on their way from elsewhere.
    pub(crate) transfers: Transfers,
    pub(crate) snapshots: Snapshots,
    pub(crate) names: Fresh<NameKey, Option<NameState>>,
    pub(crate) tokens: Fresh<Sha256, Option<Token>>,
    pub(crate) members: Fresh<(AccountId, AccountId), Option<Role>>,
    pub(crate) figures: Figures,
    pub(crate) scrub: ScrubOptions,
    /// Rung when something is newly known to be damaged.
    pub(crate) repair_bell: tokio::sync::Notify,
    /// When damaged packs are fetched again that could not be had.
    pub(crate) pack_tries: PackTries,
    pub(crate) data_dir: PathBuf,
    /// How long rows of the audit log are kept, in seconds.
    pub(crate) audit_keep_seconds: i64,
    /// Rung when there may be a row to be chained.
    pub(crate) audit_bell: tokio::sync::Notify,
    /// For mirrors of other hubs' repositories.
    pub(crate) mirror_door: Door,
    /// Rung when another hub is followed, or no longer.
    pub(crate) follow_bell: tokio::sync::Notify,
    /// Rings where mirrors became due that no page told of.
    pub(crate) mirrors_bell: tokio::sync::watch::Sender<()>,
    /// Rung when there may be a mirror to pull.
    pub(crate) pull_bell: tokio::sync::Notify,
    /// What comes of hubs that are followed.
    pub(crate) intakes: Intakes,
    pub(crate) under_way: UnderWay,
    pub(crate) refusals: Refusals,
    pub(crate) federation: FederationOptions,
    /// What it marks its questions with.
    pub(crate) mark: Mark,
    pub(crate) own_log: OwnLog,
    pub(crate) downloads: Counter,
    pub(crate) counts_asked: Asked,
    pub(crate) xet_hints: crate::xet::Hints,
    pub(crate) xet_proposers: crate::xet::Proposers,
    pub(crate) xet_verified: crate::xet::Verified,
    /// Held by the one backup that is made.
    pub(crate) backing_up: tokio::sync::Mutex<()>,
    /// Held by the one check that runs.
    pub(crate) checking: tokio::sync::Mutex<()>,
    /// Held for as long as the hub lives: one process owns a data directory.
    _lock: std::fs::File,
}

impl Deref for Hub {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0
    }
}

/// What a database needs before it is used.
async fn prepare(db: &Db, namespace_bytes_max: Option<i64>) -> Result<()> {
    db.set_default_quota(namespace_bytes_max).await?;
    release_claims(db).await
}

/// Lets go of what a process before this one had claimed; with others there, each claim lapses by itself.
async fn release_claims(db: &Db) -> Result<()> {
    if !db.is_shared() {
        db.release_left_behind().await?;
        db.release_pulls().await?;
        db.release_mirrors().await?;
        db.release_jobs(WEBHOOK_JOB).await?;
    }
    Ok(())
}

fn egress_trusting(ca_file: Option<PathBuf>) -> Result<Egress> {
    Ok(Egress::new(polder_egress::Options { ca_file, ..Default::default() })?)
}

impl Hub {
    /// Opens a data directory, making it when it is not there.
    ///
    /// # Errors
    /// [`crate::Kind::Conflict`] when another process owns it, or the database belongs to another store;
    /// [`crate::Kind::Unavailable`] when the database cannot be reached; [`crate::Kind::Internal`].
    pub async fn open(options: HubOptions) -> Result<Self> {
        let (data_dir, limits) = (options.data_dir, options.limits);
        let webhook_allowance = crate::webhooks::allowance(&options.webhook_hosts)?;
        let lock = crate::data_dir::take(&data_dir)?;
        let Storage { keys, store, db, starting } =
            Storage::open(&data_dir, options.shared, options.clock.clone()).await?;
        let (is_shared, holder) = (db.is_shared(), db.next_id());
        prepare(&db, options.namespace_bytes_max).await?;
        let hub = Self(Arc::new(Inner {
            db,
            store,
            clock: options.clock,
            keys,
            egress: egress_trusting(options.egress_ca_file)?,
            webhook_allowance,
            public_url: options.public_url.trim_end_matches('/').to_owned(),
            hugging_face_endpoint: options.hugging_face_endpoint,
            hooks: options.hooks,
            lfs_part_bytes: options.lfs_part_bytes,
            contributed_bytes_max: limits.contributed_bytes_max,
            push_options: options.push_options,
            fetches: Admission::new("fetch", limits.fetches_max, &limits),
            pushes: Admission::new("push", limits.pushes_max, &limits),
            uploads: Admission::new("upload", limits.uploads_max, &limits),
            bodies: BodyBudget::new(limits.held_bodies_bytes_max),
            logins: Logins::new(limits.failed_logins_max),
            issuer_keys: IssuerKeys::new(),
            door: Door::new(OPERATOR_TASKS_MAX),
            leaf: Door::new(LEAF_TASKS_MAX),
            assemblies: Door::new(ASSEMBLIES_MAX),
            shards: Door::patient(SHARDS_MAX),
            histories: Door::new(HISTORY_TASKS_MAX),
            folder_histories: FolderHistories::new(),
            source_commits: SourceCommits::new(),
            completing: Mutex::default(),
            transfers: Transfers::default(),
            snapshots: Snapshots::new(is_shared),
            names: Fresh::new(ROWS_HELD_MAX, is_shared),
            tokens: Fresh::new(ROWS_HELD_MAX, is_shared),
            members: Fresh::new(ROWS_HELD_MAX, is_shared),
            scrub: options.scrub,
            repair_bell: tokio::sync::Notify::new(),
            pack_tries: PackTries::default(),
            data_dir,
            audit_keep_seconds: options.audit_keep_days.saturating_mul(DAY_SECONDS),
            audit_bell: tokio::sync::Notify::new(),
            mirror_door: Door::patient(MIRROR_TASKS_MAX),
            follow_bell: tokio::sync::Notify::new(),
            mirrors_bell: tokio::sync::watch::Sender::default(),
            pull_bell: tokio::sync::Notify::new(),
            intakes: Intakes::default(),
            under_way: UnderWay::default(),
            refusals: Refusals::default(),
            federation: options.federation,
            mark: Mark::new()?,
            own_log: OwnLog::new(holder),
            downloads: Counter::default(),
            figures: Figures::new(is_shared),
            counts_asked: Asked::default(),
            xet_hints: crate::xet::Hints::default(),
            xet_proposers: crate::xet::Proposers::default(),
            xet_verified: crate::xet::Verified::default(),
            backing_up: tokio::sync::Mutex::new(()),
            checking: tokio::sync::Mutex::new(()),
            _lock: lock,
        }));
        hub.check_epochs().await?;
        drop(starting);
        Ok(hub)
    }

    /// Ends well: everything acknowledged is checkpointed, and another node can keep the log at once.
    pub async fn close(&self) {
        self.leave_log().await;
        if let Err(error) = self.write_downloads().await {
            tracing::warn!(error = %error.chain(), "some downloads are not counted");
        }
        self.db.close().await;
    }

    /// Base of every URL the hub hands out, without a trailing slash.
    pub fn public_url(&self) -> &str {
        &self.0.public_url
    }

    /// The one client for what leaves this hub.
    pub fn egress(&self) -> &Egress {
        &self.egress
    }

    /// The product's version.
    pub fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }

    /// The hub's public key, `ed25519:` and base64.
    pub fn public_key(&self) -> String {
        self.keys.public_key()
    }

    /// Whether the hub can do its work: the database answers and the store can be written.
    ///
    /// # Errors
    /// [`crate::Kind::Unavailable`], saying which.
    pub async fn ready(&self) -> Result<()> {
        self.db
            .count_accounts()
            .await
            .map_err(|error| Error::unavailable("the database does not answer").caused_by(error))?;
        self.store
            .quarantine()
            .map(drop)
            .map_err(|error| Error::unavailable("the store cannot be written").caused_by(error))
    }
}
