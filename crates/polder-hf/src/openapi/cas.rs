//! Where clients of Xet get and put chunks, by the newest of their spellings. What begins with `/cas/{memory}` is
//! read without that word, too, and the other way round.

use super::operation::Operation;
use super::schema::{bytes, flag, list, map, number, object, sha256, text};
use crate::cas::RouteKind;

const BYTES: &str = "application/octet-stream";

pub(super) fn operations() -> Vec<Operation> {
    [reads(), writes()].concat()
}

fn reads() -> Vec<Operation> {
    use RouteKind::{Chunk, Data, Reconstruction};
    let range = || object(vec![("start", number()), ("end", number())], vec![]);
    let term = object(vec![("hash", sha256()), ("unpacked_length", number()), ("range", range())], vec![]);
    let made_of = |path, summary, places| {
        let terms = ("terms", list(term.clone()));
        Operation::get(Reconstruction, path, summary)
            .gives(object(vec![("offset_into_first_range", number()), terms, (places, map())], vec![]))
            .refuses(&[416])
    };
    vec![
        Operation::get(
            Chunk,
            "/cas/{memory}/v1/chunks/{pool}/{chunk}",
            "Chunks that need not be sent, near one",
        )
        .called("cas-chunk")
        .answers(200, &[BYTES], bytes()),
        made_of("/cas/v1/reconstructions/{file}", "What a file is made of", "fetch_info")
            .called("cas-reconstruction"),
        made_of("/cas/v2/reconstructions/{file}", "What a file is made of, by xorb", "xorbs")
            .called("cas-reconstruction-v2"),
        Operation::get(Data, "/cas/data/{xorb}", "The bytes that a link of a reconstruction is for")
            .called("cas-data")
            .query("of", text())
            .query("sig", text())
            .answers(200, &[BYTES], bytes())
            .answers(206, &[BYTES], bytes())
            .refuses(&[404, 503]),
    ]
}

fn writes() -> Vec<Operation> {
    use RouteKind::{Shard, Telemetry, Xorb};
    vec![
        Operation::post(Xorb, "/cas/{memory}/v1/xorbs/{pool}/{xorb}", "Stores an xorb")
            .called("cas-xorb")
            .takes_as(BYTES, bytes())
            .gives(object(vec![("was_inserted", flag())], vec![])),
        Operation::post(Shard, "/cas/{memory}/v1/shards", "Makes files of stored xorbs")
            .called("cas-shard")
            .takes_as(BYTES, bytes())
            .gives(object(vec![("result", number())], vec![])),
        Operation::post(
            Shard,
            "/cas/{memory}/v2/shards",
            "The same, telling how far it is: a line of JSON each time",
        )
        .called("cas-shard-v2")
        .takes_as(BYTES, bytes())
        .answers(200, &["application/x-ndjson"], text()),
        Operation::post(Telemetry, "/v1/telemetry", "Takes note of nothing")
            .called("cas-telemetry")
            .answers_empty(204),
    ]
}
