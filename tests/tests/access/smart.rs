//! The rows of git and git-lfs.

use polder_tests::{FLUSH, Http, LargeObject, Request, pkt};
use serde_json::json;

pub(crate) const LFS_JSON: &str = "application/vnd.git-lfs+json";

pub(crate) fn post(http: Http, path: &str, kind: &str, body: impl Into<Vec<u8>>) -> Request {
    http.post(path, body).header("Content-Type", kind).header("Accept", LFS_JSON)
}

pub(crate) fn batch(http: Http, repo: &str, operation: &str, object: &LargeObject) -> Request {
    let objects = [json!({"oid": object.oid, "size": object.bytes.len()})];
    let body = json!({"operation": operation, "transfers": ["basic"], "objects": objects,
        "ref": {"name": "refs/heads/main"}});
    post(http, &format!("/{repo}.git/info/lfs/objects/batch"), LFS_JSON, body.to_string())
}

/// One request for each route of git and git-lfs.
pub(crate) fn smart(kind: polder_smart::RouteKind, http: Http, repo: &str, object: &LargeObject) -> Request {
    use polder_smart::RouteKind as Kind;
    let git = format!("/{repo}.git");
    match kind {
        Kind::AdvertiseFetch => http.get(&format!("{git}/info/refs?service=git-upload-pack")),
        Kind::AdvertisePush => http.get(&format!("{git}/info/refs?service=git-receive-pack")),
        Kind::UploadPack => {
            let body =
                [&pkt("command=ls-refs\n")[..], &pkt("object-format=sha1")[..], b"0001", FLUSH].concat();
            let kind = "application/x-git-upload-pack-request";
            post(http, &format!("{git}/git-upload-pack"), kind, body).header("Git-Protocol", "version=2")
        }
        Kind::ReceivePack => {
            post(http, &format!("{git}/git-receive-pack"), "application/x-git-receive-pack-request", FLUSH)
        }
        Kind::UnknownService => http.get(&format!("{git}/info/refs")),
        Kind::GitWrongMethod => http.get(&format!("{git}/git-upload-pack")),
        Kind::LfsBatch => batch(http, repo, "download", object),
        Kind::LfsDownload => http.get(&format!("{git}/info/lfs/objects/{}", object.oid)),
        Kind::LfsUpload => http.put(&format!("{git}/info/lfs/objects/{}", object.oid), object.bytes.clone()),
        Kind::LfsVerify => {
            let body = json!({"oid": object.oid, "size": object.bytes.len()});
            post(http, &format!("{git}/info/lfs/verify"), LFS_JSON, body.to_string())
        }
        Kind::LfsVerifyLink => {
            let body = json!({"oid": object.oid, "size": object.bytes.len()});
            post(http, &format!("{git}/info/lfs/objects/{}/verify", object.oid), LFS_JSON, body.to_string())
        }
        Kind::LfsUploadPart => {
            http.put(&format!("{git}/info/lfs/objects/{}/parts/1", object.oid), object.bytes.clone())
        }
        Kind::LfsComplete => {
            let body = json!({"oid": object.oid, "parts": []});
            post(http, &format!("{git}/info/lfs/objects/{}/complete", object.oid), LFS_JSON, body.to_string())
        }
        Kind::LfsLocks => http.get(&format!("{git}/info/lfs/locks?path=none")),
        Kind::LfsLock => post(http, &format!("{git}/info/lfs/locks"), LFS_JSON, "{\"path\": \"../up\"}"),
        Kind::LfsLocksVerify => post(http, &format!("{git}/info/lfs/locks/verify"), LFS_JSON, "{}"),
        Kind::LfsUnlock => post(http, &format!("{git}/info/lfs/locks/1/unlock"), LFS_JSON, "{}"),
        Kind::LfsUnknown => http.get(&format!("{git}/info/lfs/unknown")),
        Kind::LfsWrongMethod => http.get(&format!("{git}/info/lfs/objects/batch")),
    }
}
/// The status of a signed or open route of a repository: the same for everyone, so it tells nothing.
pub(crate) fn same_for_everyone(kind: polder_smart::RouteKind) -> u16 {
    use polder_smart::RouteKind as Kind;
    match kind {
        Kind::LfsDownload
        | Kind::LfsUpload
        | Kind::LfsVerifyLink
        | Kind::LfsUploadPart
        | Kind::LfsComplete
        | Kind::UnknownService => 403,
        Kind::GitWrongMethod | Kind::LfsWrongMethod => 405,
        Kind::LfsUnknown => 404,
        Kind::AdvertiseFetch
        | Kind::AdvertisePush
        | Kind::UploadPack
        | Kind::ReceivePack
        | Kind::LfsBatch
        | Kind::LfsVerify
        | Kind::LfsLocks
        | Kind::LfsLock
        | Kind::LfsLocksVerify
        | Kind::LfsUnlock => unreachable!("these depend on the caller"),
    }
}

/// The status for those who may, of a request that leaves the next cell's world as it is.
pub(crate) fn granted(kind: polder_smart::RouteKind) -> u16 {
    use polder_smart::RouteKind as Kind;
    match kind {
        // A path that cannot be locked, and a lock that is not there.
        Kind::LfsLock => 422,
        Kind::LfsUnlock => 404,
        _ => 200,
    }
}
