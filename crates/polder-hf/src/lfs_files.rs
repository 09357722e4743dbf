//! The large objects of a repository: which there are, removing some for good, giving them to another repository.
//!
//! Source: `huggingface_hub` 2.4.0 `hf_api.py`, `list_lfs_files`, `permanently_delete_lfs_files`,
//! `_duplicate_lfs_files`.

use axum::body::Body;
use http::StatusCode;
use polder_http::{Response, body, respond};
use polder_hub::{Error, Kind, LFS_FILES_MAX, LfsFile};
use polder_types::{AccountName, RepoKind, RepoName, Sha256};
use polder_xet::FileHash;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::ask::Ask;
use crate::failure::Failure;
use crate::shown::moment;

/// Answers `GET …/lfs-files`.
pub(crate) async fn list(ask: &Ask<'_>) -> Result<Response, Failure> {
    let grant = ask.write().await?;
    let bad = |_why| Error::new(Kind::Invalid, "this cursor belongs to another listing");
    let after: Option<Sha256> = ask.query("cursor").map(|text| text.parse().map_err(bad)).transpose()?;
    let page = ask.hub.lfs_files(&grant, after, ask.limit(LFS_FILES_MAX, LFS_FILES_MAX)).await?;
    let files: Vec<Value> = page.files.iter().map(|file| shown(file, &page.head)).collect();
    let mut response = respond::json(StatusCode::OK, &files);
    if let Some(next) = page.next {
        ask.link_next(&mut response, "cursor", &next.to_string());
    }
    Ok(response)
}

/// What no path on the default branch leads to goes by its hash.
fn shown(file: &LfsFile, head: &str) -> Value {
    let oid = file.sha256.to_string();
    json!({
        "fileOid": oid,
        "oid": oid,
        "filename": file.path.as_deref().unwrap_or(&oid),
        "ref": file.path.as_ref().map(|_path| head),
        "size": file.size_bytes,
        "pushedAt": moment(file.added),
    })
}

#[derive(Deserialize)]
struct Batch {
    deletions: Deletions,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Deletions {
    sha: Vec<String>,
    /// Without it, what a ref reaches is refused.
    #[serde(default)]
    rewrite_history: bool,
}

/// Answers `POST …/lfs-files/batch`.
pub(crate) async fn delete(ask: &Ask<'_>, body: Body) -> Result<Response, Failure> {
    let grant = ask.write().await?;
    let Batch { deletions } = body::json(ask.hub, body).await?;
    if deletions.sha.len() > LFS_FILES_MAX {
        let message = format!("at most {LFS_FILES_MAX} files are deleted at once");
        return Err(Error::new(Kind::TooLarge, message).into());
    }
    let oids = deletions.sha.iter().map(|text| oid(text)).collect::<Result<Vec<_>, _>>()?;
    let deleted = ask.hub.delete_lfs_files(&grant, oids, deletions.rewrite_history).await?;
    Ok(respond::json(StatusCode::OK, &json!({ "deleted": deleted })))
}

#[derive(Deserialize)]
struct Duplication {
    target: Target,
    files: Vec<Wanted>,
}

#[derive(Deserialize)]
struct Target {
    #[serde(rename = "type")]
    kind: Option<String>,
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wanted {
    xet_hash: String,
    sha256: String,
}

/// Answers `POST …/lfs-files/duplicate`, which is sent to the repository that has them.
pub(crate) async fn duplicate(ask: &Ask<'_>, body: Body) -> Result<Response, Failure> {
    let caller = ask.signed_in().await?;
    let from = ask.read().await?;
    let wanted: Duplication = body::json(ask.hub, body).await?;
    let to = ask.hub.write(caller.principal(), &wanted.target.repo()?).await.map_err(Failure::Repository)?;
    let file = |wanted: &Wanted| {
        let bad = |_why| Error::new(Kind::Invalid, format!("`{}` is no hash of Xet", wanted.xet_hash));
        Ok::<_, Error>((oid(&wanted.sha256)?, wanted.xet_hash.parse::<FileHash>().map_err(bad)?))
    };
    let files = wanted.files.iter().map(file).collect::<Result<Vec<_>, _>>()?;
    let failed = ask.hub.give_lfs_files(&from, &to, &files).await?;
    let shown = |(oid, why): &(Sha256, String)| json!({ "sha256": oid.to_string(), "error": why });
    Ok(respond::json(StatusCode::OK, &json!({ "failed": failed.iter().map(shown).collect::<Vec<_>>() })))
}

impl Target {
    fn repo(&self) -> Result<RepoName, Error> {
        let bad = |why: String| Error::new(Kind::Invalid, why);
        let kind: RepoKind = self.kind.as_deref().unwrap_or("model").parse().map_err(bad)?;
        let parts = self.name.split_once('/');
        let (namespace, name) = parts.ok_or_else(|| bad("`target` needs a name like `acme/m`".to_owned()))?;
        let namespace: AccountName = namespace.parse().map_err(|why| bad(format!("{why}")))?;
        RepoName::new(kind, namespace, name).map_err(|why| bad(why.to_string()))
    }
}

fn oid(text: &str) -> Result<Sha256, Error> {
    text.parse().map_err(|_why| Error::new(Kind::Invalid, format!("`{text}` is no SHA-256")))
}
