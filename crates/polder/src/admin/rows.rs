//! Lines of the lists, as JSON shows them.

use polder_hub::{
    AuditEntry, OrgSummary, PullMirrorSummary, QuotaSummary, RepoSummary, TokenSummary, UserSummary,
};
use polder_types::{Gate, RepoKind, Role, UnixMillis, Visibility};
use serde::{Deserialize, Serialize};

/// A line of `user list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRow {
    /// The user's name.
    pub name: String,
    /// Whether the user may do everything on this hub.
    pub admin: bool,
    /// When the user was added (RFC 3339, UTC).
    pub created: String,
}

/// A line of `org list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrgRow {
    /// The organisation's name.
    pub name: String,
    /// Who belongs to it, by name.
    pub members: Vec<MemberRow>,
    /// When it was added (RFC 3339, UTC).
    pub created: String,
}

/// A member of an organisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberRow {
    /// The user's name.
    pub user: String,
    /// read, write or admin.
    pub role: Role,
}

/// A line of `token list`; the secret is not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRow {
    /// What `token revoke` takes. A text, because it has more digits than a JSON number keeps everywhere.
    pub id: String,
    /// Whose it is.
    pub user: String,
    /// The most it may do.
    pub scope: Role,
    /// The only repositories it is good for, without deleted ones; null means all of the user's.
    pub repos: Option<Vec<String>>,
    /// When it stops working (RFC 3339, UTC), maybe in the past; null means never.
    pub expires: Option<String>,
    /// When it was made (RFC 3339, UTC).
    pub created: String,
    /// The program that it was given to, where the hub did that by itself; null means `token add`.
    pub name: Option<String>,
}

/// A line of `repo mirrors`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MirrorRow {
    /// The repository here.
    pub id: String,
    /// The repository there.
    pub url: String,
    /// Time between two pulls, in seconds.
    pub every_seconds: i64,
    /// Whether tips that are deleted or rewritten there are kept here.
    pub safe: bool,
    /// The next pull (RFC 3339, UTC); null while one runs.
    pub next: Option<String>,
    /// The last pull that ended.
    pub tried: Option<String>,
    /// The last pull that worked.
    pub worked: Option<String>,
    /// How many failed in a row.
    pub failures: i64,
    /// What came of the last one.
    pub result: Option<String>,
    /// Who may read the source, gated or private; null where that is anyone, or not told.
    pub there: Option<Visibility>,
    /// Whether the repository here stays as open as it is all the same.
    pub stays_open: bool,
}

impl From<PullMirrorSummary> for MirrorRow {
    fn from(mirror: PullMirrorSummary) -> Self {
        let moment = |at: Option<UnixMillis>| at.map(UnixMillis::rfc3339);
        Self {
            id: mirror.name.to_string(),
            url: mirror.url,
            every_seconds: mirror.every_seconds,
            safe: mirror.keeps_tips,
            next: moment(mirror.due),
            tried: moment(mirror.tried_at),
            worked: moment(mirror.worked_at),
            failures: mirror.failures,
            result: mirror.last_result,
            there: mirror.closed_there,
            stays_open: mirror.stays_open,
        }
    }
}

/// A line of `repo list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepoRow {
    /// Such as `datasets/acme/d`.
    pub id: String,
    /// model, dataset, space or kernel.
    pub kind: RepoKind,
    /// public, gated or private.
    pub visibility: Visibility,
    /// auto or manual; null without a gate.
    pub gate: Option<Gate>,
    /// Why nobody but maybe administrators can have it; null for those that are served.
    pub withheld: Option<String>,
    /// Name of the default branch, without `refs/heads/`.
    pub default_branch: String,
    /// Grows by one with every accepted change of its refs.
    pub generation: i64,
}

/// A line of `audit`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRow {
    /// When (RFC 3339, UTC).
    pub time: String,
    /// The account's name, `anonymous`, `operator` or `hub`.
    pub who: String,
    /// With which token.
    pub token: Option<String>,
    /// From which address, if that is kept.
    pub address: Option<String>,
    /// What, such as `git.push`.
    pub action: String,
    /// On which repository, by its name then.
    pub repo: Option<String>,
    /// ok, refused or failed.
    pub result: String,
    /// In which request.
    pub request: Option<String>,
    /// More about it.
    pub detail: serde_json::Value,
    /// Place in the chain; null until it has one.
    pub index: Option<i64>,
}

impl From<AuditEntry> for AuditRow {
    fn from(entry: AuditEntry) -> Self {
        let AuditEntry { time, who, token, address, action, repo, result, request, detail, index } = entry;
        // What is not JSON any more was altered; `audit verify` says where.
        let detail = serde_json::from_str(&detail).unwrap_or(serde_json::Value::String(detail));
        let time = time.rfc3339();
        Self { time, who, token, address, action, repo, result, request, detail, index }
    }
}

/// A line of `quota show`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaRow {
    /// A user or an organisation.
    pub namespace: String,
    /// What it may store, in bytes; null is no limit.
    pub bytes_max: Option<i64>,
    /// Whether that is `[limits] namespace-bytes` and not its own.
    pub is_default: bool,
    /// Large objects, each counted once, in bytes.
    pub blob_bytes: i64,
    /// Packs, in bytes.
    pub pack_bytes: i64,
    /// Reserved for uploads under way, in bytes.
    pub reserved_bytes: i64,
}

impl From<QuotaSummary> for QuotaRow {
    fn from(quota: QuotaSummary) -> Self {
        let QuotaSummary { namespace, bytes_max, is_default, blob_bytes, pack_bytes, reserved_bytes } = quota;
        Self { namespace, bytes_max, is_default, blob_bytes, pack_bytes, reserved_bytes }
    }
}

impl From<UserSummary> for UserRow {
    fn from(user: UserSummary) -> Self {
        Self { name: user.name.to_string(), admin: user.is_admin, created: user.created.rfc3339() }
    }
}

impl From<OrgSummary> for OrgRow {
    fn from(org: OrgSummary) -> Self {
        let row =
            |(user, role): (polder_types::AccountName, Role)| MemberRow { user: user.to_string(), role };
        Self {
            name: org.name.to_string(),
            members: org.members.into_iter().map(row).collect(),
            created: org.created.rfc3339(),
        }
    }
}

impl From<TokenSummary> for TokenRow {
    fn from(token: TokenSummary) -> Self {
        Self {
            id: token.id.to_string(),
            user: token.user.to_string(),
            scope: token.scope,
            repos: token.repos.map(|names| names.iter().map(ToString::to_string).collect()),
            expires: token.expires.map(UnixMillis::rfc3339),
            created: token.created.rfc3339(),
            name: token.name,
        }
    }
}

impl From<RepoSummary> for RepoRow {
    fn from(repo: RepoSummary) -> Self {
        let branch = repo.head.strip_prefix("refs/heads/").unwrap_or(&repo.head);
        Self {
            id: repo.name.to_string(),
            kind: repo.name.kind(),
            visibility: repo.visibility,
            gate: repo.gate,
            withheld: repo.withheld,
            default_branch: branch.to_owned(),
            generation: repo.generation,
        }
    }
}
