//! The request lines of Hugging Face clients.
//!
//! Source: `huggingface_hub` 2.4.0 `file_download.py`, `hf_api.py`: a revision is quoted whole
//! (`refs%2Fpr%2F1`); a file's path keeps its slashes in `resolve` and may have them quoted in `tree`.

use http::Method;
use polder_http::{Access, Place, Url};
use polder_types::{ObjectId, RepoKind};

use crate::{route_api, route_listings, route_oauth};

polder_http::route_kinds! {
    /// Kinds of [`Route`].
    ///
    /// On a pull request (`refs/pr/N`, `create_pr=1`), preupload, commit and write token are its author's, too.
    /// Who may change what of a discussion is decided by the use case. What names no repository and asks for
    /// no account shows what the caller may read.
    pub enum RouteKind {
        /// `GET …/resolve/{revision}/{path}`: the file itself.
        Resolve => "resolve", Access::Read,
        /// `GET …/raw/{revision}/{path}`: what git holds, so a pointer stays a pointer.
        Raw => "raw", Access::Read,
        /// `GET …/blob/{revision}/{path}`: the address of a file's page, which is where people copy it from. It leads to
        /// the file, whether there is one or not.
        FilePage => "file-page", Access::Open,
        /// `GET …/tree/{revision}[/{path}]` outside the API: a folder's page, which leads to what the API lists.
        FolderPage => "folder-page", Access::Open,
        /// `GET /api/whoami-v2`.
        Whoami => "whoami", Access::Account,
        /// `GET /api/agent-harnesses`, which every client asks when it starts.
        AgentHarnesses => "agent-harnesses", Access::Open,
        /// `HEAD /api/telemetry/…`.
        Telemetry => "telemetry", Access::Open,
        /// `POST /api/validate-yaml`.
        ValidateYaml => "validate-yaml", Access::Open,
        /// `POST /api/repos/create`.
        CreateRepo => "create-repo", Access::Account,
        /// `DELETE /api/repos/delete`.
        DeleteRepo => "delete-repo", Access::Account,
        /// `POST /api/repos/move`.
        MoveRepo => "move-repo", Access::Account,
        /// `GET /api/models`.
        Models => "models", Access::Anyone,
        /// `GET /api/datasets`.
        Datasets => "datasets", Access::Anyone,
        /// `GET /api/spaces`.
        Spaces => "spaces", Access::Anyone,
        /// `GET /api/kernels`.
        Kernels => "kernels", Access::Anyone,
        /// `GET /api/users/{user}/overview`.
        UserOverview => "user-overview", Access::Anyone,
        /// `GET /api/users/{user}/likes`.
        UserLikes => "user-likes", Access::Anyone,
        /// `GET /api/organizations/{org}/overview`.
        OrgOverview => "org-overview", Access::Anyone,
        /// `GET /api/organizations/{org}/members`.
        OrgMembers => "org-members", Access::Anyone,
        /// `GET /api/{kind}/{repo}`.
        Info => "info", Access::See,
        /// `GET …/revision/{revision}`.
        Revision => "revision", Access::See,
        /// `GET …/tree/{revision}[/{path}]`.
        Tree => "tree", Access::See,
        /// `GET …/safetensors-metadata/{path}`.
        ShardHeaders => "safetensors-metadata", Access::Read,
        /// `POST …/paths-info/{revision}`.
        PathsInfo => "paths-info", Access::See,
        /// `GET …/refs`.
        Refs => "refs", Access::See,
        /// `GET …/commits/{revision}`.
        Commits => "commits", Access::See,
        /// `GET …/auth-check`.
        AuthCheck => "auth-check", Access::Read,
        /// `GET …/auth-check/write`.
        AuthCheckWrite => "auth-check-write", Access::Write,
        /// `GET …/likers`.
        Likers => "likers", Access::See,
        /// `POST …/like`.
        Like => "like", Access::SeeAsAccount,
        /// `DELETE …/like`.
        Unlike => "unlike", Access::SeeAsAccount,
        /// `POST …/preupload/{revision}`.
        Preupload => "preupload", Access::Write,
        /// `POST …/commit/{branch}`.
        Commit => "commit", Access::Write,
        /// `GET …/xet-read-token/{revision}`.
        XetReadToken => "xet-read-token", Access::Read,
        /// `GET …/xet-write-token/{revision}`.
        XetWriteToken => "xet-write-token", Access::Write,
        /// `POST …/branch/{branch}`.
        CreateBranch => "create-branch", Access::Write,
        /// `DELETE …/branch/{branch}`.
        DeleteBranch => "delete-branch", Access::Write,
        /// `POST …/tag/{revision}`.
        CreateTag => "create-tag", Access::Write,
        /// `DELETE …/tag/{tag}`.
        DeleteTag => "delete-tag", Access::Write,
        /// `POST …/super-squash/{branch}`.
        SuperSquash => "super-squash", Access::Write,
        /// `PUT …/settings`.
        Settings => "settings", Access::Manage,
        /// `GET /api/settings/webhooks`.
        Webhooks => "webhooks", Access::Account,
        /// `POST /api/settings/webhooks`.
        AddWebhook => "add-webhook", Access::Account,
        /// `GET /api/settings/webhooks/{id}`.
        Webhook => "webhook", Access::Account,
        /// `POST /api/settings/webhooks/{id}`.
        SetWebhook => "set-webhook", Access::Account,
        /// `DELETE /api/settings/webhooks/{id}`.
        DeleteWebhook => "delete-webhook", Access::Account,
        /// `POST /api/settings/webhooks/{id}/enable`.
        EnableWebhook => "enable-webhook", Access::Account,
        /// `POST /api/settings/webhooks/{id}/disable`.
        DisableWebhook => "disable-webhook", Access::Account,
        /// `GET …/discussions`.
        Discussions => "discussions", Access::Read,
        /// `POST …/discussions`.
        OpenDiscussion => "open-discussion", Access::ReadAsAccount,
        /// `GET …/discussions/{num}`.
        Discussion => "discussion", Access::Read,
        /// `POST …/discussions/{num}/comment`.
        AddComment => "add-comment", Access::ReadAsAccount,
        /// `POST …/discussions/{num}/title`.
        RenameDiscussion => "rename-discussion", Access::ReadAsAccount,
        /// `POST …/discussions/{num}/status`.
        CloseDiscussion => "close-discussion", Access::ReadAsAccount,
        /// `POST …/discussions/{num}/merge`.
        MergePull => "merge-pull", Access::Write,
        /// `POST …/discussions/{num}/comment/{id}/edit`.
        EditComment => "edit-comment", Access::ReadAsAccount,
        /// `POST …/discussions/{num}/comment/{id}/hide`.
        HideComment => "hide-comment", Access::ReadAsAccount,
        /// `POST …/user-access-request`, and `POST /{repo}/ask-access` as on the web.
        AskAccess => "ask-access", Access::SeeAsAccount,
        /// `GET …/user-access-request/{status}`.
        AccessRequests => "access-requests", Access::Manage,
        /// `POST …/user-access-request/handle`.
        HandleAccess => "handle-access", Access::Manage,
        /// `POST …/user-access-request/grant`.
        GrantAccess => "grant-access", Access::Manage,
        /// `GET …/lfs-files`.
        LfsFiles => "lfs-files", Access::Write,
        /// `POST …/lfs-files/batch`.
        DeleteLfsFiles => "delete-lfs-files", Access::Write,
        /// `POST …/lfs-files/duplicate`.
        DuplicateLfsFiles => "duplicate-lfs-files", Access::ReadAsAccount,
        /// `POST …/duplicate`.
        DuplicateRepo => "duplicate-repo", Access::ReadAsAccount,
        /// `GET /api/collections`.
        Collections => "collections", Access::Anyone,
        /// `POST /api/collections`.
        AddCollection => "add-collection", Access::Account,
        /// `GET /api/collections/{slug}`.
        Collection => "collection", Access::Anyone,
        /// `PATCH /api/collections/{slug}`.
        SetCollection => "set-collection", Access::Account,
        /// `DELETE /api/collections/{slug}`.
        DeleteCollection => "delete-collection", Access::Account,
        /// `POST /api/collections/{slug}/items`.
        AddCollectionItem => "add-collection-item", Access::Account,
        /// `PATCH /api/collections/{slug}/items/{id}`.
        SetCollectionItem => "set-collection-item", Access::Account,
        /// `DELETE /api/collections/{slug}/items/{id}`.
        DeleteCollectionItem => "delete-collection-item", Access::Account,
        /// `POST /uploads`, for files in comments.
        AddAttachment => "add-attachment", Access::Account,
        /// `GET /uploads/{name}`: who has the address was given it.
        Attachment => "attachment", Access::Open,
        /// `DELETE /uploads/{name}`.
        DeleteAttachment => "delete-attachment", Access::Account,
        /// `GET /api/settings/repositories`, and of an organisation.
        StoredRepos => "stored-repos", Access::Account,
        /// `GET /api/users/{user}/followers` and `…/following`.
        UserFollowers => "user-followers", Access::Anyone,
        /// `GET /api/organizations/{org}/followers`.
        OrgFollowers => "org-followers", Access::Anyone,
        /// `GET /api/models-tags-by-type`.
        ModelTags => "model-tags", Access::Anyone,
        /// `GET /api/datasets-tags-by-type`.
        DatasetTags => "dataset-tags", Access::Anyone,
        /// `POST /oauth/device`.
        OAuthDevice => "oauth-device", Access::Open,
        /// `POST /oauth/token`.
        OAuthToken => "oauth-token", Access::Open,
        /// `GET /oauth/approve`, a page.
        OAuthPage => "oauth-page", Access::Account,
        /// `POST /oauth/approve`, the form of the page.
        OAuthDecide => "oauth-decide", Access::Account,
        /// `GET /.well-known/openapi.json`.
        OpenApi => "openapi", Access::Open,
        /// What other hubs do and this one does not.
        NotServed => "not-served", Access::Open,
        /// One of these addresses with another method.
        WrongMethod => "wrong-method", Access::Open,
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

impl At {
    /// The commit that the clients are told of one that the revision meant.
    ///
    /// Whoever asked for a whole id is told that one, also where another commit stands for it here: the clients take
    /// it for the commit's own without asking, and look for what they fetched below that name alone.
    ///
    /// Source: `huggingface_hub` 2.4.0 `_snapshot_download.py`, `REGEX_COMMIT_HASH`.
    pub(crate) fn told(&self, commit_id: ObjectId) -> ObjectId {
        self.revision.parse().unwrap_or(commit_id)
    }
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
        if let Some(kind) = route_oauth::parse(method, &words) {
            return Some(Self { kind, at: route_api::at(url, 0, "", String::new()) });
        }
        if let Some((kind, account)) = route_listings::parse(method, &words) {
            return Some(Self { kind, at: route_api::at(url, 0, account, String::new()) });
        }
        if segments.first().is_some_and(|first| first == "api") {
            return route_api::parse(method, url);
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
                "blob" => RouteKind::FilePage,
                "tree" => RouteKind::FolderPage,
                _ => return None,
            };
            if revision.is_empty() || (path.is_empty() && kind != RouteKind::FolderPage) {
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
