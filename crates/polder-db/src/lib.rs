//! Every line of SQL: schema, migrations, group-committed writes, reads.
//!
//! [`Db`] is the handle; each file adds the methods of one concept to it. A write returns when it is
//! durable: writes are queued, run one after another with a savepoint each, and committed in batches,
//! so that one fsync pays for many. A write that fails or is refused leaves nothing behind and takes
//! no other of its batch with it; if the commit fails, none of the batch was acknowledged.
//! [`Db::commit_push`] is the one place where refs, packs, pointers and the outbox fact change, all
//! together. Small packs live in their rows; files of larger ones and of large objects are named by
//! row ids, and removing them is the caller's work: rows are first condemned, and a condemned row
//! never comes back to life.
//!
//! The crate never decides who may do what, knows no git and no file but its own two. Everything is
//! written for SQLite and PostgreSQL alike: SQL texts are constants, arguments and rows are neutral, and
//! the engine hides behind the handle. Writes take turns on both: with PostgreSQL among all processes
//! that have the database open.
//!
//! ```
//! use std::sync::Arc;
//! use polder_db::{Db, NameState, NewRepo, PushOutcome, Push, RefUpdate};
//! use polder_types::{Clock, IdSource, ObjectId, RepoKind, Visibility};
//!
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! let dir = tempfile::tempdir().unwrap();
//! let ids = Arc::new(IdSource::new(Clock::System, 0));
//! let db = Db::open(dir.path(), Clock::System, ids).await?;
//! db.add_user(&"acme".parse().unwrap(), false).await?;
//! let name = "acme/Model".parse().unwrap();
//! let new = NewRepo { name, visibility: Visibility::Public, actor: None, rid: [7; 32], upstream: None };
//! let repo = db.create_repo(new).await?;
//!
//! let main = RefUpdate {
//!     name: "refs/heads/main".to_owned(),
//!     old: None,
//!     new: Some(ObjectId::new([1; 20])),
//!     peeled: None,
//!     rewinds: false,
//!     forbidden: None,
//! };
//! let push = Push {
//!     repo: repo.id,
//!     actor: None,
//!     expected_gc_epoch: repo.gc_epoch,
//!     expected_lock_gen: None,
//!     atomic: false,
//!     updates: vec![main],
//!     new_head: None,
//!     exact_head: None,
//!     pack: None,
//!     pointers: Vec::new(),
//!     lazy: Vec::new(),
//!     catalog: None,
//!     mirror: None,
//!     proposal: None,
//!     proposed: Vec::new(),
//! };
//! assert!(matches!(db.commit_push(push).await?, PushOutcome::Done { generation: 1, .. }));
//! let found = db.find_repo(RepoKind::Model, "acme/model").await?;
//! assert!(matches!(found, Some(NameState::Live(repo)) if repo.generation == 1));
//! db.close().await;
//! # Ok::<(), polder_db::Error>(()) }).unwrap();
//! ```

mod access_requests;
mod accounts;
mod attachments;
mod audit;
mod blobs;
mod blocks;
mod catalog;
mod catalog_search;
mod chunks;
mod collections;
#[cfg(test)]
mod contract;
mod contributed;
mod damage;
mod db;
mod discussions;
mod downloads;
mod dump;
mod error;
mod events;
mod follow;
mod jobs;
mod known_chunks;
mod lfs_files;
mod locks;
mod log;
mod meta;
mod migrations;
mod oauth;
mod postgres;
mod pull_mirrors;
mod push;
mod quota;
mod recent_tips;
mod remote_namespaces;
mod repo_storage;
mod repos;
mod row;
mod snapshots;
mod sql;
mod sqlite;
mod tokens;
mod tx;
mod upkeep;
mod uploads;
mod value;
mod view;
mod webhooks;
mod write_queue;
mod xorb_runs;
mod xorbs;

