//! Taking an xorb.

use polder_blob::StagedXorb;
use polder_db::{NewXorb, Staging};
use polder_types::StagedXorbId;
use polder_xet::XorbHash;

use super::{KEPT_SECONDS, number};
use crate::Hub;
use crate::access::{Contributes, Grant};
use crate::blocking::{in_place, to_the_end};
use crate::body::{BodyStream, next};
use crate::error::{Error, Result};
use crate::mechanisms::may_have_committed;
use crate::quota::Bill;

impl Hub {
    /// Takes an xorb for a repository: its bytes are read and proven whether or not they are here already, so
    /// that nothing tells who has what.
    ///
    /// A few hundred kilobytes may unpack to an xorb's 64 MiB. How much work one sender makes of that is bounded by
    /// the places for uploads: an xorb is unpacked in its place while it arrives, up to its bound, and one account has
    /// [`crate::Limits::per_client_max`] of [`crate::Limits::uploads_max`] places, whoever waits longest with the
    /// fewest being next. Counting wrong xorbs would bound no more: right ones, sent again, cost the same and must
    /// be answered alike.
    ///
    /// # Errors
    /// [`crate::Kind::Invalid`] for bytes that are not this xorb, [`crate::Kind::OverQuota`],
    /// [`crate::Kind::Full`]; [`crate::Kind::Throttled`] and [`crate::Kind::Unavailable`] when no place came
    /// free, or too many wait for their files.
    pub async fn xet_take_xorb<L: Contributes>(
        &self,
        grant: &Grant<L>,
        hash: XorbHash,
        body: BodyStream,
    ) -> Result<()> {
        let taken = self.take_xorb(grant, hash, body).await;
        if let Err(error) = &taken {
            self.record_refusal(grant.entry("xet.xorb").with("xorb", hash.to_string()), error).await;
        }
        taken
    }

    async fn take_xorb<L>(&self, grant: &Grant<L>, hash: XorbHash, body: BodyStream) -> Result<()> {
        let repo = grant.repo_id();
        let account = grant.actor().ok_or_else(|| Error::hidden(true, ""))?;
        let place = self.uploads.enter(grant.share()).await?;
        let bill = self.bill(grant);
        self.require_room(bill).await?;
        let staged = self.stage_xorb(hash, body).await?;
        let id = StagedXorbId(self.db.next_id());
        let (size_bytes, chunks) = (number(staged.size_bytes()), number(staged.chunks()));
        let new = NewXorb { id, repo, account, xorb: hash, size_bytes, chunks };
        let (hub, expires) = (self.clone(), self.clock.now().plus_seconds(KEPT_SECONDS));
        to_the_end(async move {
            hub.leaf.run(move || Ok(staged.keep(id)?)).await?;
            let kept = bill.counting(&hub.db).stage_xorb(new, expires).await;
            let is_nobodys = match &kept {
                Ok(staging) => *staging == Staging::TooMany,
                Err(error) => !may_have_committed(error),
            };
            if is_nobodys && let Err(error) = in_place(|| hub.store.remove_xorb(id)) {
                tracing::warn!(%id, %error, "the file of an xorb stays for the sweep");
            }
            drop(place);
            match kept? {
                Staging::Staged => Ok(()),
                // What is sent again may be sent because the file that waits has changed since.
                Staging::Known(known) => Ok(in_place(|| hub.store.replace_xorb(known, id))?),
                Staging::TooMany => {
                    Err(Error::unavailable("too many of your uploads are not finished; try again later"))
                }
            }
        })
        .await
    }

    /// Refuses what comes when there is no room at all; how much it takes is known at its end.
    async fn require_room(&self, bill: Bill) -> Result<()> {
        match self.room(bill).await? {
            Some(room) if room.bytes_left == 0 => Err(room.exceeded()),
            _ => Ok(()),
        }
    }

    async fn stage_xorb(&self, hash: XorbHash, mut body: BodyStream) -> Result<StagedXorb> {
        let mut stage = in_place(|| self.store.stage_xorb())?;
        let of_this = |error: polder_blob::Error| match error {
            polder_blob::Error::Xorb(error) => {
                Error::invalid(format!("xorb {hash}: {error}; nothing was stored"))
            }
            error => error.into(),
        };
        while let Some(bytes) = next(&mut body).await {
            let bytes = bytes.map_err(|error| {
                Error::invalid("the upload was cut short; nothing was stored").caused_by(error)
            })?;
            in_place(|| stage.write(&bytes)).map_err(of_this)?;
        }
        in_place(|| stage.finish_as(hash)).map_err(of_this)
    }
}
