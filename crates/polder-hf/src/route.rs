//! The request lines of Hugging Face clients.
//!
//! Source: `huggingface_hub` 2.4.0 `file_download.py`, `hf_api.py`: a revision is quoted whole
//! (`refs%2Fpr%2F1`); a file's path keeps its slashes in `resolve` and may have them quoted in `tree`.

use http::Method;
use polder_http::{Access, Place, Url};
use polder_types::RepoKind;

use crate::{route_api, route_listings};

polder_http::route_kinds! {
    /// Kinds of [`Route`].
    pub enum RouteKind {
        /// `GET …/resolve/{revision}/{path}`: the file itself.
        Resolve => "resolve",
        /// `GET …/raw/{revision}/{path}`: what git holds, so a pointer stays a pointer.
        Raw => "raw",
        /// `GET /api/whoami-v2`.
        Whoami => "whoami",
        /// `GET /api/agent-harnesses`, which every client asks when it starts.
        AgentHarnesses => "agent-harnesses",
        /// `HEAD /api/telemetry/…`.
        Telemetry => "telemetry",
        /// `POST /api/validate-yaml`.
        ValidateYaml => "validate-yaml",
        /// `POST /api/repos/create`.
        CreateRepo => "create-repo",
        /// `DELETE /api/repos/delete`.
        DeleteRepo => "delete-repo",
        /// `POST /api/repos/move`.
        MoveRepo => "move-repo",
        /// `GET /api/models`.
        Models => "models",
        /// `GET /api/datasets`.
        Datasets => "datasets",
        /// `GET /api/spaces`.
        Spaces => "spaces",
        /// `GET /api/kernels`.
        Kernels => "kernels",
        /// `GET /api/users/{user}/overview`.
        UserOverview => "user-overview",
        /// `GET /api/users/{user}/likes`.
        UserLikes => "user-likes",
        /// `GET /api/organizations/{org}/overview`.
        OrgOverview => "org-overview",
        /// `GET /api/organizations/{org}/members`.
        OrgMembers => "org-members",
        /// `GET /api/{kind}/{repo}`.
        Info => "info",
        /// `GET …/revision/{revision}`.
        Revision => "revision",
        /// `GET …/tree/{revision}[/{path}]`.
        Tree => "tree",
        /// `POST …/paths-info/{revision}`.
        PathsInfo => "paths-info",
        /// `GET …/refs`.
        Refs => "refs",
        /// `GET …/commits/{revision}`.
        Commits => "commits",
        /// `GET …/auth-check`.
        AuthCheck => "auth-check",
        /// `GET …/auth-check/write`.
        AuthCheckWrite => "auth-check-write",
        /// `GET …/likers`.
        Likers => "likers",
        /// `POST …/like`.
        Like => "like",
        /// `DELETE …/like`.
        Unlike => "unlike",
        /// `POST …/preupload/{revision}`.
        Preupload => "preupload",
        /// `POST …/commit/{branch}`.
        Commit => "commit",
        /// `GET …/xet-read-token/{revision}`.
        XetReadToken => "xet-read-token",
        /// `GET …/xet-write-token/{revision}`.
        XetWriteToken => "xet-write-token",
        /// `POST …/branch/{branch}`.
        CreateBranch => "create-branch",
        /// `DELETE …/branch/{branch}`.
        DeleteBranch => "delete-branch",
        /// `POST …/tag/{revision}`.
        CreateTag => "create-tag",
        /// `DELETE …/tag/{tag}`.
        DeleteTag => "delete-tag",
        /// `POST …/super-squash/{branch}`.
        SuperSquash => "super-squash",
        /// `PUT …/settings`.
        Settings => "settings",
        /// `GET /api/settings/webhooks`.
        Webhooks => "webhooks",
        /// `POST /api/settings/webhooks`.
        AddWebhook => "add-webhook",
        /// `GET /api/settings/webhooks/{id}`.
        Webhook => "webhook",
        /// `POST /api/settings/webhooks/{id}`.
        SetWebhook => "set-webhook",
        /// `DELETE /api/settings/webhooks/{id}`.
        DeleteWebhook => "delete-webhook",
        /// `POST /api/settings/webhooks/{id}/enable`.
        EnableWebhook => "enable-webhook",
        /// `POST /api/settings/webhooks/{id}/disable`.
        DisableWebhook => "disable-webhook",
        /// `GET …/discussions`.
        Discussions => "discussions",
        /// `POST …/discussions`.
        OpenDiscussion => "open-discussion",
        /// `GET …/discussions/{num}`.
        Discussion => "discussion",
        /// `POST …/discussions/{num}/comment`.
        AddComment => "add-comment",
        /// `POST …/discussions/{num}/title`.
        RenameDiscussion => "rename-discussion",
        /// `POST …/discussions/{num}/status`.
        CloseDiscussion => "close-discussion",
        /// `POST …/discussions/{num}/merge`.
        MergePull => "merge-pull",
        /// `POST …/discussions/{num}/comment/{id}/edit`.
        EditComment => "edit-comment",
        /// `POST …/discussions/{num}/comment/{id}/hide`.
        HideComment => "hide-comment",
        /// `POST …/user-access-request`, and `POST /{repo}/ask-access` as on the web.
        AskAccess => "ask-access",
        /// `GET …/user-access-request/{status}`.
        AccessRequests => "access-requests",
        /// `POST …/user-access-request/handle`.
        HandleAccess => "handle-access",
        /// `POST …/user-access-request/grant`.
        GrantAccess => "grant-access",
        /// `GET …/lfs-files`.
        LfsFiles => "lfs-files",
        /// `POST …/lfs-files/batch`.
        DeleteLfsFiles => "delete-lfs-files",
        /// `POST …/lfs-files/duplicate`.
        DuplicateLfsFiles => "duplicate-lfs-files",
        /// `POST …/duplicate`.
        DuplicateRepo => "duplicate-repo",
        /// `GET /api/collections`.
        Collections => "collections",
        /// `POST /api/collections`.
        AddCollection => "add-collection",
        /// `GET /api/collections/{slug}`.
        Collection => "collection",
        /// `PATCH /api/collections/{slug}`.
        SetCollection => "set-collection",
        /// `DELETE /api/collections/{slug}`.
        DeleteCollection => "delete-collection",
        /// `POST /api/collections/{slug}/items`.
        AddCollectionItem => "add-collection-item",
        /// `PATCH /api/collections/{slug}/items/{id}`.
        SetCollectionItem => "set-collection-item",
        /// `DELETE /api/collections/{slug}/items/{id}`.
        DeleteCollectionItem => "delete-collection-item",
        /// `POST /uploads`, for files in comments: refused.
        Attachments => "attachments",
        /// `GET /api/settings/repositories`, and of an organisation.
        StoredRepos => "stored-repos",
        /// `GET /api/users/{user}/followers` and `…/following`.
        UserFollowers => "user-followers",
        /// `GET /api/organizations/{org}/followers`.
        OrgFollowers => "org-followers",
        /// `GET /api/models-tags-by-type`.
        ModelTags => "model-tags",
        /// `GET /api/datasets-tags-by-type`.
        DatasetTags => "dataset-tags",
        /// `POST /oauth/device` and `/oauth/token`.
        OAuth => "oauth",
        /// `GET /.well-known/openapi.json`.
        OpenApi => "openapi",
        /// What other hubs do and this one does not.
        NotServed => "not-served",
        /// One of these addresses with another method.
        WrongMethod => "wrong-method",
    }
}

