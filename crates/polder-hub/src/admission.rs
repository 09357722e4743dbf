//! Who may start a transfer now, who waits for a turn, and who is told to come back.
//!
//! A transfer needs a place. There are only so many, and one repository or client may hold only its
//! share of them, so nobody keeps the others out. Who finds no place waits, for a bounded time among a
//! bounded number; whenever a place comes free, it goes to the one who holds the least, the longest
//! waiting first. Permission comes before a place: nobody waits for what they may not do.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use polder_types::{AccountId, RepoId};
use tokio::sync::oneshot;

use crate::error::{Error, Kind, Result};
use crate::limits::Limits;

/// One holder has at most this part of the queue.
const QUEUE_SHARE: usize = 4;

/// Who transfers, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Client {
    Account(AccountId),
    Address(IpAddr),
}

impl Client {
    /// The client at an address. One customer has a whole /64 of IPv6.
    pub(crate) fn at(address: IpAddr) -> Self {
        Self::Address(match address.to_canonical() {
            IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64))),
            v4 @ IpAddr::V4(_) => v4,
        })
    }

    /// The address of one without an account.
    pub(crate) fn address(self) -> Option<IpAddr> {
        match self {
            Self::Address(address) => Some(address),
            Self::Account(_) => None,
        }
    }
}

/// What a place is counted for. A client that nothing is known of has no share of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) repo: RepoId,
    pub(crate) client: Option<Client>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Holder {
    Client(Client),
    Repo(RepoId),
}

impl Share {
    fn holders(self) -> impl Iterator<Item = Holder> {
        self.client.map(Holder::Client).into_iter().chain([Holder::Repo(self.repo)])
    }
}

/// How many places of one kind there are, and how many may wait for one.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    running_max: usize,
    per_client_max: usize,
    per_repository_max: usize,
    queue_max: usize,
    queue_wait: Duration,
}

impl Bounds {
    /// How much of the queue is for one holder.
    fn queue_share(&self) -> usize {
        self.queue_max.div_ceil(QUEUE_SHARE)
    }

