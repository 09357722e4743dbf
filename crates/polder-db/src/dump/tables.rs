//! Every table that a backup holds, in an order in which rows find what they refer to.

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Int,
    Bool,
    Text,
    Bytes,
}
use Kind::{Bool, Bytes, Int, Text};

/// A table: its columns in order, and how many of the first ones are its key.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) columns: &'static [(&'static str, Kind)],
    pub(super) key: usize,
    /// Rows read and written at a time.
    pub(super) page: i64,
}

const PAGE: i64 = 500;
/// Fewer, because each may have a pack or a long text in it.
const PACK_PAGE: i64 = 64;
/// Fewer still, because each may have some megabytes.
const FILE_PAGE: i64 = 4;

macro_rules! tables {
    ($($name:literal, $page:ident: $($key:ident $key_kind:ident),+; $($column:ident $kind:ident),* .)*) => {
        pub(super) const TABLES: &[Table] = &[$(Table {
            name: $name,
            columns: &[$((stringify!($key), $key_kind),)+ $((stringify!($column), $kind)),*],
            key: [$(stringify!($key)),+].len(),
            page: $page,
        }),*];
    };
}

tables! {
    "meta", PAGE: name Text; value Text.
    "account", PAGE: id Int; kind Text, name Text, fold Text, is_admin Bool, created_at Int.
    "member", PAGE: org Int, user_id Int; role Text.
    "token", PAGE: id Int; hash Bytes, account Int, scope Text, repos Text, expires Int, revoked Bool, created_at Int,
        name Text, publisher Int.
    "token_refresh", PAGE: token Int; family Bytes, latest Bytes, client Text, expires Int, ends Int.
    "repo", PAGE: id Int; rid Bytes, kind Text, ns Int, name Text, visibility Text, head Text, state Text, gen Int,
        gc_epoch Int, rewind_gen Int, cache_epoch Int, rseq Int, ref_count Int, created_at Int,
        lock_gen Int, upstream Int, withheld Text, gate Text, shown Bool, chunks_since Int.
    "publisher", PAGE: id Int; repo Int, account Int, issuer Text, subject Text, claims Text, created_at Int.
    "remote_namespace", PAGE: account Int; nsid Bytes, origin Text, fold Text, home Text.
    "follow_source", PAGE: log Int, url Text; named Bool, heard_at Int, last_error Text.
    "follow_rule", PAGE: log Int, place Int; pattern Text, mode Text.
    "mirror", PAGE: log Int, rid Bytes; repo Int, path Text, mode Text, state Text, rseq Int, body Bytes,
        ready_rseq Int, due Int, running Bool, attempt Int, failures Int, last_error Text, changed_at Int, hidden_at Int,
        behind_since Int, next_since Int.
    "missing_body", PAGE: log Int, rid Bytes, idx Int; leaf Bytes, before_rseq Int, before_body Bytes.
    "ns_move", PAGE: nsid Bytes, seq Int, op Bytes; old_log Int, cut Int, new_log Int, state Text, held_at Int.
    "carried_rule", PAGE: log Int, nsid Bytes, place Int; pattern Text, mode Text.
    "ns_elsewhere", PAGE: nsid Bytes, op Bytes; seq Int, old_log Int, handle Text, origin Text, voids Bool,
        heard_at Int.
    "namespace_alias", PAGE: fold Text; name Text, account Int.
    "repo_name", PAGE: kind Text, fold Text; repo Int, state Text.
    "ref", PAGE: repo Int, name Text; oid Bytes, peeled Bytes, class Text, gen Int.
    "ref_log", PAGE: repo Int, gen Int, name Text; old_oid Bytes, new_oid Bytes, actor Int, time Int.
    "pack", PACK_PAGE: id Int; repo Int, hash Bytes, bytes Int, objects Int, class Text, cert_gen Int, state Text,
        condemned_at Int, data Bytes, index_data Bytes, damaged_at Int.
    "blob", PAGE: id Int; sha256 Bytes, size Int, xet Bytes, state Text, condemned_at Int, created_at Int, damaged_at Int.
    "key_chunk", PAGE: chunk Bytes, blob Int; .
    "xorb_run", PAGE: blob Int, first_chunk Int; chunks Int, at_byte Int, size Int, xorb Bytes.
    "xorb_piece", PAGE: xorb Bytes, first_chunk Int, sha256 Bytes; chunks Int, at_byte Int, at_chunk Int, list Bytes,
        cut Bytes.
    "repo_blob", PAGE: repo Int, sha256 Bytes; pointer_oid Bytes, added_at Int.
    "attachment", PAGE: id Text; account Int, sha256 Bytes, size Int, media Text, created_at Int.
    "lazy_object", PAGE: repo Int, sha256 Bytes; size Int, xet Bytes, pointer_oid Bytes.
    "catalog", PAGE: repo Int; commit_oid Bytes, changed_at Int, likes Int, parameters Int, facts Text, reading Int.
    "catalog_tag", PAGE: repo Int, tag Text; type Text.
    "repo_like", PAGE: repo Int, account Int; liked_at Int.
    "discussion", PAGE: repo Int, num Int; title Text, author Int, status Text, is_pull_request Bool, created_at Int,
        events Int, text_bytes Int, base Text, base_oid Bytes, merge_oid Bytes.
    "discussion_event", PACK_PAGE: id Int; repo Int, num Int, type Text, author Int, created_at Int, text Text, was Text,
        commit_oid Bytes, comment Int, edited_at Int, hidden Bool.
    "access_request", PAGE: id Int; repo Int, account Int, status Text, created_at Int, decided_at Int, reason Text,
        fields Text.
    "collection", PAGE: id Int; ns Int, title Text, description Text, private Bool, theme Text, place Int, updated_at Int.
    "collection_item", PAGE: id Int; collection Int, place Int, repo Int, inside Int, note Text.
    "event", PAGE: seq Int; repo Int, rseq Int, time Int, actor Int, type Text, facts Text, log_index Int.
    "job", PAGE: id Int; kind Text, dedup Text, payload Text, due Int, lease_until Int, attempt Int, again Bool,
        last_error Text, created_at Int.
    "protection", PAGE: repo Int, pattern Text; allow_force Bool, allow_delete Bool, push_role Text, created_at Int.
    "protection_account", PAGE: repo Int, pattern Text, account Int; .
    "lock", PAGE: id Int; repo Int, path Text, ref_name Text, owner Int, locked_at Int.
    "contributed", PAGE: repo Int, account Int; bytes Int.
    "quota", PAGE: ns Int; bytes_max Int, blob_bytes Int, pack_bytes Int, reserved_bytes Int.
    "quota_default", PAGE: id Int; bytes_max Int.
    "audit", PAGE: id Int; time Int, actor Text, account Int, account_name Text, token Int, address Text, action Text,
        repo Int, repo_name Text, result Text, request Text, detail Text, chain_index Int, chain_hash Text.
    "pull_mirror", PAGE: repo Int; url Text, user_name Text, token_file Text, every_seconds Int, keeps_tips Bool,
        created_at Int, due Int, attempt Int, running Bool, tried_at Int, worked_at Int, failures Int, last_result Text,
        closed_there Text, stays_open Bool.
    "audit_head", PAGE: id Int; last_index Int, last_hash Text, gone_index Int, gone_hash Text.
    "log", PAGE: id Int; origin Text, origin_sha256 Bytes, epoch Int, own Bool, vkey Text, version Int, size Int,
        root Bytes, peaks Bytes, checkpoint Text, checkpoint_size Int, min_index Int, fact_seq Int, appended_at Int,
        holder Int, lease_until Int, fence Int, created_at Int.
    "upstream", PAGE: log Int; url Text, state Text, evidence Text, signed Int, heard_at Int, last_error Text,
        created_at Int, budget Int, rate Int, hours Text, purge_until Int.
    "attest", PAGE: log Int, by_log Int; size Int, root Bytes, contradicts Bool.
    "log_tile", PACK_PAGE: log Int, level Int, idx Int; data Bytes.
    "log_body", PAGE: sha256 Bytes; body Bytes.
    "log_head", PAGE: log Int, rid Bytes; idx Int, leaf Bytes.
    "ns_op", PAGE: log Int, nsid Bytes, seq Int, idx Int; body_sha256 Bytes.
    "log_file", FILE_PAGE: log Int, owner Bytes, sha256 Bytes; kind Text, idx Int, data Bytes.
    "published", PAGE: repo Int; rid Bytes, rseq Int, prev Bytes, gen Int, state Text, path Text, refs_sha256 Bytes,
        open_since Int.
    "block", PAGE: kind Text, what Text; origin Text, pattern Text, sha256 Bytes, reason Text, created_at Int.
    "erasure", PAGE: repo Int; next_index Int.
    "download", PAGE: repo Int, day Int; times Int, told Int.
    "download_statement", PAGE: log Int, day Int; statement Bytes, taken Bool.
    "heard_statement", PAGE: origin Text, day Int; sha256 Bytes.
    "relayed_download", PAGE: repo Int, origin Text, day Int; times Int.
    "webhook", PAGE: id Int; account Int, url Text, secret Text, repo_events Bool, talk_events Bool, disabled Bool,
        after_seq Int, failing_since Int, last_error Text, created_at Int.
    "webhook_watch", PAGE: webhook Int, place Int; target Int.
    "webhook_delivery", PAGE: id Int; webhook Int, repo Int, seq Int, told Text, attempts Int.
    "talk", PAGE: id Int; repo Int, facts Text, created_at Int.
    "published_ns", PAGE: account Int; nsid Bytes, seq Int, head Bytes.
}

/// Tables that no backup holds: what is under way when it is made begins anew after a restore.
#[cfg(test)]
pub(super) const LEFT_OUT: &[&str] = &[
    "upload",
    "upload_part",
    "staged_xorb",
    "reservation",
    "device_login",
    "device_guess",
    "_sqlx_migrations",
];
