//! Renewing a token: its row stays, so that it is listed and revoked as one however often it is renewed.

use polder_types::{Sha256, TokenId, UnixMillis};

use crate::sql::statements;
use crate::tx::{Tx, Verdict};
use crate::value::args;
use crate::{Db, Result};

statements! {
    INSERT = "INSERT INTO token_refresh (token, family, latest, client, expires, ends) \
        VALUES ($1, $2, $3, $4, $5, $6)";
    FIND = "SELECT r.token, r.latest, r.ends FROM token_refresh r JOIN token t ON t.id = r.token \
        WHERE r.family = $1 AND r.client = $2 AND r.expires > $3 AND NOT t.revoked";
    RENEW_TOKEN = "UPDATE token SET hash = $2, expires = $3 WHERE id = $1";
    RENEW = "UPDATE token_refresh SET latest = $2, expires = $3 WHERE token = $1";
    REVOKE = "UPDATE token SET revoked = TRUE WHERE id = $1";
    FORGET = "DELETE FROM token_refresh WHERE expires <= $1 \
        OR token IN (SELECT t.id FROM token t WHERE t.revoked)";
}

/// What a token is renewed with next, and until when all of it works.
#[derive(Debug, Clone, Copy)]
pub struct NewRefresh {
    /// SHA-256 of the token's secret.
    pub token_hash: Sha256,
    /// When it stops working, if nothing ends before.
    pub token_expires: UnixMillis,
    /// SHA-256 of the secret that stays.
    pub family: Sha256,
    /// SHA-256 of the secret that is new.
    pub latest: Sha256,
    /// When the token can be renewed no longer, if nothing ends before.
    pub expires: UnixMillis,
}

/// What became of renewing a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refreshed {
    /// It works until then.
    Renewed(UnixMillis),
    /// The secret was used before: somebody else has it, so the token is revoked.
    Reused(TokenId),
    /// There is no such token, or it is over or revoked.
    Unknown,
}

/// The earlier of a moment and an end that there may be.
pub(super) fn until(moment: UnixMillis, ends: Option<UnixMillis>) -> UnixMillis {
    ends.map_or(moment, |ends| ends.min(moment))
}

/// Stores what a new token is renewed with.
pub(super) async fn insert(
    tx: &mut Tx,
    token: TokenId,
    new: &NewRefresh,
    client: &str,
    ends: Option<UnixMillis>,
) -> Result<()> {
    let args = args![token, new.family, new.latest, client, until(new.expires, ends), ends];
    tx.execute(INSERT, args).await.map(drop)
}

impl Db {
    /// Gives the token of `new.family` another secret if `shown` is the one that came with its last, and the
    /// same client asks.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn refresh_token(&self, shown: Sha256, client: String, new: NewRefresh) -> Result<Refreshed> {
        self.write(move |tx| {
            let client = client.clone();
            Box::pin(async move {
                let now = tx.now();
                let Some(row) = tx.row(FIND, args![new.family, client, now]).await? else {
                    return Ok(Verdict::Discard(Refreshed::Unknown));
                };
                let (token, latest) = (TokenId(row.read(0)?), row.sha256(1)?);
                let ends: Option<UnixMillis> = row.read::<Option<i64>>(2)?.map(UnixMillis);
                tx.audit(|entry| drop(entry.detail.insert("token".to_owned(), token.to_string().into())));
                if latest != shown {
                    tx.audit(|entry| drop(entry.detail.insert("is_reuse".to_owned(), true.into())));
                    tx.execute(REVOKE, args![token]).await?;
                    return Ok(Verdict::Keep(Refreshed::Reused(token)));
                }
                let expires = until(new.token_expires, ends);
                tx.execute(RENEW_TOKEN, args![token, new.token_hash, expires]).await?;
                tx.execute(RENEW, args![token, new.latest, until(new.expires, ends)]).await?;
                Ok(Verdict::Keep(Refreshed::Renewed(expires)))
            })
        })
        .await
    }
}
