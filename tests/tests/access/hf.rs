//! The rows of Hugging Face's clients and of the CAS.

use polder_tests::{Http, Request};
use serde_json::json;

use crate::place::Credential::{
    self, Accepted, Admin, AdminWriting, OtherUser, Writer, WriterElsewhere, WriterReading,
};
use crate::place::Visibility;

/// One that is not there.
const ATTACHMENT: &str = "/uploads/00000000000000000000000000000000.png";

/// One request for each route of the Hugging Face surface. What would change something names what is not
/// there, or is there already, or changes nothing.
pub(crate) fn hf(kind: polder_hf::RouteKind, http: Http, repo: &str) -> Request {
    use polder_hf::RouteKind as Kind;
    match kind {
        Kind::NotServed => http.get("/api/jobs/acme"),
        Kind::OpenApi => http.get("/.well-known/openapi.json"),
        Kind::Whoami => http.get("/api/whoami-v2"),
        Kind::AgentHarnesses => http.get("/api/agent-harnesses"),
        Kind::Telemetry => http.get("/api/telemetry/x"),
        Kind::ValidateYaml => json(http, "/api/validate-yaml", &json!({"content": "# A model"})),
        Kind::CreateRepo => json(http, "/api/repos/create", &named("acme/elsewhere")),
        Kind::DeleteRepo => http.delete("/api/repos/delete").body(named("acme/never").to_string()),
        Kind::MoveRepo => {
            json(http, "/api/repos/move", &json!({"fromRepo": "acme/never", "toRepo": "acme/other"}))
        }
        Kind::AddAttachment => http.post("/uploads", "no picture"),
        Kind::Attachment => http.get(ATTACHMENT),
        Kind::DeleteAttachment => http.delete(ATTACHMENT),
        Kind::Models => http.get(&format!("/api/models?search={repo}")),
        Kind::Datasets => http.get("/api/datasets"),
        Kind::Spaces => http.get("/api/spaces"),
        Kind::Kernels => http.get("/api/kernels"),
        Kind::UserOverview => http.get("/api/users/ada/overview"),
        Kind::UserLikes => http.get("/api/users/ada/likes"),
        Kind::OrgOverview => http.get("/api/organizations/acme/overview"),
        Kind::OrgMembers => http.get("/api/organizations/acme/members"),
        Kind::Webhooks
        | Kind::AddWebhook
        | Kind::Webhook
        | Kind::SetWebhook
        | Kind::DeleteWebhook
        | Kind::EnableWebhook
        | Kind::DisableWebhook
        | Kind::Collections
        | Kind::AddCollection
        | Kind::Collection
        | Kind::SetCollection
        | Kind::DeleteCollection
        | Kind::AddCollectionItem
        | Kind::SetCollectionItem
        | Kind::DeleteCollectionItem
        | Kind::StoredRepos
        | Kind::UserFollowers
        | Kind::OrgFollowers
        | Kind::ModelTags
        | Kind::DatasetTags
        | Kind::OAuthDevice
        | Kind::OAuthToken
        | Kind::OAuthPage
        | Kind::OAuthDecide => of_account(kind, http, repo),
        Kind::Discussions
        | Kind::OpenDiscussion
        | Kind::Discussion
        | Kind::AddComment
        | Kind::RenameDiscussion
        | Kind::CloseDiscussion
        | Kind::MergePull
        | Kind::EditComment
        | Kind::HideComment => discussion(kind, http, repo),
        Kind::AskAccess
        | Kind::AccessRequests
        | Kind::HandleAccess
        | Kind::GrantAccess
        | Kind::LfsFiles
        | Kind::DeleteLfsFiles
        | Kind::DuplicateLfsFiles
        | Kind::DuplicateRepo => access_or_files(kind, http, repo),
        of_a_repository => hf_of_repo(of_a_repository, http, repo),
    }
}

fn json(http: Http, path: &str, body: &serde_json::Value) -> Request {
    http.post(path, body.to_string()).header("Content-Type", "application/json")
}

