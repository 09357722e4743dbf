//! Fetches made up at random, by clients that have some of the history.

use polder_types::ObjectId;
use proptest::prelude::*;

use super::reach::{reachable, within};
use super::world::World;
use crate::Protocol;
use crate::id_set::IdSet;
use crate::pkt_line::{write_delim, write_flush, write_line};

#[derive(Debug, Clone)]
pub(super) enum Deepen {
    No,
    To(u32),
    By(u32),
    All,
    /// Not older than this commit, and nothing that these refs reach.
    Reach {
        since: Option<usize>,
        not: Vec<usize>,
    },
}

#[derive(Debug, Clone)]
pub(super) enum Want {
    Ref(usize),
    Commit(usize),
    Inner(usize),
}

#[expect(clippy::struct_excessive_bools, reason = "each is one word of the protocol")]
#[derive(Debug, Clone)]
pub(super) struct FetchPlan {
    pub(super) protocol: Protocol,
    wants: Vec<Want>,
    /// The commits at the tips of what the client has, and how deep that goes.
    tips: Vec<usize>,
    client_depth: Option<usize>,
    /// Commits that the client has and the server never saw.
    local: u8,
    deepen: Deepen,
    filter: Option<&'static str>,
    pub(super) done: bool,
    pub(super) thin: bool,
    offsets: bool,
    include_tag: bool,
    /// v0: `multi_ack_detailed`, `multi_ack` or neither.
    acks: usize,
}

/// Not `combine:`, see `each_part_of_a_combined_filter_decides_by_itself`.
const FILTERS: [&str; 8] =
    ["blob:none", "blob:limit=0", "blob:limit=30", "blob:limit=1k", "tree:0", "tree:1", "tree:2", "tree:4"];

pub(super) fn fetches() -> impl Strategy<Value = FetchPlan> {
    let at = || 0_usize..40;
    let want = prop_oneof![
        6 => at().prop_map(Want::Ref),
        3 => at().prop_map(Want::Commit),
        1 => at().prop_map(Want::Inner),
    ];
    let deepen = prop_oneof![
        6 => Just(Deepen::No),
        2 => (1_u32..6).prop_map(Deepen::To),
        1 => (1_u32..4).prop_map(Deepen::By),
        1 => Just(Deepen::All),
        2 => (proptest::option::of(at()), proptest::collection::vec(at(), 0..3))
            .prop_map(|(since, not)| Deepen::Reach { since, not }),
    ];
    let filter = prop_oneof![3 => Just(None), 2 => proptest::sample::select(&FILTERS[..]).prop_map(Some)];
    let protocol = prop_oneof![Just(Protocol::V0), Just(Protocol::V2)];
    (
        (protocol, proptest::collection::vec(want, 1..4), proptest::collection::vec(at(), 0..4)),
        (proptest::option::weighted(0.3, 1_usize..4), 0_u8..3, deepen, filter),
        (proptest::bool::weighted(0.7), any::<bool>(), any::<bool>(), any::<bool>(), 0_usize..3),
    )
        .prop_map(
            |(
                (protocol, wants, tips),
                (client_depth, local, deepen, filter),
                (done, thin, offsets, include_tag, acks),
            )| FetchPlan {
                protocol,
                wants,
                tips,
                client_depth,
                local,
                deepen,
                filter,
                done,
                thin,
                offsets,
                include_tag,
                acks,
            },
        )
}

/// A plan fitted to a history.
pub(super) struct Fetch {
    pub(super) body: Vec<u8>,
    pub(super) wants: Vec<ObjectId>,
    /// Where the client's history ends.
    pub(super) client_ends: IdSet,
    /// Every object the client has.
    pub(super) client: IdSet,
    pub(super) filtered: bool,
}

fn pick<T: Copy>(list: &[T], at: usize) -> Option<T> {
    list.get(at % list.len().max(1)).copied()
}

impl FetchPlan {
    pub(super) fn has_multi_ack(&self) -> bool {
        self.acks < 2
    }