pub use access_requests::{AccessRequest, AccessStatus, Asked};
pub use accounts::{Account, AccountKind, ListedAccount, Member};
pub use attachments::{ATTACHMENTS_PER_ACCOUNT_MAX, Attachment, NewAttachment};
pub use audit::{AuditActor, AuditFilter, AuditHead, AuditResult, AuditRow, NewAudit};
pub use blobs::{Blob, NewBlob};
pub use blocks::{Block, Blocked};
pub use catalog::{
    CATALOG_TAGS_ASKED_MAX, CATALOG_TEXTS_ASKED_MAX, CatalogEntry, CatalogOrder, CatalogQuery, CatalogTag,
    Cataloged, Liked, NewCatalogEntry, Reader,
};
pub use collections::{
    COLLECTION_ITEMS_MAX, COLLECTIONS_ASKED_MAX, COLLECTIONS_PER_NAMESPACE_MAX, Collected, Collection,
    CollectionItem, CollectionQuery, CollectionText,
};
pub use contributed::{Contributed, Contributor};
pub use damage::Damage;
pub use db::Db;
pub use discussions::{
    DISCUSSION_EVENTS_MAX, DISCUSSION_TEXT_BYTES_MAX, DISCUSSIONS_OPEN_MAX, Discussion, DiscussionAt,
    DiscussionEvent, DiscussionFilter, DiscussionStatus, EventAt, Happened, NewDiscussion, Proposal,
    ProposedCommit, Pull, Talked,
};
pub use downloads::{Activity, Downloads, Heard, Hearing, Telling};
pub use dump::{Dump, DumpedTable, schema_version};
pub use error::{Error, Result};
pub use events::Event;
pub use follow::{
    Attest, BehindMirror, CarriedRule, FollowLimits, FollowRule, FollowSource, FollowedMove, FollowedPage,
    LazyObject, LimitChange, LimitChanges, MOVED_REPOS_MAX, Mirror, MirrorEnd, MirrorMode, MirrorPublish,
    MirrorStanding, MirrorState, MirrorTarget, MissingBody, Move, MoveAway, MoveElsewhere, MoveHere,
    MoveState, Purgeable, SnapshotRows, Upstream, UpstreamState,
};
pub use jobs::{Job, NewJob};
pub use lfs_files::LinkedFile;
pub use locks::{Lock, Locking, LocksAgainst, NewLock, Unlocking};
pub use log::{
    Appended, Came, Erased, Erasure, FileKind, Lease, Log, LogAppend, LogBody, LogEntry, LogFile, LogHeadRow,
    LogHeads, LogOp, LogStart, Outgoing, PendingBatch, PendingRepo, Published, PublishedNamespace,
    PublishedState, Refill, Retold, RetoldNamespace, Sequenced,
};
pub use oauth::{
    DEVICE_LOGINS_MAX, DEVICE_LOGINS_PER_ADDRESS_MAX, DeviceApproval, DeviceChange, DeviceFound,
    DeviceIssued, DeviceLogin, DeviceState, GUESS_WINDOW_SECONDS, GUESSES_MAX, Given, NewDeviceLogin,
    NewPublisher, NewRefresh, PUBLISHERS_PER_TARGET_MAX, Publisher, PublisherTarget, Refreshed,
    TOKENS_PER_PUBLISHER_MAX,
};
pub use pull_mirrors::{NewPullMirror, PullClaim, PullEnd, PullMirror};
pub use push::{NewPack, PackClass, Push, PushOutcome, RefOutcome, RefRefusal, RefUpdate};
pub use quota::{Limit, Usage};
pub use remote_namespaces::RemoteNamespace;
pub use repo_storage::StoredRepo;
pub use repos::{
    BLOCKED, Deleted, NameState, NewRepo, PROTECTIONS_PER_REPO_MAX, Protection, Repo, TAKEN_DOWN,
};
pub use snapshots::{PackRow, RefRow, RepoChanges, RepoState, RepoVersion};
pub use tokens::{NewToken, Token};
pub use upkeep::{RowState, StoredBlob, StoredPack};
pub use uploads::{Upload, UploadPart, UploadState};
pub use webhooks::{
    Delivery, DeliveryEnd, Talk, TalkComment, WEBHOOK_JOB, WEBHOOK_WATCHED_MAX, WEBHOOKS_PER_ACCOUNT_MAX,
    WatchTarget, Watched, Webhook, WebhookSettings,
};
pub use xorbs::{Entries, NewXorb, StagedXorb, Staging, XorbPiece};
