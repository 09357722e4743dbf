//! What a file is made of, in both forms of the answer.
//!
//! Source: `hf_xet` 1.8.0 `xet-client` `cas_types/mod.rs`.

use std::collections::BTreeMap;
use std::ops::Range;

use http::StatusCode;
use http::header::{CONTENT_RANGE, HeaderValue};
use polder_http::{Response, Selection, respond, select_range};
use polder_hub::{Hub, Result, XetTerm, XetTerms};
use polder_xet::FileHash;
use serde_json::{Value, json};

use super::route::Version;
use super::{Ask, cas_url};

/// Answers `GET …/reconstructions/{file}`, of the bytes that `Range` asks for.
pub(super) async fn answer(ask: &Ask<'_>, version: Version, file: FileHash) -> Result<Response> {
    let grant = ask.read().await?;
    let file = ask.hub.xet_file(&grant, file).await?;
    let bytes = match select_range(&ask.parts.headers, file.size_bytes(), "") {
        Selection::Whole => 0..file.size_bytes(),
        Selection::Part(bytes) => bytes,
        Selection::Unsatisfiable => return Ok(beyond(file.size_bytes())),
    };
    let is_from_the_start = bytes.start == 0;
    let terms = ask.hub.xet_terms(&grant, &file, bytes).await?;
    if is_from_the_start {
        ask.hub.count_download(&grant);
    }
    Ok(respond::json(StatusCode::OK, &shown(ask.hub, version, &terms)))
}

fn beyond(size_bytes: u64) -> Response {
    let body = json!({ "error": format!("the file has {size_bytes} bytes") });
    let mut response = respond::json(StatusCode::RANGE_NOT_SATISFIABLE, &body);
    if let Ok(range) = HeaderValue::from_str(&format!("bytes */{size_bytes}")) {
        response.headers_mut().insert(CONTENT_RANGE, range);
    }
    response
}

fn shown(hub: &Hub, version: Version, terms: &XetTerms) -> Value {
    let list: Vec<Value> = terms.terms.iter().map(term).collect();
    let mut places: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for term in &terms.terms {
        let fetch = fetch(hub, version, term);
        let known = places.entry(term.xorb.to_string()).or_default();
        // One xorb may come several times; of equal links one is enough.
        if !known.iter().any(|other| same_chunks(version, other, &fetch)) {
            known.push(fetch);
        }
    }
    let name = match version {
        Version::V1 => "fetch_info",
        Version::V2 => "xorbs",
    };
    json!({ "offset_into_first_range": terms.skip_bytes, "terms": list, name: places })
}

fn term(term: &XetTerm) -> Value {
    let range = range(&term.chunks);
    json!({ "hash": term.xorb.to_string(), "unpacked_length": term.size_bytes, "range": range })
}

fn fetch(hub: &Hub, version: Version, term: &XetTerm) -> Value {
    let url = format!("{}/data/{}?{}", cas_url(hub, None), term.xorb, term.query);
    let (chunks, bytes) =
        (range(&term.chunks), json!({ "start": term.bytes.start, "end": term.bytes.end - 1 }));
    match version {
        Version::V1 => json!({ "range": chunks, "url": url, "url_range": bytes }),
        Version::V2 => json!({ "url": url, "ranges": [{ "chunks": chunks, "bytes": bytes }] }),
    }
}

fn same_chunks(version: Version, one: &Value, other: &Value) -> bool {
    let chunks = |fetch: &Value| match version {
        Version::V1 => fetch.get("range").cloned(),
        Version::V2 => fetch.pointer("/ranges/0/chunks").cloned(),
    };
    chunks(one) == chunks(other)
}

fn range(range: &Range<u64>) -> Value {
    json!({ "start": range.start, "end": range.end })
}
