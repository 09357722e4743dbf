//! Clients that wait until somebody says for whom they may act.

use std::str::FromStr;

use polder_types::{AccountId, RepoId, Role, Sha256, TokenId, UnixMillis};

use super::{NewRefresh, guesses, refresh};
use crate::row::Row;
use crate::sql::statements;
use crate::tokens::{decode_repos, encode_repos, insert_token};
use crate::tx::{Tx, Verdict};
use crate::value::args;
use crate::{Db, Error, NewToken, Result};

/// Most clients that wait at once.
pub const DEVICE_LOGINS_MAX: i64 = 10_000;
/// Most of them from one address.
pub const DEVICE_LOGINS_PER_ADDRESS_MAX: i64 = 20;

statements! {
    WAITING = "SELECT COUNT(*) FROM device_login WHERE expires > $1";
    WAITING_AT = "SELECT COUNT(*) FROM device_login WHERE expires > $1 AND address = $2";
    INSERT = "INSERT INTO device_login (id, device_hash, user_hash, client, agent, address, state, created_at, expires) \
        VALUES ($1, $2, $3, $4, $5, $6, 'pending', $7, $8) ON CONFLICT (user_hash) DO NOTHING";
    BY_DEVICE = "SELECT id, agent, address, state, created_at, expires, polled_at FROM device_login \
        WHERE device_hash = $1 AND client = $2";
    BY_USER = "SELECT id, agent, address, state, created_at, expires, polled_at FROM device_login \
        WHERE user_hash = $1 AND state = 'pending' AND expires > $2";
    NOTE_POLL = "UPDATE device_login SET polled_at = $2 WHERE id = $1 AND state = 'pending'";
    DENY = "UPDATE device_login SET state = 'denied' WHERE id = $1";
    APPROVE = "UPDATE device_login SET state = 'approved', account = $2, scope = $3, repos = $4, ends = $5, \
        approver = $6 WHERE id = $1";
    APPROVED = "SELECT l.account, l.scope, l.repos, l.ends, l.agent, l.client, l.approver IS NULL OR \
        (NOT t.revoked AND (t.expires IS NULL OR t.expires > $2)) \
        FROM device_login l LEFT JOIN token t ON t.id = l.approver \
        WHERE l.id = $1 AND l.state = 'approved' AND l.expires > $2";
    FINISH = "UPDATE device_login SET state = 'done' WHERE id = $1";
    FORGET = "DELETE FROM device_login WHERE expires <= $1";
}

/// A client about to wait.
#[derive(Debug, Clone)]
pub struct NewDeviceLogin {
    /// Hash of what the client asks with.
    pub device_hash: Sha256,
    /// Hash of what its user types.
    pub user_hash: Sha256,
    /// What the client says it is, which it must say each time.
    pub client: String,
    /// The program, as its user is told.
    pub agent: String,
    /// Where it is.
    pub address: Option<String>,
    /// Until when it waits.
    pub expires: UnixMillis,
}

/// How far a login is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceState {
    /// Nobody said anything.
    Pending,
    /// Somebody agreed; the client does not know.
    Approved,
    /// Somebody refused.
    Denied,
    /// The client has its token.
    Done,
}

impl FromStr for DeviceState {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "pending" => Ok(Self::Pending),
            "approved" => Ok(Self::Approved),
            "denied" => Ok(Self::Denied),
            "done" => Ok(Self::Done),
            _ => Err(format!("`{text}` is no state of a login")),
        }
    }
}

/// A client that waits, or waited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceLogin {
    /// Local id.
    pub id: i64,
    /// The program, as it says.
    pub agent: String,
    /// Where it is.
    pub address: Option<String>,
    /// How far it is.
    pub state: DeviceState,
    /// Since when it waits.
    pub created: UnixMillis,
    /// Until when it waits.
    pub expires: UnixMillis,
    /// When it asked last.
    pub polled: Option<UnixMillis>,
}

/// For whom a client may act, and the most it may do.
#[derive(Debug, Clone)]
pub struct DeviceApproval {
    /// The user.
    pub account: AccountId,
    /// The most it may do.
    pub scope: Role,
    /// The only repositories that it may touch.
    pub repos: Option<Vec<RepoId>>,
    /// When all that it may ends.
    pub ends: Option<UnixMillis>,
    /// The token that says so, which must be good still when the client takes its own.
    pub approver: Option<TokenId>,
}

/// What to do with a client that waits.
#[derive(Debug, Clone)]
pub enum DeviceChange {
    /// Nothing: look at it.
    Look,
    /// Refuse it.
    Deny,
    /// Agree.
    Approve(DeviceApproval),
}

/// What a code that somebody typed led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceFound {
    /// This client, as it was.
    Login(DeviceLogin),
    /// Nothing that waits.
    Unknown,
    /// Nothing was looked for: the account has tried too many wrong ones.
    TooManyGuesses,
}

/// What a client has that asked for its token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceIssued {
    /// A token that works until then.
    Token(TokenId, UnixMillis),
    /// Nothing: the token that agreed works no longer.
    Denied,
    /// Nothing: it has one, or nobody agreed.
    Nothing,
}

