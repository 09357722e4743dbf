//! What becomes of the answers of one source while it is asked once for all it has.
//!
//! The same is done to all its answers of a kind, so that nothing depends on the order in which they are asked
//! for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use polder_log::EventsPage;

use super::draw::Draw;
use crate::follow::evil::{EvilPeer, Question, Said};
use crate::follow::hub_peer::HubPeer;

/// Kinds of questions.
const KINDS: usize = 7;

fn kind(question: &Question) -> usize {
    match question {
        Question::Events(..) => 0,
        Question::Body(_) | Question::Bodies(_) => 1,
        Question::Namespace(_) | Question::Part(..) | Question::Tile(_) => 2,
        Question::RefMap(..) => 3,
        Question::Manifest(..) => 4,
        Question::Git(_) => 5,
        Question::Chunks(..) | Question::Range(..) | Question::Extents(..) => 6,
    }
}

/// What is done to an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Arrives,
    /// It is lost, or breaks off, as when a connection does.
    Lost,
    // What follows only a liar does.
    /// A byte in it is another.
    Flipped(u64),
    /// It ends early as if that were all.
    Short,
    /// Something follows it.
    Longer,
    Endless,
    /// An earlier right answer to another question of the kind.
    Earlier,
    /// Of a page: the leaves say something else.
    Leaves,
    /// Of a page: the leaves are in another order.
    Graft,
    /// Of a page: bodies are left out.
    NoBodies,
    /// Of a page: the last event is left out.
    LeftOut,
    /// Of a page: it says it begins elsewhere.
    Elsewhere,
}

const LIES: [Fate; 5] = [Fate::Flipped(0), Fate::Short, Fate::Longer, Fate::Endless, Fate::Earlier];
const LIES_ABOUT_EVENTS: [Fate; 9] = [
    Fate::Flipped(0),
    Fate::Short,
    Fate::Longer,
    Fate::Earlier,
    Fate::Leaves,
    Fate::Graft,
    Fate::NoBodies,
    Fate::LeftOut,
    Fate::Elsewhere,
];

/// The fates of a source's answers, by kind.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fates([Fate; KINDS]);

impl Fates {
    pub(super) const HONEST: Self = Self([Fate::Arrives; KINDS]);
    pub(super) const DEAD: Self = Self([Fate::Lost; KINDS]);

    pub(super) fn draw(draw: &mut Draw, is_liar: bool) -> Self {
        Self(std::array::from_fn(|kind| match draw.below(100) {
            0..8 => Fate::Lost,
            8..40 if is_liar => {
                let lie = draw.one(if kind == 0 { &LIES_ABOUT_EVENTS[..] } else { &LIES });
                if lie == Fate::Flipped(0) { Fate::Flipped(draw.next()) } else { lie }
            }
            _ => Fate::Arrives,
        }))
    }
}

impl std::fmt::Display for Fates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let some = self.0.iter().enumerate().filter(|(_, fate)| **fate != Fate::Arrives);
        f.debug_list().entries(some).finish()
    }
}

/// Right answers of before, by kind.
pub(super) type Memory = Arc<Mutex<HashMap<usize, Bytes>>>;

/// The peer with its answers' fates.
pub(super) fn peer(honest: HubPeer, fates: Fates, memory: &Memory) -> EvilPeer {
    let memory = Arc::clone(memory);
    EvilPeer::saying(honest, move |question, answer| {
        let kind = kind(question);
        let earlier = memory.lock().unwrap().insert(kind, answer.clone());
        match fates.0[0] {
            // Neither with a page nor alone.
            Fate::NoBodies if matches!(question, Question::Body(_)) => Said::Nothing,
            _ => tell(fates.0[kind], answer, earlier),
        }
    })
}

fn tell(fate: Fate, answer: Bytes, earlier: Option<Bytes>) -> Said {
    let mut bytes = answer.to_vec();
    match fate {
        Fate::Lost => return Said::Nothing,
        Fate::Flipped(at) => {
            let length = u64::try_from(bytes.len().max(1)).unwrap();
            let at = usize::try_from(at % length).unwrap();
            bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1);
        }
        Fate::Short => bytes.truncate(bytes.len() / 2),
        Fate::Longer => bytes.extend_from_slice(&[7; 1000]),
        Fate::Endless => return Said::Endless(answer),
        Fate::Earlier => return Said::This(earlier.unwrap_or(answer)),
        Fate::Arrives => {}
        Fate::Leaves | Fate::Graft | Fate::NoBodies | Fate::LeftOut | Fate::Elsewhere => {
            let mut page = EventsPage::decode(&bytes).unwrap();
            match fate {
                Fate::Leaves => page.leaves.iter_mut().for_each(|leaf| leaf.time_ms ^= 1),
                Fate::Graft => page.leaves.reverse(),
                Fate::NoBodies => page.bodies.clear(),
                Fate::LeftOut => {
                    page.leaves.pop();
                    page.bodies.pop();
                }
                _ => page.first = page.first.saturating_sub(1),
            }
            bytes = page.encode().unwrap();
        }
    }
    Said::This(bytes.into())
}
