//! What there is to know about a repository at a revision.
//!
//! Source: `huggingface_hub` 2.4.0 `hf_api.py`, `ModelInfo`, `DatasetInfo`, `SpaceInfo`.

use http::StatusCode;
use polder_http::{Response, respond};
use polder_hub::{Error, Facts, FileList, Grant, Kind, OpenError, See, TreeEntry};
use polder_types::ObjectId;
use serde_json::{Value, json};

use crate::ask::{Ask, set_commit};
use crate::failure::Failure;
use crate::shown::{Shown, Wanted};
use crate::tree::sibling;

/// Most files that are listed here. `snapshot_download` of 0.36 takes 50,000 or less for all that there are, and pages
/// through the tree when there are more, or none.
const SIBLINGS_MAX: usize = 50_001;
/// Most files and folders that are looked at for them.
const SIBLINGS_LOOKED_AT_MAX: usize = 100_000;

/// Answers `GET /api/{kind}/{repo}`: at the default branch.
pub(crate) async fn info(ask: &Ask<'_>) -> Result<Response, Failure> {
    let grant = ask.see().await?;
    let commit_id = match ask.hub.find_revision(&grant, "HEAD").await {
        Err(OpenError::Revision(_)) => None,
        found => found?,
    };
    answer(ask, &grant, commit_id).await
}

/// Answers `GET …/revision/{revision}`.
pub(crate) async fn revision(ask: &Ask<'_>) -> Result<Response, Failure> {
    let grant = ask.see().await?;
    let commit_id = ask.hub.find_revision(&grant, &ask.at.revision).await?;
    // Clients make a snapshot of the commit that is told here: without one they break off with no reason.
    let empty = || OpenError::Revision(Error::new(Kind::NotFound, "this repository has no commit yet"));
    answer(ask, &grant, Some(commit_id.ok_or_else(empty)?)).await
}

async fn answer(ask: &Ask<'_>, grant: &Grant<See>, commit_id: Option<ObjectId>) -> Result<Response, Failure> {
    let wanted = Wanted(ask.queries("expand"));
    let (facts, likes) = match commit_id {
        Some(commit_id) if wanted.needs_facts() => ask.hub.facts(grant, commit_id).await?,
        _ => (Facts::default(), ask.hub.likes(grant).await?),
    };
    let changed = match commit_id {
        Some(commit_id) => ask.hub.commit_info(grant, commit_id).await?.time,
        None => grant.created(),
    };
    let (name, created) = (grant.repo(), grant.created());
    let (is_private, gate) = (grant.is_private(), grant.gate());
    let activity = ask.hub.activity_seen(grant).await?;
    let told = commit_id.map(|commit_id| ask.at.told(commit_id));
    let shown =
        Shown { name, is_private, gate, created, commit_id: told, changed, likes, activity, facts: &facts };
    let mut fields = shown.fields(&wanted);
    if wanted.has("usedStorage") {
        fields.insert("usedStorage".to_owned(), ask.hub.used_bytes(grant, commit_id).await?.into());
    }
    if wanted.has("siblings") {
        fields.insert("siblings".to_owned(), siblings(ask, grant, commit_id).await?);
    }
    let mut response = respond::json(StatusCode::OK, &Value::Object(fields));
    if let Some(commit_id) = commit_id {
        set_commit(&mut response, &commit_id.to_string());
    }
    Ok(response)
}

async fn siblings(ask: &Ask<'_>, grant: &Grant<See>, commit_id: Option<ObjectId>) -> Result<Value, Failure> {
    let Some(commit_id) = commit_id else { return Ok(json!([])) };
    let list = ask.hub.list_files(grant, commit_id, SIBLINGS_MAX, SIBLINGS_LOOKED_AT_MAX).await?;
    let blobs = ask.flag("blobs");
    Ok(Value::Array(told(&list).iter().map(|entry| sibling(entry, blobs)).collect()))
}

/// None rather than some that look like all.
fn told(list: &FileList) -> &[TreeEntry] {
    if list.is_whole || list.files.len() >= SIBLINGS_MAX { &list.files } else { &[] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use polder_hub::EntryKind;

    #[test]
    fn a_part_of_the_files_is_never_told_as_all_of_them() {
        let file = TreeEntry {
            path: "f".to_owned(),
            is_exact: true,
            kind: EntryKind::File,
            oid: ObjectId::ZERO,
            size_bytes: None,
            pointer: None,
        };
        for (count, is_whole, expected) in [
            (3, true, 3),
            (3, false, 0),
            (SIBLINGS_MAX - 1, true, SIBLINGS_MAX - 1),
            (SIBLINGS_MAX - 1, false, 0),
            (SIBLINGS_MAX, false, SIBLINGS_MAX),
        ] {
            let list = FileList { files: vec![file.clone(); count], is_whole };
            assert_eq!(told(&list).len(), expected, "{count} {is_whole}");
        }
    }
}