    /// The request's body and what it means.
    pub(super) fn fit(&self, world: &World) -> Fetch {
        let snapshot = &world.snapshot;
        let refs = snapshot.refs();
        let wants: Vec<ObjectId> = self
            .wants
            .iter()
            .filter_map(|want| match want {
                Want::Ref(at) => refs.get(at % refs.len().max(1)).map(|r| r.oid),
                Want::Commit(at) => pick(&world.commits, *at),
                Want::Inner(at) => pick(&world.inner, *at),
            })
            .collect();
        let mut tips: Vec<ObjectId> = self.tips.iter().filter_map(|at| pick(&world.commits, *at)).collect();
        tips.sort_unstable();
        tips.dedup();
        let depth = self.client_depth.unwrap_or(usize::from(u8::MAX));
        let (mut has, mut client_ends) = within(snapshot, &tips, depth);
        if self.client_depth.is_none() {
            client_ends.clear();
        }
        let client = reachable(snapshot, &tips, &client_ends);
        has.retain(|id| client.contains(id));
        // Newest first, as clients offer them.
        let mut haves: Vec<ObjectId> = has.into_iter().collect();
        haves.sort_by_key(|id| (std::cmp::Reverse(world.dates[id]), *id));
        let mut offered: Vec<ObjectId> = (0..self.local).map(|n| ObjectId::new([n + 0x11; 20])).collect();
        offered.extend(haves);
        let body = match self.protocol {
            Protocol::V2 => self.body_v2(world, &wants, &client_ends, &offered),
            Protocol::V0 | Protocol::V1 => self.body_v0(world, &wants, &client_ends, &offered),
        };
        Fetch { body, wants, client_ends, client, filtered: self.filter.is_some() }
    }

    fn cut_lines(&self, world: &World, ends: &IdSet) -> Vec<String> {
        let mut lines: Vec<String> = ends.iter().map(|id| format!("shallow {id}")).collect();
        lines.sort();
        match &self.deepen {
            Deepen::No => {}
            Deepen::To(depth) | Deepen::By(depth) => lines.push(format!("deepen {depth}")),
            Deepen::All => lines.push("deepen 2147483647".to_owned()),
            Deepen::Reach { since, not } => {
                let since = since.and_then(|at| pick(&world.commits, at));
                lines.extend(since.map(|id| format!("deepen-since {}", world.dates[&id])));
                let branches: Vec<&str> = world.snapshot.refs().iter().map(|r| r.name.as_str()).collect();
                lines.extend(
                    not.iter().filter_map(|at| pick(&branches, *at)).map(|name| format!("deepen-not {name}")),
                );
            }
        }
        lines
    }

    fn body_v2(&self, world: &World, wants: &[ObjectId], ends: &IdSet, offered: &[ObjectId]) -> Vec<u8> {
        let mut out = Vec::new();
        write_line(&mut out, "command=fetch");
        write_delim(&mut out);
        let flags = [
            (self.thin, "thin-pack"),
            (true, "no-progress"),
            (self.include_tag, "include-tag"),
            (self.offsets, "ofs-delta"),
            (matches!(self.deepen, Deepen::By(_)), "deepen-relative"),
        ];
        for (_, word) in flags.iter().filter(|(on, _)| *on) {
            write_line(&mut out, word);
        }
        for line in self.cut_lines(world, ends) {
            write_line(&mut out, &line);
        }
        if let Some(filter) = self.filter {
            write_line(&mut out, &format!("filter {filter}"));
        }
        for want in wants {
            write_line(&mut out, &format!("want {want}"));
        }
        for have in offered {
            write_line(&mut out, &format!("have {have}"));
        }
        if self.done || offered.is_empty() {
            write_line(&mut out, "done");
        }
        write_flush(&mut out);
        out
    }

    fn body_v0(&self, world: &World, wants: &[ObjectId], ends: &IdSet, offered: &[ObjectId]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut capabilities = "side-band-64k no-progress".to_owned();
        let flags = [
            (self.thin, " thin-pack"),
            (self.include_tag, " include-tag"),
            (self.offsets, " ofs-delta"),
            (matches!(self.deepen, Deepen::By(_)), " deepen-relative"),
            (self.filter.is_some(), " filter"),
            (self.acks == 0, " multi_ack_detailed no-done"),
            (self.acks == 1, " multi_ack"),
        ];
        capabilities.extend(flags.iter().filter(|(on, _)| *on).map(|(_, word)| *word));
        for (at, want) in wants.iter().enumerate() {
            let tail = if at == 0 { format!(" {capabilities}") } else { String::new() };
            write_line(&mut out, &format!("want {want}{tail}"));
        }
        for line in self.cut_lines(world, ends) {
            write_line(&mut out, &line);
        }
        if let Some(filter) = self.filter {
            write_line(&mut out, &format!("filter {filter}"));
        }
        write_flush(&mut out);
        for have in offered {
            write_line(&mut out, &format!("have {have}"));
        }
        if self.done || offered.is_empty() {
            write_line(&mut out, "done");
        } else {
            write_flush(&mut out);
        }
        out
    }
}