impl Db {
    /// Lets a client wait; false if another one has the same code for its user.
    ///
    /// # Errors
    /// [`Error::Conflict`] if too many wait already, at all or at this address.
    pub async fn add_device_login(&self, new: NewDeviceLogin) -> Result<bool> {
        self.write(move |tx| {
            let new = new.clone();
            Box::pin(async move {
                let now = tx.now();
                let all = count(tx.row(WAITING, args![now]).await?)?;
                let here = match new.address.clone() {
                    Some(address) => count(tx.row(WAITING_AT, args![now, address]).await?)?,
                    None => 0,
                };
                if all >= DEVICE_LOGINS_MAX || here >= DEVICE_LOGINS_PER_ADDRESS_MAX {
                    return Err(Error::Conflict { what: "too many logins wait to be agreed to".to_owned() });
                }
                let NewDeviceLogin { device_hash, user_hash, client, agent, address, expires } = new;
                let id = tx.next_id();
                let args = args![id, device_hash, user_hash, client, agent, address, now, expires];
                let is_added = tx.execute(INSERT, args).await? > 0;
                Ok(if is_added { Verdict::Keep(true) } else { Verdict::Discard(false) })
            })
        })
        .await
    }

    /// The login that a client asks about, over ones too for a while.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn device_login(&self, device_hash: Sha256, client: &str) -> Result<Option<DeviceLogin>> {
        self.row(BY_DEVICE, args![device_hash, client]).await?.map(|row| login(&row)).transpose()
    }

    /// Notes that a client has asked now.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn note_device_poll(&self, id: i64) -> Result<()> {
        self.write(move |tx| {
            Box::pin(async move {
                let now = tx.now();
                tx.execute(NOTE_POLL, args![id, now]).await?;
                Ok(Verdict::Keep(()))
            })
        })
        .await
    }

    /// Does something with the client whose user has this code. Wrong codes count for `guesser`, who may try
    /// only so many.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn change_device_login(
        &self,
        user_hash: Sha256,
        guesser: Option<AccountId>,
        change: DeviceChange,
    ) -> Result<DeviceFound> {
        self.write(move |tx| {
            let change = change.clone();
            Box::pin(async move {
                if let Some(account) = guesser
                    && !guesses::may_guess(tx, account).await?
                {
                    return Ok(Verdict::Discard(DeviceFound::TooManyGuesses));
                }
                let now = tx.now();
                let Some(row) = tx.row(BY_USER, args![user_hash, now]).await? else {
                    // Nothing happened that the audit log would tell of.
                    drop(tx.take_audit());
                    if let Some(account) = guesser {
                        guesses::count(tx, account).await?;
                    }
                    return Ok(Verdict::Keep(DeviceFound::Unknown));
                };
                let found = login(&row)?;
                name_login(tx, found.id);
                apply(tx, found.id, change).await?;
                Ok(Verdict::Keep(DeviceFound::Login(found)))
            })
        })
        .await
    }

    /// Gives a client that somebody agreed to its token, once.
    ///
    /// # Errors
    /// Only when the database fails.
    pub async fn finish_device_login(&self, id: i64, tokens: NewRefresh) -> Result<DeviceIssued> {
        self.write(move |tx| {
            Box::pin(async move {
                let now = tx.now();
                let Some(row) = tx.row(APPROVED, args![id, now]).await? else {
                    return Ok(Verdict::Discard(DeviceIssued::Nothing));
                };
                if !row.read::<bool>(6)? {
                    drop(tx.take_audit());
                    tx.execute(DENY, args![id]).await?;
                    return Ok(Verdict::Keep(DeviceIssued::Denied));
                }
                name_login(tx, id);
                let repos: Option<String> = row.read(2)?;
                let ends = row.read::<Option<i64>>(3)?.map(UnixMillis);
                let expires = refresh::until(tokens.token_expires, ends);
                let token = NewToken {
                    account: AccountId(row.read(0)?),
                    hash: tokens.token_hash,
                    scope: row.word(1)?,
                    repos: repos.map(|text| decode_repos(&text)).transpose()?,
                    expires: Some(expires),
                    name: Some(row.read(4)?),
                };
                let token = insert_token(tx, token).await?;
                refresh::insert(tx, token, &tokens, &row.read::<String>(5)?, ends).await?;
                tx.execute(FINISH, args![id]).await?;
                Ok(Verdict::Keep(DeviceIssued::Token(token, expires)))
            })
        })
        .await
    }
}

/// Says of which login what is recorded is, so that a token is traced to who agreed to it.
fn name_login(tx: &mut Tx, id: i64) {
    tx.audit(|entry| drop(entry.detail.insert("login".to_owned(), id.to_string().into())));
}

async fn apply(tx: &mut Tx, id: i64, change: DeviceChange) -> Result<()> {
    match change {
        DeviceChange::Look => {}
        DeviceChange::Deny => drop(tx.execute(DENY, args![id]).await?),
        DeviceChange::Approve(approval) => {
            let DeviceApproval { account, scope, repos, ends, approver } = approval;
            let repos = repos.map(|repos| encode_repos(&repos)).transpose()?;
            tx.execute(APPROVE, args![id, account, scope.as_str(), repos, ends, approver]).await?;
        }
    }
    Ok(())
}

fn count(row: Option<Row>) -> Result<i64> {
    row.map_or(Ok(0), |row| row.read(0))
}

fn login(row: &Row) -> Result<DeviceLogin> {
    Ok(DeviceLogin {
        id: row.read(0)?,
        agent: row.read(1)?,
        address: row.read(2)?,
        state: row.word(3)?,
        created: UnixMillis(row.read(4)?),
        expires: UnixMillis(row.read(5)?),
        polled: row.read::<Option<i64>>(6)?.map(UnixMillis),
    })
}
