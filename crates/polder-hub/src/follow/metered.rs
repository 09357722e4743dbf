//! Git's answers, no faster and no longer than the limits of an upstream, the operator and the disk allow.

use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use polder_blob::Store;
use polder_git::client::{Advertisement, Exchange, RemoteBody};
use polder_git::{IndexLimits, Protocol};
use tokio::runtime::Handle;

use super::admit::Admitted;
use super::limits::{FREE_BYTES_KEPT, Pause};
use super::under_way::Shown;
use crate::{Hub, Rate};

/// How many bytes come between two looks at what is free on the disk.
const FREE_LOOK_BYTES: u64 = 8 << 20;

/// Asks as another exchange does, and meters what it is answered. Blocking.
pub(super) struct Metered<'a> {
    exchange: Box<dyn Exchange + 'a>,
    meter: Arc<Meter>,
}

struct Meter {
    rate: Arc<Rate>,
    runtime: Handle,
    store: Store,
    /// Bytes that may come within the budget, and the pause when there are more.
    room: Option<(u64, Pause)>,
    /// Bytes that may come of any repository.
    most: u64,
    came: AtomicU64,
    /// Why the answer was cut.
    cut: OnceLock<Pause>,
    shown: Shown,
}

impl<'a> Metered<'a> {
    /// Lets come what is admitted, and what `hub` has room for.
    pub(super) fn new(
        exchange: Box<dyn Exchange + 'a>,
        admitted: &Admitted,
        hub: &Hub,
        shown: Shown,
    ) -> Self {
        let meter = Meter {
            rate: Arc::clone(admitted.rate()),
            runtime: Handle::current(),
            store: hub.store.clone(),
            room: admitted.room().map(|room| (room, admitted.over())),
            most: hub.federation.mirror_pack_bytes_max,
            came: 0.into(),
            cut: OnceLock::new(),
            shown,
        };
        Self { exchange, meter: Arc::new(meter) }
    }

    /// Why the answer was cut, if it was.
    pub(super) fn cut(&self) -> Option<Pause> {
        self.meter.cut.get().copied()
    }
}

impl Hub {
    /// How much one pack of a mirror may be and cost.
    pub(super) fn mirror_limits(&self) -> IndexLimits {
        IndexLimits { pack_bytes_max: self.federation.mirror_pack_bytes_max, ..IndexLimits::MIRROR }
    }
}

impl Exchange for Metered<'_> {
    fn advertisement(&self) -> io::Result<Advertisement> {
        self.exchange.advertisement()
    }

    fn post(&self, protocol: Protocol, body: Vec<u8>) -> io::Result<RemoteBody> {
        let answer = self.exchange.post(protocol, body)?;
        Ok(Box::new(MeteredBody { answer, meter: Arc::clone(&self.meter) }))
    }
}

impl Meter {
    /// Why so many more may not come.
    fn over(&self, bytes: u64) -> io::Result<Option<Pause>> {
        let before = self.came.fetch_add(bytes, Ordering::Relaxed);
        let came = before.saturating_add(bytes);
        if let Some((_, over)) = self.room.filter(|(room, _)| came > *room) {
            return Ok(Some(over));
        }
        if came > self.most {
            return Ok(Some(Pause::Pack { most: self.most }));
        }
        if came / FREE_LOOK_BYTES > before / FREE_LOOK_BYTES {
            let free = self.store.free_bytes().map_err(io::Error::other)?;
            let needed = FREE_LOOK_BYTES;
            return Ok((free < FREE_BYTES_KEPT).then_some(Pause::Disk { needed, free }));
        }
        Ok(None)
    }
}

struct MeteredBody {
    answer: RemoteBody,
    meter: Arc<Meter>,
}

impl Read for MeteredBody {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let bytes = self.answer.read(out)?;
        self.meter.runtime.block_on(self.meter.rate.take(bytes));
        let bytes_u64 = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.meter.shown.count(bytes_u64);
        match self.meter.over(bytes_u64)? {
            None => Ok(bytes),
            Some(pause) => Err(io::Error::other(*self.meter.cut.get_or_init(|| pause))),
        }
    }
}
