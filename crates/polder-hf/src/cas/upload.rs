//! Xorbs and shards that clients send.

use std::pin::pin;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use polder_http::{RequestId, Response, body, log, respond};
use polder_hub::{BodyEncoding, Contribute, Error, Grant, HeldBody, Hub, Kind, Result, ShardStep};
use polder_xet::{SHARD_BYTES_MAX, XorbHash};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::Ask;

/// How often a client is told how far its shard is; it gives up after five minutes of silence.
const TOLD_EVERY: Duration = Duration::from_secs(5);

/// Answers `POST …/xorbs/{prefix}/{hash}`: the same for what is here and what is not.
pub(super) async fn xorb(ask: &Ask<'_>, hash: XorbHash, body: Body) -> Result<Response> {
    let grant = ask.write().await?;
    ask.hub.xet_take_xorb(&grant, hash, body::request_stream(body)).await?;
    Ok(respond::json(StatusCode::OK, &json!({ "was_inserted": true })))
}

/// Answers `POST /v1/shards`, once the shard is accepted.
pub(super) async fn shard(ask: &Ask<'_>, body: Body) -> Result<Response> {
    let (grant, shard) = held(ask, body).await?;
    ask.hub.xet_accept_shard(&grant, shard, watch::Sender::default()).await?;
    Ok(respond::json(StatusCode::OK, &json!({ "result": 1 })))
}

/// Answers `POST /v2/shards`: a line of JSON now and then, and one at the end.
pub(super) async fn shard_in_lines(ask: &Ask<'_>, body: Body) -> Result<Response> {
    let (grant, shard) = held(ask, body).await?;
    let (lines, stream) = mpsc::channel(1);
    let id = RequestId::in_extensions(&ask.parts.extensions);
    tokio::spawn(tell(ask.hub.clone(), grant, shard, lines, id));
    let failed = |error| Error::new(Kind::Internal, "the hub failed to answer").caused_by(error);
    let mut response = Response::new(body::response_body(stream).await.map_err(failed)?);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    Ok(response)
}

async fn held(ask: &Ask<'_>, body: Body) -> Result<(Grant<Contribute>, HeldBody)> {
    let grant = ask.write().await?;
    let bytes_max = u64::try_from(SHARD_BYTES_MAX).unwrap_or(u64::MAX);
    let shard = ask.hub.hold_body(body::request_stream(body), BodyEncoding::Identity, bytes_max).await?;
    Ok((grant, shard))
}

/// Accepts a shard and tells of it as long as someone listens. It is accepted all the same when nobody does.
async fn tell(
    hub: Hub,
    grant: Grant<Contribute>,
    shard: HeldBody,
    lines: mpsc::Sender<std::io::Result<Bytes>>,
    id: RequestId,
) {
    let (step, steps) = watch::channel(ShardStep::default());
    let mut accepted = pin!(hub.xet_accept_shard(&grant, shard, step));
    let mut line = progress(*steps.borrow());
    loop {
        if lines.send(Ok(line)).await.is_err() {
            return;
        }
        line = match timeout(TOLD_EVERY, &mut accepted).await {
            Err(_elapsed) => progress(*steps.borrow()),
            Ok(result) => {
                if let Err(error) = &result {
                    log(error, &id);
                }
                // Nobody is left to be told when it fails.
                lines.send(Ok(end(result))).await.unwrap_or_default();
                return;
            }
        };
    }
}

fn progress(step: ShardStep) -> Bytes {
    line(&match step {
        ShardStep::Validating { verified, total } => {
            json!({ "type": "validating", "verified": verified, "total": total })
        }
        ShardStep::Committing => json!({ "type": "committing", "stage": "syncing" }),
    })
}

fn end(result: Result<()>) -> Bytes {
    line(&match result {
        Ok(()) => json!({ "type": "result" }),
        Err(error) => {
            let retryable = matches!(error.kind(), Kind::Unavailable | Kind::Throttled | Kind::Internal);
            json!({ "type": "error", "message": error.message(), "retryable": retryable })
        }
    })
}

fn line(value: &Value) -> Bytes {
    format!("{value}\n").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_told_whether_to_try_again() {
        let text = |result| String::from_utf8(end(result).to_vec()).expect("UTF-8");
        assert_eq!(text(Ok(())), "{\"type\":\"result\"}\n");
        for (kind, retryable) in [(Kind::Invalid, false), (Kind::OverQuota, false), (Kind::Throttled, true)] {
            let line: Value = serde_json::from_str(&text(Err(Error::new(kind, "no")))).expect("JSON");
            assert_eq!(line, json!({ "type": "error", "message": "no", "retryable": retryable }));
        }
    }
}
