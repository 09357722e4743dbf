//! Fetching one unit from one source: every piece is checked as it comes and written where it belongs.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use polder_types::Sha256;
use polder_xet::{ChunkHash, Extent};
use tokio::time::timeout;

use super::list::{Piece, Pieces};
use super::plan::Unit;
use super::rate::Rate;
use super::source::{ObjectSource, SourceError};
use super::state::Shared;
use crate::blocking::in_place;
use crate::body::{BodyStream, next};

/// Between two runs, so many bytes are asked for along with them from a source that gives one place at a
/// time.
const GAP_BYTES_MAX: u64 = 256 << 10;

/// How a unit ended. What was good of it is kept in any case.
#[derive(Debug)]
pub(super) enum Outcome {
    /// All of it is good.
    Whole,
    /// The bytes at this place are not what the list says.
    Wrong(u64),
    /// The source failed, or broke off.
    Failed(SourceError),
    /// We failed.
    Ours(io::Error),
}

/// What a fetch needs to know.
#[derive(Clone)]
pub(super) struct Fetch {
    pub(super) oid: Sha256,
    pub(super) source: Arc<dyn ObjectSource>,
    pub(super) pieces: Pieces,
    pub(super) shared: Arc<Shared>,
    pub(super) rate: Option<Arc<Rate>>,
    /// How long a source may say nothing.
    pub(super) patience: Duration,
}

/// A request and the pieces in its answer.
struct Request {
    places: Vec<Extent>,
    pieces: Vec<Piece>,
}

impl Fetch {
    /// Fetches what of `unit` is not there yet.
    pub(super) async fn run(self, unit: Unit) -> Outcome {
        let missing = match in_place(|| self.missing(&unit)) {
            Ok(missing) => missing,
            Err(error) => return Outcome::Ours(error),
        };
        let places = places(&missing, 0);
        let together = Request { places, pieces: missing.clone() };
        match self.ask(together).await {
            Outcome::Failed(SourceError::Unsupported) => {}
            outcome => return outcome,
        }
        for request in one_by_one(missing) {
            match self.ask(request).await {
                Outcome::Whole => {}
                outcome => return outcome,
            }
        }
        Outcome::Whole
    }

    fn missing(&self, unit: &Unit) -> io::Result<Vec<Piece>> {
        let mut missing = Vec::new();
        for run in &unit.runs {
            self.pieces.each(run.first, run.count, run.offset, &mut |_, piece| {
                if !self.shared.is_good(piece.offset, piece.end()) {
                    missing.push(piece);
                }
                Ok(())
            })?;
        }
        Ok(missing)
    }

    async fn ask(&self, request: Request) -> Outcome {
        let answer = match request.places.as_slice() {
            [] => return Outcome::Whole,
            [place] => self.source.range(self.oid, *place),
            _ => self.source.extents(self.oid, request.places.clone()),
        };
        match timeout(self.patience, answer).await {
            Ok(Ok(body)) => self.take(body, &request).await,
            Ok(Err(error)) => Outcome::Failed(error),
            Err(_elapsed) => Outcome::Failed(SourceError::late()),
        }
    }

    /// Takes the answer, and no byte more than was asked for.
    async fn take(&self, body: BodyStream, request: &Request) -> Outcome {
        let (mut body, mut places) = (Incoming { body, chunk: Bytes::new() }, request.places.iter());
        let mut place = places.next().copied();
        let mut at = place.map_or(0, |place| place.offset);
        let mut buffer = Vec::new();
        for piece in &request.pieces {
            while let Some(here) = place.filter(|here| piece.offset >= here.end()) {
                if let Err(error) = body.read(self, here.end().saturating_sub(at), None).await {
                    return Outcome::Failed(error);
                }
                place = places.next().copied();
                at = place.map_or(0, |place| place.offset);
            }
            let gap = piece.offset.saturating_sub(at);
            buffer.clear();
            let came = match body.read(self, gap, None).await {
                Ok(()) => body.read(self, u64::from(piece.size_bytes), Some(&mut buffer)).await,
                Err(error) => Err(error),
            };
            if let Err(error) = came {
                return Outcome::Failed(error);
            }
            at = piece.end();
            let is_right = piece.chunk.is_none_or(|chunk| in_place(|| ChunkHash::of(&buffer)) == chunk.hash);
            if !is_right {
                return Outcome::Wrong(piece.offset);
            }
            if let Err(error) = in_place(|| self.shared.put(piece.offset, &buffer)) {
                return Outcome::Ours(error);
            }
        }
        Outcome::Whole
    }
}

