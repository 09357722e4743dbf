//! The use cases of a hub and its only rules: who may do what, and how it is done durably.
//!
//! [`Hub`] is the whole crate: every use case is a method of it. Edges hand it values ([`Principal`],
//! names, streams) and get values back; bytes of a repository are reached only with a [`Grant`], which
//! this crate alone can make. It knows no wire format of any client, and no SQL.

mod accept;
mod access;
mod accounts;
mod admission;
mod apps;
mod attachments;
mod audit;
mod backup;
mod blocking;
mod blocks;
mod body;
mod body_budget;
mod bundle;
mod card;
mod catalog;
mod chunk_lists;
mod coalesced;
mod collections;
mod commit;
mod commit_draft;
mod compare;
mod data_dir;
mod directory;
mod discussions;
mod downloads;
mod duplicate;
mod epochs;
mod error;
mod exchange;
mod facts;
mod fatal;
mod fetch;
mod figures;
mod files;
mod first_commit;
mod follow;
mod fresh;
mod fsck;
mod gate;
mod history;
mod hooks;
mod hub;
mod kept;
mod keys;
mod lfs_batch;
mod lfs_files;
mod lfs_multipart;
mod lfs_transfer;
mod limits;
mod listings;
mod lock_check;
mod locks;
mod log;
mod logins;
mod mechanisms;
mod merge;
mod oauth;
mod origin;
mod people;
mod preupload;
mod protection;
mod public_objects;
mod pull;
mod push;
mod quota;
mod refs;
mod repo_owner;
mod repos;
mod rewrite;
mod safetensors;
mod scrub;
mod secret;
mod shards;
mod signed_url;
mod snapshots;
mod source_commits;
mod storage;
mod sweep;
mod tag_types;
mod takedown;
mod tasks;
mod transfer;
mod webhooks;
mod whoami;
mod xet;

pub use access::{
    Contribute, Contributes, Contribution, Credentials, Grant, Manage, Principal, Read, See, Sees, Write,
};
pub use accounts::TokenRequest;
pub use attachments::{ATTACHMENT_BYTES_MAX, Media};
pub use audit::{AuditEntry, AuditExport, AuditQuery, AuditReport, RequestOrigin};
pub use backup::{BackupReport, RestoreReport, restore};
pub use blocks::BlockTarget;
pub use body::{BodyEncoding, BodyStream, ByteStream, HeldBody};
pub use bundle::{BundleImported, BundleReport, BundleRequest};
pub use card::Card;
pub use catalog::{FoundRepo, RepoPage, RepoQuery};
pub use collections::{
    CollectionChange, CollectionSearch, ShownCollection, ShownItem, ShownWhat, collection_slug,
};
pub use commit::CommitRequest;
pub use commit_draft::{CommitDraft, Lines, ReadCommit};
pub use directory::{OrgSummary, TokenSummary, UserSummary};
pub use discussions::{DiscussionDetails, DiscussionPage, DiscussionQuery, Proposed, PullChanges};
pub use downloads::DownloadSummary;
pub use error::{Error, Kind, Result};
pub use exchange::{ImportReport, Progress};
pub use facts::{Facts, Parameters};
pub use fatal::storage_failed;
pub use files::{FileContent, OpenError, OpenFile};
pub use first_commit::SpaceSdk;
pub use follow::{
    About, AwayObject, FetchProgress, FollowLimits, FollowRequest, FollowRule, FollowSource, Followed, Lag,
    LimitChange, LimitChanges, MirrorMode, MirrorState, MirrorSummary, MoveRequest, MoveState, MoveSummary,
    MovedHere, NewestSnapshot, OpenObject, Peer, PeerError, PeerFuture, PurgeBrake, SyncReport, SyncStatus,
    UpstreamState, UpstreamSummary, Via,
};
pub use fsck::{FsckOptions, FsckReport};
pub use gate::AccessPage;
pub use hooks::HookOptions;
pub use hub::{Hub, HubOptions};
pub use lfs_batch::{LfsAction, LfsAnswer, LfsObject};
pub use lfs_files::{LFS_FILES_MAX, LfsFile, LfsFilePage};
pub use lfs_multipart::{LfsParts, LfsTransfer};
pub use lfs_transfer::OpenBlob;
pub use limits::Limits;
pub use locks::{LockPage, LockQuery, Locked};
pub use log::{
    FederationAbout, FederationOptions, LOG_WAIT_MAX, LogKey, LogTip, PageQuery, SELECT_TERMS_MAX, Select,
    Term,
};
pub use merge::Merged;
pub use oauth::{
    DeviceRequest, DeviceStart, Exchanged, Issued, NoToken, PublisherSummary, TrustRequest, Trusting,
};
pub use people::AccountOverview;
pub use polder_db::{
    AccessRequest, AccessStatus, Activity, Asked, Block, CatalogOrder as RepoOrder, CatalogTag, Collection,
    Discussion, DiscussionEvent, Happened, Limit as QuotaLimit, Lock, StoredRepo, Watched, Webhook,
};
pub use polder_git::{
    Change, CommitInfo, CommitPage, Comparison, Diff, EntryKind, FileChange, FileList, PathCommits, Protocol,
    Service, Signature, TreeEntry, TreePage,
};
pub use preupload::{Preupload, UploadCandidate, UploadMode};
pub use protection::ProtectionRule;
pub use public_objects::LIST_PAGE_CHUNKS_MAX;
pub use pull::{PullMirrorSummary, PullOptions, PullSource, Pulled};
pub use quota::{Hold, QuotaSummary};
pub use refs::NamedCommit;
pub use repos::RepoSummary;
pub use scrub::{ScrubOptions, ScrubReport};
pub use secret::Secret;
pub use shards::ShardHeaders;
pub use storage::Shared;
pub use tasks::TransformersInfo;
pub use transfer::{
    Arrival, Arriving, Fetched, Liar, ObjectSource, Rate, SourceError, SourceFuture, TransferOptions,
    TransferProgress, Wanted,
};
pub use webhooks::WebhookChange;
pub use whoami::Whoami;
pub use xet::{ShardStep, XetBytes, XetData, XetFile, XetTerm, XetTerms, XetToken, is_xet_memory};

#[cfg(test)]
mod tests;