impl RouteKind {
    /// What the caller must show.
    pub const fn access(self) -> Access {
        match self {
            Self::Info
            | Self::Revision
            | Self::Tree
            | Self::PathsInfo
            | Self::Refs
            | Self::Commits
            | Self::Likers => Access::See,
            Self::Resolve
            | Self::Raw
            | Self::Discussions
            | Self::Discussion
            | Self::XetReadToken
            | Self::AuthCheck => Access::Read,
            // On a pull request (`refs/pr/N`, `create_pr=1`), preupload, commit and token are its author's, too.
            Self::AuthCheckWrite
            | Self::LfsFiles
            | Self::DeleteLfsFiles
            | Self::Preupload
            | Self::XetWriteToken
            | Self::Commit
            | Self::CreateBranch
            | Self::DeleteBranch
            | Self::CreateTag
            | Self::DeleteTag
            | Self::SuperSquash
            | Self::MergePull => Access::Write,
            Self::Settings | Self::AccessRequests | Self::HandleAccess | Self::GrantAccess => Access::Manage,
            // Who may change what of a discussion is decided by the use case.
            Self::OpenDiscussion
            | Self::DuplicateLfsFiles
            | Self::DuplicateRepo
            | Self::AddComment
            | Self::RenameDiscussion
            | Self::CloseDiscussion
            | Self::EditComment
            | Self::HideComment => Access::ReadAsAccount,
            Self::Like | Self::Unlike | Self::AskAccess => Access::SeeAsAccount,
            kind => kind.access_of_accounts(),
        }
    }