fn hf_of_repo(kind: polder_hf::RouteKind, http: Http, repo: &str) -> Request {
    use polder_hf::RouteKind as Kind;
    let api = format!("/api/models/{repo}");
    match kind {
        Kind::Resolve => http.get(&format!("/{repo}/resolve/main/weights.bin")),
        Kind::Raw => http.get(&format!("/{repo}/raw/main/README.md")),
        Kind::FilePage => http.get(&format!("/{repo}/blob/main/README.md")),
        Kind::FolderPage => http.get(&format!("/{repo}/tree/main")),
        Kind::Likers => http.get(&format!("{api}/likers")),
        Kind::Like => http.post(&format!("{api}/like"), ""),
        Kind::Unlike => http.delete(&format!("{api}/like")),
        Kind::Info => http.get(&api),
        Kind::Revision => http.get(&format!("{api}/revision/main")),
        Kind::Tree => http.get(&format!("{api}/tree/main")),
        Kind::ShardHeaders => http.get(&format!("{api}/safetensors-metadata/README.md")),
        Kind::PathsInfo => json(http, &format!("{api}/paths-info/main"), &json!({"paths": ["README.md"]})),
        Kind::Refs => http.get(&format!("{api}/refs")),
        Kind::Commits => http.get(&format!("{api}/commits/main")),
        Kind::AuthCheck => http.get(&format!("{api}/auth-check")),
        Kind::AuthCheckWrite => http.get(&format!("{api}/auth-check/write")),
        Kind::Preupload => json(http, &format!("{api}/preupload/main"), &json!({"files": []})),
        Kind::Commit => http.post(&format!("{api}/commit/main"), "no commit"),
        Kind::XetReadToken => http.get(&format!("{api}/xet-read-token/main")),
        Kind::XetWriteToken => http.get(&format!("{api}/xet-write-token/main")),
        Kind::CreateBranch => json(http, &format!("{api}/branch/main"), &json!({})),
        Kind::DeleteBranch => http.delete(&format!("{api}/branch/never")),
        Kind::CreateTag => json(http, &format!("{api}/tag/never"), &json!({"tag": "v1"})),
        Kind::DeleteTag => http.delete(&format!("{api}/tag/never")),
        Kind::SuperSquash => json(http, &format!("{api}/super-squash/never"), &json!({"message": "x"})),
        Kind::Settings => http.put(&format!("{api}/settings"), "{}"),
        Kind::WrongMethod => http.post(&format!("/{repo}/raw/main/README.md"), ""),
        _ => unreachable!("{kind:?} has its request elsewhere"),
    }
}

fn discussion(kind: polder_hf::RouteKind, http: Http, repo: &str) -> Request {
    use polder_hf::RouteKind as Kind;
    let api = format!("/api/models/{repo}");
    match kind {
        Kind::Discussions => http.get(&format!("{api}/discussions")),
        Kind::OpenDiscussion => json(http, &format!("{api}/discussions"), &json!({"title": ""})),
        Kind::Discussion => http.get(&format!("{api}/discussions/999")),
        Kind::AddComment => json(http, &format!("{api}/discussions/999/comment"), &json!({"comment": "x"})),
        Kind::RenameDiscussion => {
            json(http, &format!("{api}/discussions/999/title"), &json!({"title": "xyz"}))
        }
        Kind::CloseDiscussion => {
            json(http, &format!("{api}/discussions/999/status"), &json!({"status": "open"}))
        }
        Kind::MergePull => http.post(&format!("{api}/discussions/999/merge"), ""),
        Kind::EditComment => {
            json(http, &format!("{api}/discussions/999/comment/0f/edit"), &json!({"content": "x"}))
        }
        Kind::HideComment => http.post(&format!("{api}/discussions/999/comment/0f/hide"), ""),
        _ => unreachable!("{kind:?} is not of discussions"),
    }
}

