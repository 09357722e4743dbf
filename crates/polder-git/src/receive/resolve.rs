//! The second pass over an incoming pack: every delta is applied, hashed and checked.
//!
//! Depth first from each whole object, so that a base is inflated once however many deltas it has. Of
//! the bases on the way down only [`BASES_BYTES_MAX`] stay in memory; an older one is made again when
//! it is needed again, which counts against the pack's budget of inflated bytes.

use polder_types::ObjectId;

use super::check::PackChecks;
use super::limits::IndexLimits;
use super::object_hash::hash_object;
use super::scan::{Base, Scanned, bad_object, check_inflated};
use crate::pack::{Inflater, apply_delta};
use crate::{Error, ObjectKind, Result};

/// Memory for delta bases, in bytes; the one in use is kept whatever its size.
const BASES_BYTES_MAX: usize = 64 << 20;
/// Packs with fewer deltas are done before anyone could read a progress line.
const PROGRESS_DELTAS_MIN: usize = 20_000;

/// Which entries are deltas on which base; entries by their position in the pack.
struct Children {
    by_offset: Vec<(u64, usize)>,
    by_id: Vec<(ObjectId, usize)>,
}

impl Children {
    fn new(pack: &Scanned<'_>) -> Self {
        let (mut by_offset, mut by_id) = (Vec::new(), Vec::new());
        for (position, entry) in pack.entries.iter().enumerate() {
            match entry.base {
                Base::Whole(_) => {}
                Base::Offset(base) => by_offset.push((base, position)),
                Base::Id(base) => by_id.push((base, position)),
            }
        }
        by_offset.sort_unstable();
        by_id.sort_unstable();
        Self { by_offset, by_id }
    }

    fn of(&self, offset: u64, id: ObjectId) -> impl Iterator<Item = usize> + '_ {
        equal_range(&self.by_offset, offset).chain(equal_range(&self.by_id, id))
    }

    fn count(&self) -> usize {
        self.by_offset.len() + self.by_id.len()
    }

    fn has_any_at(&self, offset: u64) -> bool {
        equal_range(&self.by_offset, offset).next().is_some()
    }
}

fn equal_range<K: Ord + Copy>(pairs: &[(K, usize)], key: K) -> impl Iterator<Item = usize> + '_ {
    let start = pairs.partition_point(|(base, _)| *base < key);
    let rest = pairs.get(start..).unwrap_or_default();
    rest.iter().take_while(move |(base, _)| *base == key).map(|(_, position)| *position)
}

/// A base on the way down, with the deltas on it that are still to do.
struct Frame {
    position: usize,
    /// `None` while it is forgotten.
    data: Option<Vec<u8>>,
    pending: Vec<usize>,
}

struct Resolve<'s, 'a> {
    pack: &'s mut Scanned<'a>,
    children: Children,
    limits: &'s IndexLimits,
    checks: &'s mut PackChecks,
    inflater: Inflater,
    stack: Vec<Frame>,
    stack_bytes: usize,
    resolved: usize,
}

/// Fills in the ids of all deltas.
///
/// Refuses a pack with a delta whose base is not in it: the hub takes no thin packs.
pub(super) fn resolve(
    pack: &mut Scanned<'_>,
    limits: &IndexLimits,
    checks: &mut PackChecks,
    progress: &mut dyn FnMut(&str),
) -> Result<()> {
    let children = Children::new(pack);
    let total = children.count();
    if total == 0 {
        return Ok(());
    }
    let roots = pack.entries.len();
    let inflater = Inflater::default();
    let mut work =
        Resolve { pack, children, limits, checks, inflater, stack: Vec::new(), stack_bytes: 0, resolved: 0 };
    let mut shown = 0;
    for position in 0..roots {
        work.tree(position)?;
        let percent = work.resolved.saturating_mul(100).checked_div(total).unwrap_or(100);
        if total >= PROGRESS_DELTAS_MIN && percent >= shown + 10 {
            shown = percent;
            progress(&format!("Resolving deltas: {percent:3}% ({}/{total})\r", work.resolved));
        }
    }
    if total >= PROGRESS_DELTAS_MIN {
        progress(&format!("Resolving deltas: 100% ({}/{total}), done.\n", work.resolved));
    }
    let missing = total.saturating_sub(work.resolved);
    if missing == 0 {
        return Ok(());
    }
    let plural = if missing == 1 { "" } else { "s" };
    Err(Error::refused(format!(
        "pack has {missing} unresolved delta{plural}: thin packs are not accepted here (git push --no-thin)"
    )))
}

impl Resolve<'_, '_> {
    /// Does everything that stands on the whole object at `position`, if it is one.
    fn tree(&mut self, position: usize) -> Result<()> {
        let Some(entry) = self.pack.entries.get(position).copied() else { return Ok(()) };
        let (Base::Whole(kind), Some(id)) = (entry.base, entry.id) else { return Ok(()) };
        let pending = self.pending(entry.offset, id);
        if pending.is_empty() {
            return Ok(());
        }
        let data = self.inflate(position)?;
        self.push(position, data, pending)?;
        while let Some(frame) = self.stack.last_mut() {
            let Some(child) = frame.pending.pop() else {
                self.pop();
                continue;
            };
            self.child(child, kind)?;
        }
        Ok(())
    }

