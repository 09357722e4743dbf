//! A client that has no token waits until somebody who has one agrees, on another device (RFC 8628).

use std::net::IpAddr;

use polder_db::{
    DeviceApproval, DeviceChange, DeviceFound, DeviceIssued, DeviceLogin, DeviceState, NewDeviceLogin,
};
use polder_types::{AccountName, Role, UnixMillis};

use super::code::{DEVICE_CODE_BYTES_MAX, RefreshToken, UserCode, new_device_code};
use super::{Issued, NewSecrets, NoToken, client};
use crate::Hub;
use crate::access::Principal;
use crate::admission::Client;
use crate::audit::Entry;
use crate::blocking::to_the_end;
use crate::error::{Error, Kind, Result};
use crate::secret::Secret;

/// How long a client waits, in seconds.
const WAIT_SECONDS: i64 = 900;
/// How often it may ask meanwhile, in seconds.
const POLL_SECONDS: i64 = 5;
/// What is forgiven of that, because networks are not even, in seconds.
const POLL_SLACK_SECONDS: i64 = 1;
/// Longest name of a program that is kept, in characters.
const AGENT_CHARS_MAX: usize = 64;
/// Tries to find a code that nobody has.
const CODE_TRIES_MAX: usize = 4;

/// What a client that begins to wait is told.
#[derive(Debug, Clone)]
pub struct DeviceStart {
    /// What it asks with.
    pub device_code: Secret,
    /// What its user types.
    pub user_code: String,
    /// How long it may wait, in seconds.
    pub expires_in_seconds: i64,
    /// How long it is to wait between two questions, in seconds.
    pub interval_seconds: i64,
}

/// A client that waits, as who may agree is shown it.
#[derive(Debug, Clone)]
pub struct DeviceRequest {
    /// The code, as its user reads it.
    pub user_code: String,
    /// The program, as it says.
    pub agent: String,
    /// Where it is.
    pub address: Option<String>,
    /// Since when it waits.
    pub created: UnixMillis,
    /// The most that the one who looks may let it do.
    pub scope: Role,
    /// What the form that agrees must bring along: another site cannot know it.
    pub form_key: String,
}