    fn running_max_of(&self, holder: Holder) -> usize {
        match holder {
            Holder::Client(_) => self.per_client_max,
            Holder::Repo(_) => self.per_repository_max,
        }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Count {
    running: usize,
    waiting: usize,
}

struct Waiter {
    ticket: u64,
    share: Share,
    turn: oneshot::Sender<Place>,
}

#[derive(Default)]
struct State {
    running: usize,
    holders: HashMap<Holder, Count>,
    /// In order of arrival.
    waiting: Vec<Waiter>,
    tickets: u64,
}

impl State {
    fn count(&self, holder: Holder) -> Count {
        self.holders.get(&holder).copied().unwrap_or_default()
    }

    fn change(&mut self, share: Share, change: impl Fn(&mut Count)) {
        for holder in share.holders() {
            let count = self.holders.entry(holder).or_default();
            change(count);
            if count.running == 0 && count.waiting == 0 {
                self.holders.remove(&holder);
            }
        }
    }

    fn has_room(&self, bounds: &Bounds, share: Share) -> bool {
        self.running < bounds.running_max
            && share.holders().all(|holder| self.count(holder).running < bounds.running_max_of(holder))
    }

    /// The waiter whose turn it is, if a place is free for any: who holds the least, then who came first.
    fn next(&self, bounds: &Bounds) -> Option<usize> {
        let may_start = |waiter: &&Waiter| self.has_room(bounds, waiter.share);
        let running = |holder| self.count(holder).running;
        let held = |waiter: &&Waiter| {
            let Share { repo, client } = waiter.share;
            (client.map_or(0, |client| running(Holder::Client(client))), running(Holder::Repo(repo)))
        };
        let first = self.waiting.iter().filter(may_start).min_by_key(held)?;
        self.waiting.iter().position(|waiter| waiter.ticket == first.ticket)
    }

    fn start(&mut self, share: Share) {
        self.running += 1;
        self.change(share, |count| count.running += 1);
    }

    /// Why this share has to come back later: the client's own doing, or everybody's.
    fn refusal(&self, bounds: &Bounds, share: Share) -> Kind {
        let own = share.client.map(|client| self.count(Holder::Client(client))).unwrap_or_default();
        let has_its_share =
            own.running >= bounds.per_client_max || own.waiting >= bounds.queue_share().max(1);
        if has_its_share { Kind::Throttled } else { Kind::Unavailable }
    }

    fn queue_is_full(&self, bounds: &Bounds, share: Share) -> bool {
        self.waiting.len() >= bounds.queue_max
            || share.holders().any(|holder| self.count(holder).waiting >= bounds.queue_share())
    }
}

struct Shared {
    kind: &'static str,
    bounds: Bounds,
    state: Mutex<State>,
}

/// The places of one kind of transfer.
#[derive(Clone)]
pub(crate) struct Admission(Arc<Shared>);

/// Permission to run one transfer; dropping it gives the place to the next.
pub(crate) struct Place {
    shared: Arc<Shared>,
    share: Share,
}

/// Someone in the queue; dropping it leaves the queue.
struct Waiting {
    shared: Arc<Shared>,
    ticket: u64,
    turn: oneshot::Receiver<Place>,
}

impl Admission {
    /// `running_max` places for transfers that the metrics call `kind`.
    pub(crate) fn new(kind: &'static str, running_max: usize, limits: &Limits) -> Self {
        let bounds = Bounds {
            running_max,
            per_client_max: limits.per_client_max,
            per_repository_max: limits.per_repository_max,
            queue_max: limits.queue_max,
            queue_wait: limits.queue_wait,
        };
        Self(Arc::new(Shared { kind, bounds, state: Mutex::default() }))
    }

    /// Waits for a place.
    ///
    /// # Errors
    /// [`Kind::Throttled`] when the client has its share of places or of the queue,
    /// [`Kind::Unavailable`] when others have them; at once when the queue is full.
    pub(crate) async fn enter(&self, share: Share) -> Result<Place> {
        let shared = &self.0;
        let mut waiting = match shared.ask(share)? {
            Asked::Starts(place) => return Ok(place),
            Asked::Waits(waiting) => waiting,
        };
        if let Ok(Ok(place)) = tokio::time::timeout(shared.bounds.queue_wait, &mut waiting.turn).await {
            return Ok(place);
        }
        let why = shared.state().refusal(&shared.bounds, share);
        Err(shared.refused(why))
    }
}

enum Asked {
    Starts(Place),
    Waits(Waiting),
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is one assignment after another; there is no half-made state to fear.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(self: &Arc<Self>, share: Share) -> Result<Asked> {
        let mut state = self.state();
        if state.has_room(&self.bounds, share) {
            state.start(share);
            drop(state);
            return Ok(Asked::Starts(self.place(share)));
        }
        if state.queue_is_full(&self.bounds, share) {
            let why = state.refusal(&self.bounds, share);
            drop(state);
            return Err(self.refused(why));
        }
        let (sender, turn) = oneshot::channel();
        state.tickets += 1;
        let ticket = state.tickets;
        state.change(share, |count| count.waiting += 1);
        state.waiting.push(Waiter { ticket, share, turn: sender });
        drop(state);
        metrics::gauge!("polder_transfers_waiting", "kind" => self.kind).increment(1.0);
        Ok(Asked::Waits(Waiting { shared: Arc::clone(self), ticket, turn }))
    }

    fn place(self: &Arc<Self>, share: Share) -> Place {
        metrics::gauge!("polder_transfers_running", "kind" => self.kind).increment(1.0);
        Place { shared: Arc::clone(self), share }
    }

    fn refused(&self, why: Kind) -> Error {
        let (label, message) = if why == Kind::Throttled {
            ("client", "you have too many transfers under way here; try again in a moment")
        } else {
            ("hub", "the hub is busy; try again in a moment")
        };
        metrics::counter!("polder_transfers_refused_total", "kind" => self.kind, "share" => label)
            .increment(1);
        Error::new(why, message)
    }

    /// Starts everyone whose turn has come.
    fn admit(self: &Arc<Self>) {
        let mut admitted = Vec::new();
        let mut state = self.state();
        while let Some(at) = state.next(&self.bounds) {
            let waiter = state.waiting.remove(at);
            state.change(waiter.share, |count| count.waiting -= 1);
            state.start(waiter.share);
            admitted.push(waiter);
        }
        drop(state);
        for waiter in admitted {
            metrics::gauge!("polder_transfers_waiting", "kind" => self.kind).decrement(1.0);
            // Who is gone meanwhile gives the place back by dropping it.
            waiter.turn.send(self.place(waiter.share)).map_err(drop).unwrap_or_default();
        }
    }
}

impl Place {
    /// How long this transfer may stand still while someone waits: they must not wait in vain.
    pub(crate) fn stall_max(&self) -> Duration {
        self.shared.bounds.queue_wait / 2
    }

    /// Whether someone waits who could start if this place were free.
    pub(crate) fn is_wanted(&self) -> bool {
        let state = self.shared.state();
        let is_full = state.running >= self.shared.bounds.running_max;
        let shares = |other: Share| self.share.holders().any(|mine| other.holders().any(|its| its == mine));
        state.waiting.iter().any(|waiter| is_full || shares(waiter.share))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.running -= 1;
        state.change(self.share, |count| count.running -= 1);
        drop(state);
        metrics::gauge!("polder_transfers_running", "kind" => self.shared.kind).decrement(1.0);
        self.shared.admit();
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        let at = state.waiting.iter().position(|waiter| waiter.ticket == self.ticket);
        let left = at.map(|at| state.waiting.remove(at));
        if let Some(waiter) = &left {
            state.change(waiter.share, |count| count.waiting -= 1);
        }
        drop(state);
        if left.is_some() {
            metrics::gauge!("polder_transfers_waiting", "kind" => self.shared.kind).decrement(1.0);
        }
    }
}

#[cfg(test)]
#[path = "admission_tests.rs"]
mod tests;
