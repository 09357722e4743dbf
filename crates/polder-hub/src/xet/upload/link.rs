//! The files of a shard become objects of the repository.

use polder_db::NewBlob;
use polder_types::ReservationId;
use polder_xet::Cut;

use super::files::{At, Placed};
use crate::Hub;
use crate::audit::Entry;
use crate::error::{Error, Result};
use crate::mechanisms::may_have_committed;
use crate::quota::Bill;

/// Most files linked at a time, all of them or none.
const LINKED_AT_ONCE_MAX: usize = 1_000;

impl Hub {
    /// Links files to the repository: from now on they are objects of it. Of as many as are linked at once, all
    /// are or none is; the bytes of those that are not are taken back.
    pub(super) async fn link_placed(
        &self,
        bill: Bill,
        placed: &mut [Placed],
        promised: &[Option<ReservationId>],
        entry: &Entry,
    ) -> Result<()> {
        let mut left = placed;
        for promised in promised.chunks(LINKED_AT_ONCE_MAX) {
            let (some, after) = left.split_at_mut(promised.len().min(left.len()));
            if let Err(error) = self.link_some(bill, some, promised, entry).await {
                self.take_back_placed(after);
                return Err(error);
            }
            left = after;
        }
        Ok(())
    }

    async fn link_some(
        &self,
        bill: Bill,
        placed: &mut [Placed],
        promised: &[Option<ReservationId>],
        entry: &Entry,
    ) -> Result<()> {
        let new = |(placed, promised): (&Placed, &Option<ReservationId>)| {
            let (sha256, size_bytes) = (placed.sha256, placed.size_bytes);
            let entry = entry.clone().with("oid", sha256.to_string()).with("size_bytes", size_bytes);
            let new = match &placed.at {
                At::Linked => return None,
                At::Here => None,
                At::File(id, cut) => Some((*id, Cut::clone(cut))),
            };
            Some(NewBlob { sha256, size_bytes, new, promised: *promised, audit: self.audit_row(entry) })
        };
        let blobs = placed.iter().zip(promised).filter_map(new).collect();
        let linked = match bill.counting(&self.db).publish_blobs(bill.repo, blobs).await {
            Ok(Some(linked)) => linked,
            Ok(None) => {
                self.take_back_placed(placed);
                return Err(Error::unavailable("an object was removed meanwhile; try again"));
            }
            Err(error) => {
                if !may_have_committed(&error) {
                    self.take_back_placed(placed);
                }
                return Err(error.into());
            }
        };
        let new = placed.iter_mut().filter(|placed| !matches!(placed.at, At::Linked));
        for (placed, blob) in new.zip(linked) {
            placed.xet = blob.xet;
            if matches!(placed.at, At::File(id, _) if id != blob.id) {
                self.take_back_placed(std::slice::from_ref(placed));
            }
        }
        Ok(())
    }

    /// Takes files back that no row knows.
    pub(super) fn take_back_placed(&self, placed: &[Placed]) {
        for placed in placed {
            if let At::File(id, _) = placed.at
                && let Err(error) = self.store.remove_blob(id)
            {
                tracing::warn!(%id, %error, "a blob file without a row stays for the sweep");
            }
        }
    }
}
