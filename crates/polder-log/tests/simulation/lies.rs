//! What a hub that lies does to an answer.

use polder_log::{Checkpoint, EventsPage, LogName, PAGE_BYTES_MAX, SecretKey, SignerKey};
use polder_types::Sha256;

use crate::draw::Draw;

/// A lie about events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lie {
    Leaf,
    Hint,
    Position,
    Body,
    BodyOfNone,
    BodyWithheld,
    Rollback,
    Graft,
    Replay,
    Proof,
    Squatted,
    Endless,
    CutOff,
}

/// Every lie, and what it is called by who finds it out; `None` when the answer is only incomplete.
pub(crate) const LIES: [(Lie, Option<&str>); 13] = [
    (Lie::Leaf, Some("graft")),
    (Lie::Hint, Some("graft")),
    (Lie::Position, Some("graft")),
    (Lie::Body, Some("body")),
    (Lie::BodyOfNone, Some("malformed")),
    (Lie::BodyWithheld, None),
    (Lie::Rollback, Some("place")),
    (Lie::Graft, Some("graft")),
    (Lie::Replay, Some("place")),
    (Lie::Proof, Some("proof")),
    (Lie::Squatted, Some("signature")),
    (Lie::Endless, Some("malformed")),
    (Lie::CutOff, Some("malformed")),
];

impl Lie {
    /// The bytes of a page as the liar sends them; `old` is a note of the log when it was shorter.
    pub(crate) fn tell(self, draw: &mut Draw, mut page: EventsPage, log: &LogName, old: &str) -> Vec<u8> {
        let some = draw.below(page.leaves.len().max(1));
        match self {
            Self::Leaf => page.leaves.get_mut(some).into_iter().for_each(|leaf| leaf.time_ms ^= 1),
            Self::Hint => page.leaves.get_mut(some).into_iter().for_each(|leaf| leaf.hint.0[0] ^= 3),
            Self::Position => page.leaves.iter_mut().for_each(|leaf| leaf.rseq += 1),
            Self::Body => page.bodies.iter_mut().for_each(|body| body.push(0)),
            Self::BodyOfNone => page.bodies.push(b"anything".to_vec()),
            Self::BodyWithheld => page.bodies.clear(),
            Self::Rollback => old.clone_into(&mut page.checkpoint),
            Self::Graft => page.leaves.reverse(),
            Self::Replay => page.first = page.first.saturating_sub(1),
            Self::Proof => {
                let hash = Sha256::new(draw.bytes());
                page.proof.push(hash);
            }
            Self::Squatted => page.checkpoint = forged(draw, log),
            Self::Endless | Self::CutOff => {
                let mut bytes = page.encode().unwrap();
                let length = if self == Self::Endless { PAGE_BYTES_MAX + 1 } else { draw.below(bytes.len()) };
                bytes.resize(length, 0);
                return bytes;
            }
        }
        page.encode().unwrap()
    }
}

/// A note under the liar's own key, which is the origin's only in name.
fn forged(draw: &mut Draw, log: &LogName) -> String {
    let key = SignerKey::new(log.origin.as_str(), SecretKey::new(&draw.bytes())).unwrap();
    Checkpoint { log: log.clone(), size: 1 << 20, root: Sha256::new(draw.bytes()) }.sign(&[&key])
}

/// A file that is another than the one asked for, or none.
pub(crate) fn about_a_file(draw: &mut Draw, mut file: Vec<u8>) -> Option<Vec<u8>> {
    match draw.below(3) {
        0 => return None,
        1 => file.truncate(draw.below(file.len().max(1))),
        _ => {
            let at = draw.below(file.len().max(1));
            file.get_mut(at).into_iter().for_each(|byte| *byte ^= 1);
        }
    }
    Some(file)
}
