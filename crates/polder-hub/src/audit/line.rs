//! One line of the exported log, and its hash.
//!
//! A line is a JSON object that ends in `"prev"` and `"hash"`. The hash is the SHA-256 of the line's own
//! bytes before `,"hash":`, in hexadecimal; `prev` is the hash of the line before. So anyone can check an
//! export with `sed` and `sha256sum`, and whoever has one line's hash has it for all lines before it.

use polder_db::AuditRow;
use polder_types::UnixMillis;
use serde::Serialize;
use sha2::Digest as _;

/// The hash before the first line.
pub(super) const NOTHING_BEFORE: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// What stands between the hashed part of a line and its hash.
pub(super) const HASH_FOLLOWS: &str = ",\"hash\":\"";

/// The members of a line before its detail, in their order. Ids are texts: they have more digits than a
/// JSON number keeps everywhere.
#[derive(Serialize)]
struct Members<'a> {
    v: u8,
    index: i64,
    time: String,
    actor: &'a str,
    account: Option<String>,
    name: Option<&'a str>,
    token: Option<String>,
    address: Option<&'a str>,
    action: &'a str,
    repo: Option<String>,
    repo_name: Option<&'a str>,
    result: &'a str,
    request: Option<&'a str>,
}

/// The hashed part of a line.
pub(super) fn hashed_part(row: &AuditRow, index: i64, prev: &str) -> String {
    let members = Members {
        v: 1,
        index,
        time: moment(row.time),
        actor: row.actor.as_str(),
        account: row.account.map(|id| id.to_string()),
        name: row.account_name.as_deref(),
        token: row.token.map(|id| id.to_string()),
        address: row.address.as_deref(),
        action: &row.action,
        repo: row.repo.map(|id| id.to_string()),
        repo_name: row.repo_name.as_deref(),
        result: row.result.as_str(),
        request: row.request.as_deref(),
    };
    // A value of these types has no way to fail; if it had, the chain would show a line without members.
    let members = serde_json::to_string(&members).unwrap_or_default();
    let members = members.strip_suffix('}').unwrap_or(&members);
    format!("{members},\"detail\":{},\"prev\":\"{prev}\"", row.detail)
}

/// The hash of a hashed part.
pub(super) fn hash_of(hashed_part: &str) -> String {
    polder_types::Sha256::new(sha2::Sha256::digest(hashed_part.as_bytes()).into()).to_string()
}

/// A whole line, without its end.
pub(super) fn line(row: &AuditRow, index: i64, prev: &str, hash: &str) -> String {
    format!("{}{HASH_FOLLOWS}{hash}\"}}", hashed_part(row, index, prev))
}

/// A moment with its milliseconds.
pub(super) fn moment(time: UnixMillis) -> String {
    let text = time.rfc3339();
    format!("{}.{:03}Z", text.trim_end_matches('Z'), time.0.rem_euclid(1000))
}

/// What the hub's key signs of the end of the chain.
pub(super) fn signed_text(index: i64, hash: &str, time: &str) -> String {
    format!("polder/audit/1\n{index}\n{hash}\n{time}")
}
