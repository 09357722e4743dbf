//! Git's answers, no faster and no longer than the limits of an upstream allow.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use polder_git::Protocol;
use polder_git::client::{Advertisement, Exchange, RemoteBody};
use tokio::runtime::Handle;

use super::admit::Admitted;
use super::under_way::Shown;
use crate::Rate;

/// Asks as another exchange does, and meters what it is answered. Blocking.
pub(super) struct Metered<'a> {
    exchange: Box<dyn Exchange + 'a>,
    meter: Arc<Meter>,
}

struct Meter {
    rate: Arc<Rate>,
    runtime: Handle,
    /// Bytes that may still come; as many as there are, if there is no budget.
    room: AtomicU64,
    is_over: AtomicBool,
    shown: Shown,
}

impl<'a> Metered<'a> {
    pub(super) fn new(exchange: Box<dyn Exchange + 'a>, admitted: &Admitted, shown: Shown) -> Self {
        let meter = Meter {
            rate: Arc::clone(admitted.rate()),
            runtime: Handle::current(),
            room: admitted.room().unwrap_or(u64::MAX).into(),
            is_over: false.into(),
            shown,
        };
        Self { exchange, meter: Arc::new(meter) }
    }

    /// Whether more came than there was room for, and the answer was cut.
    pub(super) fn is_over(&self) -> bool {
        self.meter.is_over.load(Ordering::Relaxed)
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
        let take = |room: u64| room.checked_sub(bytes_u64);
        if self.meter.room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_err() {
            self.meter.is_over.store(true, Ordering::Relaxed);
            return Err(io::Error::other("more came than there is room for"));
        }
        Ok(bytes)
    }
}
