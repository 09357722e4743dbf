//! What the operator will not have here: repositories and hubs that are mirrored, and large objects.

use std::fmt;
use std::str::FromStr;

use polder_db::{Blocked, NameState};
use polder_log::Origin;
use polder_types::{AccountName, RepoName, Sha256};
use tokio::runtime::Handle;

use crate::Hub;
use crate::audit::Entry;
use crate::blocking::to_the_end;
use crate::error::{Error, Kind, Result};
use crate::takedown::checked_reason;

const OBJECT: &str = "sha256:";
const ORIGIN: &str = "origin:";

/// What is blocked, as the operator writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlockTarget {
    /// `datasets/acme.hub.example.org/d`, or with a short name of the namespace.
    Repo(RepoName),
    /// `acme.hub.example.org`, or a short name.
    Namespace(AccountName),
    /// `origin:hub.example.org`
    Origin(Origin),
    /// `sha256:…`
    Object(Sha256),
}

impl fmt::Display for BlockTarget {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Repo(name) => name.fmt(out),
            Self::Namespace(name) => name.fmt(out),
            Self::Origin(origin) => write!(out, "{ORIGIN}{origin}"),
            Self::Object(oid) => write!(out, "{OBJECT}{oid}"),
        }
    }
}

impl FromStr for BlockTarget {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        fn read<T: FromStr<Err: fmt::Display>>(text: &str) -> Result<T, String> {
            text.parse().map_err(|error: T::Err| error.to_string())
        }
        if let Some(oid) = text.strip_prefix(OBJECT) {
            return read(oid).map(Self::Object);
        }
        if let Some(origin) = text.strip_prefix(ORIGIN) {
            return read(origin).map(Self::Origin);
        }
        if text.contains('/') { read(text).map(Self::Repo) } else { read(text).map(Self::Namespace) }
    }
}

impl Hub {
    /// Has nothing of it here from now on; nobody else is told.
    ///
    /// # Errors
    /// [`Kind::Invalid`] without a reason, or for what is this hub's own; [`Kind::Conflict`] when it is blocked
    /// already.
    pub async fn block(&self, target: &BlockTarget, reason: &str) -> Result<()> {
        let (reason, what) = (checked_reason(reason)?, self.meant(target).await?);
        let entry = Entry::operator("block.add").with("what", target.to_string());
        let entry = entry.with("reason", reason.as_str());
        let (hub, target) = (self.clone(), target.clone());
        to_the_end(async move {
            if !hub.audited(entry).block(what, reason).await? {
                return Err(Error::new(Kind::Conflict, format!("`{target}` is blocked already")));
            }
            hub.after_block();
            Ok(())
        })
        .await
    }

    /// Takes a block back: what nothing else forbids is served again as it was, and brought up to date.
    ///
    /// # Errors
    /// [`Kind::NotFound`] when it is not blocked.
    pub async fn unblock(&self, target: &BlockTarget) -> Result<()> {
        let what = self.meant(target).await?;
        let entry = Entry::operator("block.remove").with("what", target.to_string());
        let hub = self.clone();
        to_the_end(async move {
            hub.audited(entry).unblock(what).await?;
            hub.after_block();
            Ok(())
        })
        .await
    }

    /// All that is blocked.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list_blocks(&self) -> Result<Vec<polder_db::Block>> {
        Ok(self.db.list_blocks().await?)
    }

    fn after_block(&self) {
        self.names.clear();
        self.follow_bell.notify_one();
        self.mirrors_bell.send_replace(());
    }

    /// Fails if the operator blocked an object.
    pub(crate) async fn refuse_blocked_object(&self, oid: Sha256) -> Result<()> {
        match self.db.blocked_objects(&[oid]).await?.first() {
            Some(oid) => Err(Error::blocked(&format!("object `{oid}`"))),
            None => Ok(()),
        }
    }

    /// Fails if the operator blocked one of some objects. Blocking.
    pub(crate) fn refuse_blocked(&self, oids: &[Sha256]) -> Result<()> {
        match Handle::current().block_on(self.db.blocked_objects(oids))?.first() {
            Some(oid) => Err(Error::blocked(&format!("object `{oid}`"))),
            None => Ok(()),
        }
    }

    /// What an operator means, by names that are the same for everyone.
    async fn meant(&self, target: &BlockTarget) -> Result<Blocked> {
        match target {
            BlockTarget::Object(oid) => Ok(Blocked::Object(*oid)),
            BlockTarget::Origin(origin) => {
                let own = self.db.own_log().await?.is_some_and(|log| log.name.origin == *origin);
                if own {
                    Err(Error::invalid("a hub does not block itself"))
                } else {
                    Ok(Blocked::Origin(origin.to_string()))
                }
            }
            BlockTarget::Namespace(name) => {
                let (handle, origin) = self.remote(name).await?;
                Ok(Blocked::Namespace { origin, handle })
            }
            BlockTarget::Repo(name) => self.meant_repo(name).await,
        }
    }

    async fn meant_repo(&self, name: &RepoName) -> Result<Blocked> {
        // A former name means the repository as it is called now.
        let name = match self.name_state(name).await? {
            Some(NameState::Live(repo) | NameState::Moved(repo)) => repo.name,
            Some(NameState::Retired) | None => name.clone(),
        };
        let (handle, origin) = self.remote(name.namespace()).await?;
        let (prefix, last) = (name.kind().prefix(), name.name().to_ascii_lowercase());
        let path = format!("{prefix}{handle}/{last}");
        Ok(Blocked::Repo { id: format!("{prefix}{handle}.{origin}/{last}"), origin, path })
    }

    /// The handle and the hub of a namespace of another hub.
    async fn remote(&self, name: &AccountName) -> Result<(String, String)> {
        let fold = match self.db.namespace_of_alias(&name.fold()).await? {
            Some(meant) if !name.is_remote() => meant,
            _ => name.fold(),
        };
        let (handle, origin) = fold.split_once('.').ok_or_else(|| {
            Error::invalid(format!(
                "`{name}` is not of another hub; `polder takedown` takes down what is this hub's"
            ))
        })?;
        Ok((handle.to_owned(), origin.to_owned()))
    }
}