impl Hub {
    /// Lets a client wait. `agent` is what it says of itself, `address` where it is, if that is known.
    ///
    /// # Errors
    /// [`NoToken::SlowDown`] when too many wait.
    pub async fn start_device_login(
        &self,
        client_id: &str,
        agent: &str,
        address: Option<IpAddr>,
    ) -> Result<DeviceStart, NoToken> {
        let client = client(client_id)?;
        let agent: String = agent.chars().filter(|c| (' '..='~').contains(c)).take(AGENT_CHARS_MAX).collect();
        let address = address.map(Client::at).and_then(Client::address).map(|ip| ip.to_string());
        let device_code = new_device_code()?;
        for _ in 0..CODE_TRIES_MAX {
            let user_code = UserCode::new()?;
            let new = NewDeviceLogin {
                device_hash: device_code.hash(),
                user_hash: user_code.hash(&self.keys.url),
                client: client.to_owned(),
                agent: agent.clone(),
                address: address.clone(),
                expires: self.clock.now().plus_seconds(WAIT_SECONDS),
            };
            match self.db.add_device_login(new).await {
                Ok(true) => {
                    let user_code = user_code.shown();
                    let (expires_in_seconds, interval_seconds) = (WAIT_SECONDS, POLL_SECONDS);
                    return Ok(DeviceStart { device_code, user_code, expires_in_seconds, interval_seconds });
                }
                Ok(false) => {}
                Err(polder_db::Error::Conflict { .. }) => return Err(NoToken::SlowDown),
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::unavailable("no code is free; try again").into())
    }

    /// Gives a client that waits its token, once somebody agreed.
    ///
    /// # Errors
    /// As [`NoToken`] says.
    pub async fn poll_device_login(&self, device_code: &Secret, client_id: &str) -> Result<Issued, NoToken> {
        let unknown = || NoToken::BadGrant("this device code is not valid here, or was used already");
        let client = client(client_id)?;
        if device_code.reveal().len() > DEVICE_CODE_BYTES_MAX {
            return Err(unknown());
        }
        let login = self.db.device_login(device_code.hash(), client).await?.ok_or_else(unknown)?;
        let now = self.clock.now();
        match login.state {
            DeviceState::Done => return Err(unknown()),
            DeviceState::Denied => return Err(NoToken::Denied),
            DeviceState::Pending | DeviceState::Approved if login.expires <= now => {
                return Err(NoToken::Expired);
            }
            DeviceState::Pending => {
                let patience = POLL_SECONDS - POLL_SLACK_SECONDS;
                if login.polled.is_some_and(|polled| polled.plus_seconds(patience) > now) {
                    return Err(NoToken::SlowDown);
                }
                self.db.note_device_poll(login.id).await?;
                return Err(NoToken::Pending);
            }
            DeviceState::Approved => {}
        }
        let secrets = NewSecrets::new(RefreshToken::new()?, now)?;
        match self.finish(login, &secrets).await? {
            DeviceIssued::Token(_, expires) => Ok(secrets.issued(expires)),
            DeviceIssued::Denied => Err(NoToken::Denied),
            DeviceIssued::Nothing => Err(unknown()),
        }
    }

    async fn finish(&self, login: DeviceLogin, secrets: &NewSecrets) -> Result<DeviceIssued> {
        let entry = Entry::anonymous("token.add").with("program", login.agent);
        let (hub, stored) = (self.clone(), secrets.stored());
        to_the_end(async move {
            let issued = hub.audited(entry).finish_device_login(login.id, stored).await?;
            hub.tokens.clear();
            Ok(issued)
        })
        .await
    }

    /// The client whose user has this code, for someone with a token. Wrong codes count.
    ///
    /// # Errors
    /// [`Kind::Unauthenticated`] without a token, [`Kind::NotFound`] where nothing waits, [`Kind::Throttled`]
    /// after too many wrong codes.
    pub async fn device_request(&self, principal: &Principal, user_code: &str) -> Result<DeviceRequest> {
        let (code, login) = self.change_device(principal, user_code, DeviceChange::Look, None).await?;
        let token = principal.token().ok_or_else(|| Error::hidden(true, ""))?;
        Ok(DeviceRequest {
            user_code: code.shown(),
            agent: login.agent,
            address: login.address,
            created: login.created,
            scope: token.scope,
            form_key: self.form_key(principal, &code),
        })
    }

    /// Lets the client whose user has this code act for the account of `principal`, as much as `scope` says and
    /// the principal's token may, and no longer than that. `form_key` is what [`Hub::device_request`] gave.
    ///
    /// # Errors
    /// As [`Hub::device_request`]; [`Kind::Forbidden`] for another `form_key`.
    pub async fn approve_device(
        &self,
        principal: &Principal,
        user_code: &str,
        form_key: &str,
        scope: Role,
    ) -> Result<()> {
        self.check_form(principal, user_code, form_key)?;
        let token = principal.token().ok_or_else(|| Error::hidden(true, ""))?;
        let scope = scope.min(token.scope);
        let approval = DeviceApproval {
            account: token.account.id,
            scope,
            repos: token.repos.clone(),
            ends: token.expires,
            approver: Some(token.id),
        };
        let entry = Entry::of(principal, "device.approve").with("scope", scope.as_str());
        self.change_device(principal, user_code, DeviceChange::Approve(approval), Some(entry)).await.map(drop)
    }

    /// Refuses it.
    ///
    /// # Errors
    /// As [`Hub::approve_device`].
    pub async fn deny_device(&self, principal: &Principal, user_code: &str, form_key: &str) -> Result<()> {
        self.check_form(principal, user_code, form_key)?;
        let entry = Entry::of(principal, "device.deny");
        self.change_device(principal, user_code, DeviceChange::Deny, Some(entry)).await.map(drop)
    }

    /// Lets it act for a user, as the operator says.
    ///
    /// # Errors
    /// [`Kind::NotFound`] for an unknown user, and where nothing waits with this code.
    pub async fn approve_device_for(&self, user: &AccountName, user_code: &str, scope: Role) -> Result<()> {
        let user = self.user(user).await?;
        let code = UserCode::read(user_code).ok_or_else(no_such_login)?;
        let approval = DeviceApproval { account: user.id, scope, repos: None, ends: None, approver: None };
        let entry = Entry::operator("device.approve").with("user", user.name.as_str());
        let db = self.audited(entry.with("scope", scope.as_str()));
        let hash = code.hash(&self.keys.url);
        match db.change_device_login(hash, None, DeviceChange::Approve(approval)).await? {
            DeviceFound::Login(_) => Ok(()),
            DeviceFound::Unknown | DeviceFound::TooManyGuesses => Err(no_such_login()),
        }
    }

    async fn change_device(
        &self,
        principal: &Principal,
        user_code: &str,
        change: DeviceChange,
        entry: Option<Entry>,
    ) -> Result<(UserCode, DeviceLogin)> {
        let token = principal.token().ok_or_else(|| Error::hidden(true, ""))?;
        let account = token.account.id;
        if token.publisher.is_some() {
            // What it agrees to would outlive the trust in it.
            let message = "this is the token of a trusted publisher; a login takes a person's";
            return Err(Error::new(Kind::Forbidden, message));
        }
        let code = UserCode::read(user_code).ok_or_else(no_such_login)?;
        let hash = code.hash(&self.keys.url);
        match self.audited(entry).change_device_login(hash, Some(account), change).await? {
            DeviceFound::Login(login) => Ok((code, login)),
            DeviceFound::Unknown => Err(no_such_login()),
            DeviceFound::TooManyGuesses => {
                let seconds = u32::try_from(polder_db::GUESS_WINDOW_SECONDS).unwrap_or(u32::MAX);
                Err(Error::throttled("too many wrong codes; wait a quarter of an hour", seconds))
            }
        }
    }

    fn check_form(&self, principal: &Principal, user_code: &str, form_key: &str) -> Result<()> {
        let code = UserCode::read(user_code).ok_or_else(no_such_login)?;
        if self.keys.url.verify(&form_text(principal, &code), form_key) {
            return Ok(());
        }
        Err(Error::new(Kind::Forbidden, "this form was not made for you; open the page again"))
    }

    fn form_key(&self, principal: &Principal, code: &UserCode) -> String {
        self.keys.url.sign(&form_text(principal, code))
    }
}

fn form_text(principal: &Principal, code: &UserCode) -> String {
    let account = principal.account_id().map_or(0, |id| id.0);
    format!("polder/device-form/1\n{account}.{}", code.shown())
}

fn no_such_login() -> Error {
    Error::not_found(
        "no login waits with this code; look whether it is typed as it is shown, and still valid",
    )
}
