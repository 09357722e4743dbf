//! What is promised to uploads under way.

use polder_types::{AccountId, RepoId, ReservationId, UnixMillis};

use super::{Change, charge, namespace_of};
use crate::row::Row;
use crate::sql::statements;
use crate::tx::{Tx, Verdict};
use crate::value::args;
use crate::{Db, Result, contributed};

statements! {
    INSERT_RESERVATION = "INSERT INTO reservation (id, ns, bytes, survives, expires, contributor) \
        VALUES ($1, $2, $3, $4, $5, $6)";
    TAKE_RESERVATION = "DELETE FROM reservation WHERE id = $1 RETURNING ns, bytes";
    LAPSED = "SELECT id FROM reservation WHERE expires <= $1 ORDER BY expires LIMIT $2";
    LEFT_BEHIND = "SELECT id FROM reservation WHERE NOT survives LIMIT $1";
}

/// Most reservations looked at in one go.
const LAPSED_PAGE: i64 = 500;

impl Db {
    /// Promises `bytes` of the namespace of `repo` to an upload until `expires`. One that does not
    /// survive is also released by [`Db::release_left_behind`].
    ///
    /// # Errors
    /// [`crate::Error::OverQuota`]; [`crate::Error::NotFound`] if there is no such repository.
    pub async fn reserve(
        &self,
        repo: RepoId,
        bytes: i64,
        survives: bool,
        expires: UnixMillis,
    ) -> Result<ReservationId> {
        self.write(move |tx| {
            Box::pin(async move {
                let namespace = namespace_of(tx, repo).await?;
                let id = ReservationId(tx.next_id());
                promise(tx, id, namespace, bytes, survives, expires).await?;
                Ok(Verdict::Keep(id))
            })
        })
        .await
    }

    /// A handle whose next write of a large object or a link uses what was promised to it.
    #[must_use]
    pub fn spending(&self, reservation: Option<ReservationId>) -> Self {
        self.with(|goes_along| goes_along.reservation = reservation)
    }

    /// Takes a promise back; nothing happens if it was used or taken back before.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn release(&self, reservation: ReservationId) -> Result<()> {
        self.write(move |tx| {
            Box::pin(async move {
                take_back(tx, reservation).await?;
                Ok(Verdict::Keep(()))
            })
        })
        .await
    }

    /// Takes back every promise whose time is over; how many.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn release_lapsed(&self, now: UnixMillis) -> Result<usize> {
        let mut released = 0;
        loop {
            let page = self.rows(LAPSED, args![now, LAPSED_PAGE]).await?;
            if page.is_empty() {
                return Ok(released);
            }
            released += self.release_each(&page).await?;
        }
    }

    /// Takes back the promises to requests of a process that is gone; how many. Call before the first
    /// request, and only if no other process can hold any: with an embedded database.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn release_left_behind(&self) -> Result<usize> {
        let mut released = 0;
        loop {
            let page = self.rows(LEFT_BEHIND, args![LAPSED_PAGE]).await?;
            if page.is_empty() {
                return Ok(released);
            }
            released += self.release_each(&page).await?;
        }
    }

    async fn release_each(&self, ids: &[Row]) -> Result<usize> {
        for row in ids {
            self.release(ReservationId(row.read(0)?)).await?;
        }
        Ok(ids.len())
    }
}

/// Promises bytes of a namespace under an id that no promise has.
///
/// # Errors
/// [`crate::Error::OverQuota`], [`crate::Error::OverContribution`].
pub(crate) async fn promise(
    tx: &mut Tx,
    id: ReservationId,
    namespace: AccountId,
    bytes: i64,
    survives: bool,
    expires: UnixMillis,
) -> Result<()> {
    charge(tx, namespace, Change { reserved: bytes, ..Change::default() }).await?;
    let contributor = tx.contributor();
    let account = contributor.map(|contributor| contributor.account);
    tx.execute(INSERT_RESERVATION, args![id, namespace, bytes, survives, expires, account]).await?;
    match contributor {
        Some(contributor) => contributed::check(tx, namespace, contributor).await,
        None => Ok(()),
    }
}

/// Takes a promise back, if it was not used or taken back before.
pub(crate) async fn take_back(tx: &mut Tx, reservation: ReservationId) -> Result<()> {
    match take(tx, reservation).await? {
        Some((namespace, bytes)) => {
            charge(tx, namespace, Change { reserved: -bytes, ..Change::default() }).await
        }
        None => Ok(()),
    }
}

pub(super) async fn take(tx: &mut Tx, reservation: ReservationId) -> Result<Option<(AccountId, i64)>> {
    let row = tx.row(TAKE_RESERVATION, args![reservation]).await?;
    row.map(|row| Ok((AccountId(row.read(0)?), row.read(1)?))).transpose()
}