    fn child(&mut self, position: usize, kind: ObjectKind) -> Result<()> {
        self.remember_top()?;
        let offset = self.pack.entries.get(position).map_or(0, |entry| entry.offset);
        let delta = self.inflate(position)?;
        let base = self.stack.last().and_then(|frame| frame.data.as_deref()).unwrap_or_default();
        let data = apply_delta(base, &delta).ok_or_else(|| bad_object(offset, "failed to apply delta"))?;
        drop(delta);
        self.spend(data.len())?;
        let id = hash_object(kind, &data)?;
        self.checks.object(id, kind, &data);
        if let Some(entry) = self.pack.entries.get_mut(position) {
            entry.id = Some(id);
        }
        self.resolved += 1;
        if self.stack.last().is_some_and(|frame| frame.pending.is_empty()) {
            self.forget_top();
        }
        let pending = self.pending(offset, id);
        if pending.is_empty() { Ok(()) } else { self.push(position, data, pending) }
    }

    /// The deltas on an object, those without deltas of their own last: they are done first, so that a
    /// base is seldom needed again after a long descent.
    fn pending(&self, offset: u64, id: ObjectId) -> Vec<usize> {
        let unresolved = |p: &usize| self.pack.entries.get(*p).is_some_and(|entry| entry.id.is_none());
        let mut pending: Vec<usize> = self.children.of(offset, id).filter(unresolved).collect();
        let is_leaf =
            |p: &usize| self.pack.entries.get(*p).is_some_and(|e| !self.children.has_any_at(e.offset));
        pending.sort_by_cached_key(is_leaf);
        pending
    }

    fn push(&mut self, position: usize, data: Vec<u8>, pending: Vec<usize>) -> Result<()> {
        let depth = u32::try_from(self.stack.len()).unwrap_or(u32::MAX);
        if depth >= self.limits.delta_depth_max {
            let most = self.limits.delta_depth_max;
            return Err(Error::refused(format!(
                "the pack has a chain of more than {most} deltas; repack and push again"
            )));
        }
        self.stack_bytes += data.len();
        self.stack.push(Frame { position, data: Some(data), pending });
        let below_top = self.stack.len().saturating_sub(1);
        for frame in self.stack.iter_mut().take(below_top) {
            if self.stack_bytes <= BASES_BYTES_MAX {
                break;
            }
            self.stack_bytes -= frame.data.take().map_or(0, |data| data.len());
        }
        Ok(())
    }

    fn pop(&mut self) {
        self.forget_top();
        self.stack.pop();
    }

    fn forget_top(&mut self) {
        let data = self.stack.last_mut().and_then(|frame| frame.data.take());
        self.stack_bytes -= data.map_or(0, |data| data.len());
    }

    /// Makes the top base again if it was forgotten: from the nearest one below that is there.
    fn remember_top(&mut self) -> Result<()> {
        if self.stack.last().is_none_or(|frame| frame.data.is_some()) {
            return Ok(());
        }
        let known = self.stack.iter().rposition(|frame| frame.data.is_some());
        let mut data = match known.and_then(|at| self.stack.get(at)?.data.clone()) {
            Some(data) => data,
            None => match self.stack.first().map(|frame| frame.position) {
                Some(root) => self.inflate(root)?,
                None => return Ok(()),
            },
        };
        for at in known.unwrap_or(0) + 1..self.stack.len() {
            let position = self.stack.get(at).map_or(0, |frame| frame.position);
            let delta = self.inflate(position)?;
            data = apply_delta(&data, &delta).ok_or_else(|| bad_object(0, "failed to apply delta"))?;
            self.spend(data.len())?;
        }
        self.stack_bytes += data.len();
        if let Some(frame) = self.stack.last_mut() {
            frame.data = Some(data);
        }
        Ok(())
    }

    /// The inflated bytes of an entry: an object or a delta.
    fn inflate(&mut self, position: usize) -> Result<Vec<u8>> {
        let Some(entry) = self.pack.entries.get(position).copied() else { return Ok(Vec::new()) };
        let size = usize::try_from(entry.size).unwrap_or(usize::MAX);
        let deflated = self.pack.spool.read(entry.data_offset..self.pack.end_of(position))?;
        let data = self
            .inflater
            .inflate(&deflated, size)
            .ok_or_else(|| bad_object(entry.offset, "cannot inflate"))?;
        drop(deflated);
        self.spend(data.len())?;
        Ok(data)
    }

    fn spend(&mut self, bytes: usize) -> Result<()> {
        self.pack.inflated = self.pack.inflated.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        check_inflated(self.pack.inflated, self.pack.bytes, self.limits)
    }
}
