//! Who waits for something new: many may, none may crowd out the others.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use polder_hub::{Error, Kind, Result};

/// Most requests that wait at the same time, each of which takes some kilobytes.
const POLLS_MAX: usize = 16_384;
/// Most of them from one address.
const POLLS_PER_ADDRESS_MAX: usize = 4_096;

/// The requests that wait.
#[derive(Default)]
pub(crate) struct Polls(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// A place among those who wait, until it is dropped.
pub(crate) struct Place {
    polls: Arc<Polls>,
    address: Option<IpAddr>,
}

impl Polls {
    fn with<T>(&self, work: impl FnOnce(&mut Waiting) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes a place.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] when there is none, [`Kind::Throttled`] when the address has too many.
    pub(crate) fn enter(self: &Arc<Self>, address: Option<IpAddr>) -> Result<Place> {
        self.with(|waiting| {
            if waiting.all >= POLLS_MAX {
                return Err(Error::new(Kind::Unavailable, "too many wait for this log; ask again"));
            }
            if let Some(address) = address {
                let of_address = waiting.by_address.entry(address).or_default();
                if *of_address >= POLLS_PER_ADDRESS_MAX {
                    return Err(Error::new(Kind::Throttled, "too many requests from here wait already"));
                }
                *of_address += 1;
            }
            waiting.all += 1;
            Ok(Place { polls: Arc::clone(self), address })
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.polls.with(|waiting| {
            waiting.all = waiting.all.saturating_sub(1);
            if let Some(address) = self.address
                && let Some(of_address) = waiting.by_address.get_mut(&address)
            {
                *of_address -= 1;
                if *of_address == 0 {
                    waiting.by_address.remove(&address);
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_does_not_take_every_place() {
        let polls = Arc::new(Polls::default());
        let one = "192.0.2.1".parse().ok();
        let held: Vec<Place> = (0..POLLS_PER_ADDRESS_MAX).map(|_| polls.enter(one).unwrap()).collect();
        assert_eq!(polls.enter(one).err().unwrap().kind(), Kind::Throttled);
        let other = polls.enter("192.0.2.2".parse().ok()).unwrap();
        drop(held);
        drop(other);
        assert!(polls.enter(one).is_ok());
        assert!(polls.with(|waiting| waiting.all == 0 && waiting.by_address.is_empty()));
    }
}
