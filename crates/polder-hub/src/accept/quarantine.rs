//! Packs that arrive: first where nothing refers to them, then durable.

use std::io::Read;

use polder_blob::Scratch;
use polder_db::{NewPack, PackClass};
use polder_git::{IndexLimits, Place, Received};
use polder_types::{PackId, failpoint};
use tokio::runtime::Handle;

use super::Say;
use crate::Hub;
use crate::body::Bounded;
use crate::error::{Error, Result};
use crate::quota::Bill;

/// What git sends where no object is missing: a header and a hash.
const EMPTY_PACK_BYTES: u64 = 32;

/// Objects in quarantine, indexed but not yet trusted.
pub(crate) struct Quarantined {
    pub(crate) received: Option<Received>,
    pub(crate) scratch: Scratch,
}

impl Hub {
    /// Streams a pack into quarantine and indexes it; stops where there is no more room. Blocking.
    pub(crate) fn quarantine(&self, bill: Bill, body: &mut dyn Read, say: Say<'_>) -> Result<Quarantined> {
        let room = Handle::current().block_on(self.room(bill))?;
        let scratch = self.store.quarantine()?;
        let id = PackId(self.db.next_id());
        let bytes_max = room.as_ref().map_or(u64::MAX, |room| room.bytes_left.max(EMPTY_PACK_BYTES));
        let mut body = Bounded::new(body, bytes_max);
        let received = polder_git::index_pack(id, &mut body, scratch.path(), &IndexLimits::default(), say);
        let received = match (received, room) {
            (Err(_), Some(room)) if body.is_exceeded() => return Err(room.exceeded()),
            (received, _) => received?,
        };
        failpoint::hit("push.received");
        Ok(Quarantined { received, scratch })
    }

    /// Makes a pack's files durable, if it has files; says whether it has.
    pub(crate) fn publish_pack(&self, received: Option<&Received>) -> Result<bool> {
        let Some(Received { place: Place::Files { pack, index }, pack: opened, .. }) = received else {
            return Ok(false);
        };
        self.store.publish_pack(opened.id(), pack, index)?;
        failpoint::hit("push.published");
        Ok(true)
    }

    pub(crate) fn unpublish(&self, received: Option<&Received>) {
        if let Some(received) = received
            && let Err(error) = self.store.remove_pack(received.pack.id())
        {
            tracing::warn!(%error, "the files of a refused push stay for the sweep");
        }
    }
}

pub(crate) fn new_pack(received: &Received) -> Result<NewPack> {
    Ok(NewPack {
        id: received.pack.id(),
        hash: received.hash,
        bytes: i64::try_from(received.bytes).map_err(Error::internal)?,
        objects: i64::from(received.objects),
        class: PackClass::Push,
        data: match &received.place {
            Place::Memory { pack, index } => Some((pack.clone(), index.clone())),
            Place::Files { .. } => None,
        },
    })
}