fn access_or_files(kind: polder_hf::RouteKind, http: Http, repo: &str) -> Request {
    use polder_hf::RouteKind as Kind;
    let api = format!("/api/models/{repo}");
    match kind {
        Kind::AskAccess => http.post(&format!("{api}/user-access-request"), ""),
        Kind::AccessRequests => http.get(&format!("{api}/user-access-request/pending")),
        Kind::HandleAccess => {
            let decision = &json!({"user": "other", "status": "pending"});
            json(http, &format!("{api}/user-access-request/handle"), decision)
        }
        Kind::GrantAccess => json(http, &format!("{api}/user-access-request/grant"), &json!({"user": "ada"})),
        Kind::LfsFiles => http.get(&format!("{api}/lfs-files")),
        Kind::DeleteLfsFiles => {
            json(http, &format!("{api}/lfs-files/batch"), &json!({"deletions": {"sha": ["0".repeat(64)]}}))
        }
        Kind::DuplicateLfsFiles => {
            let body = &json!({"target": {"type": "model", "name": "acme/never"}, "files": []});
            json(http, &format!("{api}/lfs-files/duplicate"), body)
        }
        Kind::DuplicateRepo => {
            json(http, &format!("{api}/duplicate"), &json!({"repository": "acme/private"}))
        }
        _ => unreachable!("{kind:?} is neither of access nor of large files"),
    }
}

/// One request for each route about what accounts set up, or put together.
fn of_account(kind: polder_hf::RouteKind, http: Http, repo: &str) -> Request {
    use polder_hf::RouteKind as Kind;
    let collection = format!("/api/collections/acme/never-{:024x}", 1);
    match kind {
        Kind::Webhooks => http.get("/api/settings/webhooks"),
        Kind::AddWebhook => json(http, "/api/settings/webhooks", &json!({"url": "https://example.org/"})),
        Kind::Webhook => http.get(&format!("/api/settings/webhooks/{:024x}", 1)),
        Kind::SetWebhook => json(http, &format!("/api/settings/webhooks/{:024x}", 1), &json!({})),
        Kind::DeleteWebhook => http.delete(&format!("/api/settings/webhooks/{:024x}", 1)),
        Kind::EnableWebhook => http.post(&format!("/api/settings/webhooks/{:024x}/enable", 1), ""),
        Kind::DisableWebhook => http.post(&format!("/api/settings/webhooks/{:024x}/disable", 1), ""),
        Kind::Collections => http.get("/api/collections"),
        Kind::AddCollection => json(
            http,
            "/api/collections",
            &json!({"title": "x", "namespace": "acme", "description": "x".repeat(2_000)}),
        ),
        Kind::Collection => http.get(&collection),
        Kind::SetCollection => http.request("PATCH", &collection).body("{}"),
        Kind::DeleteCollection => http.delete(&collection),
        Kind::AddCollectionItem => {
            json(http, &format!("{collection}/items"), &json!({"item": {"type": "model", "id": repo}}))
        }
        Kind::SetCollectionItem => http.request("PATCH", &format!("{collection}/items/1")).body("{}"),
        Kind::DeleteCollectionItem => http.delete(&format!("{collection}/items/{:024x}", 1)),
        Kind::StoredRepos => http.get("/api/settings/repositories"),
        Kind::UserFollowers => http.get("/api/users/ada/followers"),
        Kind::OrgFollowers => http.get("/api/organizations/acme/followers"),
        Kind::ModelTags => http.get("/api/models-tags-by-type"),
        Kind::DatasetTags => http.get("/api/datasets-tags-by-type"),
        Kind::OAuthDevice => http.post("/oauth/device", "client=none"),
        Kind::OAuthToken => http.post("/oauth/token", "grant_type=none"),
        Kind::OAuthPage => http.get("/oauth/approve"),
        Kind::OAuthDecide => http.post("/oauth/approve", "decision=approve"),
        _ => unreachable!("{kind:?} is not of accounts"),
    }
}