    /// The same of what names no repository.
    const fn access_of_accounts(self) -> Access {
        match self {
            Self::Whoami
            | Self::CreateRepo
            | Self::DeleteRepo
            | Self::MoveRepo
            | Self::Webhooks
            | Self::AddWebhook
            | Self::Webhook
            | Self::SetWebhook
            | Self::DeleteWebhook
            | Self::EnableWebhook
            | Self::DisableWebhook
            | Self::StoredRepos
            | Self::AddCollection
            | Self::SetCollection
            | Self::DeleteCollection
            | Self::AddCollectionItem
            | Self::SetCollectionItem
            | Self::DeleteCollectionItem => Access::Account,
            // They show what the caller may read.
            Self::Models
            | Self::Datasets
            | Self::Spaces
            | Self::Kernels
            | Self::UserOverview
            | Self::UserLikes
            | Self::OrgOverview
            | Self::OrgMembers
            | Self::Collections
            | Self::UserFollowers
            | Self::OrgFollowers
            | Self::ModelTags
            | Self::DatasetTags
            | Self::Collection => Access::Anyone,
            Self::AgentHarnesses
            | Self::Telemetry
            | Self::ValidateYaml
            | Self::Attachments
            | Self::OAuth
            | Self::OpenApi
            | Self::NotServed
            | Self::WrongMethod => Access::Open,
            // A route that nobody thought of is for nobody else.
            _ => Access::LoopbackOrAdmin,
        }
    }
}

/// A parsed request line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// What is asked for.
    pub kind: RouteKind,
    /// Of what.
    pub at: At,
}

/// What the URL names, as far as it names something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct At {
    /// The repository.
    pub place: Place,
    /// The revision, branch or tag, decoded.
    pub revision: String,
    /// The path in the tree, decoded.
    pub path: String,
    /// Whether `?download=true` asks for a file to save rather than one to look at.
    pub download: bool,
}

impl Route {
    /// Reads a request line; `None` when it is not of this dialect.
    ///
    /// The repository is what stands before the action's word: `ns/name` or `kind/ns/name`. One segment, or
    /// two after a kind, is read as a repository too, one that cannot exist: it is answered like a
    /// missing one.
    pub fn parse(method: &Method, url: &Url<'_>) -> Option<Self> {
        let segments = url.segments();
        let words: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
        if let Some((kind, account)) = route_listings::parse(method, &words) {
            return Some(Self { kind, at: route_api::at(url, 0, account, String::new()) });
        }
        if segments.first().is_some_and(|first| first == "api") {
            return route_api::parse(method, url);
        }
        if segments.len() == 1
            && segments.first().is_some_and(|word| word == "uploads")
            && *method == Method::POST
        {
            let at = At {
                place: Place::read(url, 1, false),
                revision: String::new(),
                path: String::new(),
                download: false,
            };
            return Some(Self { kind: RouteKind::Attachments, at });
        }
        let counts = match segments.first().and_then(|word| RepoKind::from_plural(word)) {
            Some(_) => [3, 2],
            None => [2, 1],
        };
        if let [full, _] = counts
            && segments.get(full..).is_some_and(|rest| rest == ["ask-access"])
        {
            let kind = if *method == Method::POST { RouteKind::AskAccess } else { RouteKind::WrongMethod };
            let (revision, path, download) = (String::new(), String::new(), false);
            let at = At { place: Place::read(url, full, false), revision, path, download };
            return Some(Self { kind, at });
        }
        counts.into_iter().find_map(|count| {
            let [action, revision, path @ ..] = segments.get(count..)? else { return None };
            let kind = match action.as_ref() {
                "resolve" => RouteKind::Resolve,
                "raw" => RouteKind::Raw,
                _ => return None,
            };
            if revision.is_empty() || path.is_empty() {
                return None;
            }
            let is_read = matches!(*method, Method::GET | Method::HEAD);
            let at = At {
                place: Place::read(url, count, false),
                revision: revision.clone().into_owned(),
                path: path.join("/"),
                download: matches!(url.parameter("download").as_deref(), Some("true" | "True" | "1" | "")),
            };
            Some(Self { kind: if is_read { kind } else { RouteKind::WrongMethod }, at })
        })
    }

    /// What the caller must show.
    pub const fn access(&self) -> Access {
        self.kind.access()
    }
}

#[cfg(test)]
#[path = "route_tests.rs"]
mod tests;