/// The places of pieces that follow one another, or nearly so.
fn places(pieces: &[Piece], gap_bytes_max: u64) -> Vec<Extent> {
    let mut places: Vec<Extent> = Vec::new();
    for piece in pieces {
        match places.last_mut() {
            Some(last) if piece.offset.saturating_sub(last.end()) <= gap_bytes_max => {
                last.size_bytes = u32::try_from(piece.end().saturating_sub(last.offset)).unwrap_or(u32::MAX);
            }
            _ => places.push(Extent { offset: piece.offset, size_bytes: piece.size_bytes }),
        }
    }
    places
}

/// A request for each place, for a source that takes no more; near ones are asked for with what is between.
fn one_by_one(pieces: Vec<Piece>) -> Vec<Request> {
    let places = places(&pieces, GAP_BYTES_MAX);
    let mut rest = pieces.into_iter().peekable();
    let mut requests = Vec::with_capacity(places.len());
    for place in places {
        let mut pieces = Vec::new();
        while let Some(piece) = rest.next_if(|piece| piece.offset < place.end()) {
            pieces.push(piece);
        }
        requests.push(Request { places: vec![place], pieces });
    }
    requests
}

/// An answer as it comes.
struct Incoming {
    body: BodyStream,
    chunk: Bytes,
}

impl Incoming {
    /// Reads exactly `bytes` into `out`, or past them.
    async fn read(
        &mut self,
        fetch: &Fetch,
        bytes: u64,
        mut out: Option<&mut Vec<u8>>,
    ) -> Result<(), SourceError> {
        let mut left = usize::try_from(bytes).map_err(|_error| SourceError::Unsupported)?;
        while left > 0 {
            if self.chunk.is_empty() {
                self.chunk = match timeout(fetch.patience, next(&mut self.body)).await {
                    Ok(Some(Ok(chunk))) => chunk,
                    Ok(Some(Err(error))) => return Err(SourceError::Failed(error.to_string())),
                    Ok(None) => return Err(SourceError::Failed("its answer was cut short".to_owned())),
                    Err(_elapsed) => return Err(SourceError::late()),
                };
                fetch.shared.count_fetched(self.chunk.len());
                if let Some(rate) = &fetch.rate {
                    rate.take(self.chunk.len()).await;
                }
            }
            let piece = self.chunk.split_to(left.min(self.chunk.len()));
            left -= piece.len();
            if let Some(out) = &mut out {
                out.extend_from_slice(&piece);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_that_touch_are_one_place_and_near_ones_are_when_places_are_dear() {
        let piece = |offset, size_bytes| Piece { offset, size_bytes, chunk: None };
        let pieces = [piece(0, 10), piece(10, 10), piece(30, 10), piece(500_000, 10)];
        let place = |offset, size_bytes| Extent { offset, size_bytes };
        assert_eq!(places(&pieces, 0), [place(0, 20), place(30, 10), place(500_000, 10)]);
        let requests = one_by_one(pieces.to_vec());
        let shape: Vec<_> = requests.iter().map(|r| (r.places.clone(), r.pieces.len())).collect();
        assert_eq!(shape, [(vec![place(0, 40)], 3), (vec![place(500_000, 10)], 1)]);
    }
}