/// One request for each route of the CAS, about what is not there.
pub(crate) fn cas(kind: polder_hf::cas::RouteKind, http: Http) -> Request {
    use polder_hf::cas::RouteKind as Kind;
    let none = "f".repeat(64);
    match kind {
        Kind::Chunk => http.get(&format!("/cas/v1/chunks/default/{none}")),
        Kind::Reconstruction => http.get(&format!("/cas/v1/reconstructions/{none}")),
        Kind::Data => http.get(&format!("/cas/data/{none}?sig=none")),
        Kind::Xorb => http.post(&format!("/cas/v1/xorbs/default/{none}"), vec![0; 9]),
        Kind::Shard => http.post("/cas/v1/shards", vec![0; 48]),
        Kind::Telemetry => http.post("/v1/telemetry", "{}"),
        Kind::Unknown => http.put("/cas/v1/shards", "{}"),
    }
}

/// A repository as the API's bodies name it.
pub(crate) fn named(repo: &str) -> serde_json::Value {
    let (organization, name) = repo.split_once('/').expect("two parts");
    json!({"organization": organization, "name": name})
}

/// The status of a Hugging Face request for those who may make it.
pub(crate) fn hf_granted(kind: polder_hf::RouteKind, who: Credential, what: Visibility) -> u16 {
    use polder_hf::RouteKind as Kind;
    match kind {
        // Only who may write to the namespace learns that a name is taken.
        Kind::DuplicateRepo => match who {
            Writer | Admin | AdminWriting => 409,
            _ => 403,
        },
        Kind::DeleteBranch
        | Kind::DuplicateLfsFiles
        | Kind::HandleAccess
        | Kind::DeleteTag
        | Kind::CreateTag
        | Kind::SuperSquash
        | Kind::Discussion
        | Kind::AddComment
        | Kind::RenameDiscussion
        | Kind::CloseDiscussion
        | Kind::MergePull
        | Kind::EditComment
        | Kind::HideComment => 404,
        // Members need not ask, and other repositories have no gate.
        Kind::AskAccess => match who {
            OtherUser | Accepted if what == Visibility::Gated => 200,
            _ => 409,
        },
        // To who has access already; a request that waits already, or was never made; and a card is no index.
        Kind::Commit | Kind::OpenDiscussion | Kind::GrantAccess | Kind::ShardHeaders => 400,
        Kind::CreateBranch => 409,
        _ => 200,
    }
}

/// The status of a Hugging Face request that is an account's; where the body names a repository, it names
/// the same one in every row.
pub(crate) fn hf_account(kind: polder_hf::RouteKind, who: Credential) -> u16 {
    use polder_hf::RouteKind as Kind;
    match kind {
        _ if who == Credential::None || !who.is_valid() => 401,
        Kind::Whoami | Kind::OAuthPage => 200,
        // A token for some repositories sees nothing of the account's; one that only reads changes nothing.
        Kind::Webhooks | Kind::StoredRepos if who != WriterElsewhere => 200,
        // And the form was on no page.
        Kind::Webhooks | Kind::StoredRepos | Kind::OAuthDecide => 403,
        Kind::Webhook if who == WriterElsewhere => 403,
        Kind::AddWebhook
        | Kind::SetWebhook
        | Kind::DeleteWebhook
        | Kind::EnableWebhook
        | Kind::DisableWebhook
            if matches!(who, WriterElsewhere | WriterReading) =>
        {
            403
        }
        Kind::AddAttachment | Kind::DeleteAttachment if matches!(who, WriterElsewhere | WriterReading) => 403,
        Kind::AddWebhook | Kind::AddAttachment => 400,
        // Only who may write to the namespace learns what is wrong with it.
        Kind::AddCollection => match who {
            Writer | Admin | AdminWriting => 400,
            _ => 403,
        },
        // Only who may write to the namespace learns that a name is taken.
        Kind::CreateRepo => match who {
            Writer | Admin | AdminWriting => 409,
            _ => 403,
        },
        _ => 404,
    }
}
