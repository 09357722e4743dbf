//! The locking API of git-lfs.
//!
//! Source: git-lfs `docs/api/locking.md`; requests of git-lfs 3.3.0.

use http::StatusCode;
use polder_http::{Caller, Place, Request, Response, body, query_parameter, respond};
use polder_hub::{Grant, Hub, Lock, LockPage, LockQuery, Locked, Write};
use serde::{Deserialize, Serialize};

use crate::lfs_failure::LfsFailure;
use crate::lfs_json::{LFS_MEDIA_TYPE, RefName};
use crate::lfs_scalar::Scalar;

/// A lock as clients see it.
#[derive(Debug, Serialize)]
pub(crate) struct LockJson {
    id: String,
    path: String,
    locked_at: String,
    owner: Owner,
}

#[derive(Debug, Serialize)]
struct Owner {
    name: String,
}

impl From<Lock> for LockJson {
    fn from(lock: Lock) -> Self {
        Self {
            id: lock.id.to_string(),
            path: lock.path,
            locked_at: lock.locked_at.rfc3339(),
            owner: Owner { name: lock.owner_name },
        }
    }
}

#[derive(Serialize)]
struct OneLock {
    lock: LockJson,
}

#[derive(Serialize)]
struct Locks {
    locks: Vec<LockJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

#[derive(Serialize)]
struct OursAndTheirs {
    ours: Vec<LockJson>,
    theirs: Vec<LockJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
struct CreateRequest {
    #[serde(default)]
    path: Scalar,
    #[serde(default, rename = "ref")]
    reference: Option<RefName>,
}

#[derive(Deserialize)]
struct VerifyRequest {
    cursor: Option<String>,
    #[serde(default)]
    limit: Scalar,
}

#[derive(Deserialize)]
struct UnlockRequest {
    #[serde(default)]
    force: bool,
}

/// Answers `POST locks`.
pub(crate) async fn create(hub: &Hub, place: &Place, request: Request) -> Result<Response, LfsFailure> {
    let (grant, body) = writer(hub, place, request).await?;
    let CreateRequest { path, reference } = body::json(hub, body).await?;
    let Scalar::Text(path) = path else { return Err(invalid("`path` must be the path of a file")) };
    match hub.lock_file(&grant, path, reference.and_then(RefName::into_name)).await? {
        Locked::New(lock) => {
            Ok(respond::json_as(StatusCode::CREATED, LFS_MEDIA_TYPE, &OneLock { lock: lock.into() }))
        }
        Locked::Taken(lock) => {
            let message = format!("`{}` is locked by {} already", lock.path, lock.owner_name);
            Err(LfsFailure::new(StatusCode::CONFLICT, message).with_lock(lock.into()))
        }
    }
}

/// Answers `GET locks`.
pub(crate) async fn list(hub: &Hub, place: &Place, request: Request) -> Result<Response, LfsFailure> {
    let (parts, _) = request.into_parts();
    let grant = Caller::of(hub, &parts).await?.read(&place.target).await?;
    crate::lfs_accept::require(&parts.headers)?;
    let query = parts.uri.query().unwrap_or_default();
    let given = |name| query_parameter(query, name).filter(|value| !value.is_empty());
    let limit = match given("limit") {
        None => None,
        Some(text) => Some(text.parse().map_err(|_error| invalid(BAD_LIMIT))?),
    };
    let query = LockQuery {
        path: given("path"),
        id: given("id"),
        ref_name: given("refspec"),
        cursor: given("cursor"),
        limit: page_limit(limit),
    };
    let LockPage { locks, next } = hub.locks(&grant, query).await?;
    let locks = Locks { locks: locks.into_iter().map(LockJson::from).collect(), next_cursor: next };
    Ok(respond::json_as(StatusCode::OK, LFS_MEDIA_TYPE, &locks))
}

/// Answers `POST locks/verify`. Every lock is named, whatever `ref` the client pushes to: a push to any
/// branch is held to all of them.
pub(crate) async fn verify(hub: &Hub, place: &Place, request: Request) -> Result<Response, LfsFailure> {
    let (grant, body) = writer(hub, place, request).await?;
    let VerifyRequest { cursor, limit } = body::json(hub, body).await?;
    let limit = match limit {
        Scalar::Number(limit) => Some(limit),
        Scalar::Other => None,
        Scalar::Text(_) => return Err(invalid(BAD_LIMIT)),
    };
    let cursor = cursor.filter(|cursor| !cursor.is_empty());
    let query = LockQuery { cursor, limit: page_limit(limit), ..LockQuery::default() };
    let LockPage { locks, next } = hub.locks(&grant.as_read(), query).await?;
    let (ours, theirs): (Vec<Lock>, Vec<Lock>) = locks.into_iter().partition(|lock| grant.owns(lock));
    let split = OursAndTheirs {
        ours: ours.into_iter().map(LockJson::from).collect(),
        theirs: theirs.into_iter().map(LockJson::from).collect(),
        next_cursor: next,
    };
    Ok(respond::json_as(StatusCode::OK, LFS_MEDIA_TYPE, &split))
}

/// Answers `POST locks/{id}/unlock`.
pub(crate) async fn unlock(
    hub: &Hub,
    place: &Place,
    id: &str,
    request: Request,
) -> Result<Response, LfsFailure> {
    let (grant, body) = writer(hub, place, request).await?;
    let UnlockRequest { force } = body::json(hub, body).await?;
    let lock = hub.unlock_file(&grant, id, force).await?.into();
    Ok(respond::json_as(StatusCode::OK, LFS_MEDIA_TYPE, &OneLock { lock }))
}

async fn writer(
    hub: &Hub,
    place: &Place,
    request: Request,
) -> Result<(Grant<Write>, axum::body::Body), LfsFailure> {
    let (parts, body) = request.into_parts();
    let grant = Caller::of(hub, &parts).await?.write(&place.target).await?;
    crate::lfs_accept::require(&parts.headers)?;
    Ok((grant, body))
}

const BAD_LIMIT: &str = "`limit` must be a whole number, not negative";

/// 0 is how clients say that they do not mind.
fn page_limit(limit: Option<u64>) -> Option<usize> {
    limit.filter(|limit| *limit > 0).map(|limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

fn invalid(message: &str) -> LfsFailure {
    LfsFailure::new(StatusCode::UNPROCESSABLE_ENTITY, message)
}
