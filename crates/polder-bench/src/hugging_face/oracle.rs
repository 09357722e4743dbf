//! Whether the time of an answer tells that a chunk is somewhere on the hub.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::blob::Blob;
use crate::http::Client;
use crate::hub::{Hub, require_success};
use crate::table::{Table, percentiles};
use crate::tools::Result;
use crate::transfer::upload;

/// Queries of each kind, by turns.
const QUERIES: u32 = 2_000;

pub(super) fn measure(hub: &Hub, table: &mut Table) -> Result<()> {
    let secret = Blob { seed: 4_010, mebibytes: 1, edited: None };
    let mut client = Client::connect(hub.address)?;
    let authorization = hub.authorization.as_str();
    let body = json!({ "organization": "bench", "name": "m", "private": true }).to_string();
    let create =
        client.ask("POST", "/api/repos/create", &[("authorization", authorization)], body.as_bytes())?;
    require_success("create", create)?;
    upload(hub, &secret.oid()?, secret.size_bytes(), |client| {
        secret.for_each_block(|block| client.send(block))
    })?;
    let stranger = hub.stranger()?;
    let target = "/api/models/bench/small/xet-read-token/main";
    let answer = client.ask("GET", target, &[("authorization", stranger.as_str())], b"")?;
    let answer: Value = serde_json::from_slice(&require_success(target, answer)?)?;
    let token = answer.get("accessToken").and_then(Value::as_str).ok_or("no token")?;
    let bearer = format!("Bearer {token}");
    let first = first_chunk(secret)?;
    let none = "f".repeat(64);
    let (mut held, mut missing) = (Vec::new(), Vec::new());
    for _ in 0..QUERIES {
        for (hash, times) in [(&first, &mut held), (&none, &mut missing)] {
            let target = format!("/cas/v1/chunks/default/{hash}");
            let begun = Instant::now();
            let answer = client.ask("GET", &target, &[("authorization", bearer.as_str())], b"")?;
            times.push(begun.elapsed());
            if answer.status >= 500 {
                return Err(format!("{target}: {}", answer.status).into());
            }
        }
    }
    let half = |times: Vec<Duration>| percentiles(times).map(|(half, _)| half);
    let (held, missing) = (half(held)?, half(missing)?);
    let apart = (held - missing).abs() / missing;
    table.at_most("query of a chunk that others hold, or nobody: medians apart", apart * 100.0, 5.0, "%");
    Ok(())
}

/// The hash of the first chunk, as clients write it.
fn first_chunk(blob: Blob) -> Result<String> {
    let mut chunker = polder_xet::Cutter::default();
    let mut found = None;
    blob.for_each_block(|block| {
        chunker.push(block, &mut |chunk| {
            found.get_or_insert(chunk.hash);
        });
        Ok(())
    })?;
    Ok(found.ok_or("no chunk")?.to_string())
}
