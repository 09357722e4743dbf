//! Recovery kits: the key of a namespace that its owner has and this hub has not.

use std::io;

use polder_db::{Account, Appended, Log, LogAppend, LogEntry, MoveHere, PublishedNamespace};
use polder_log::{
    Body, KitOf, LogHead, Namespace, NamespaceChain, PublicKey, ROTATION_KEYS_MAX, RecoveryKit, SecretKey,
};
use polder_types::{AccountId, AccountName};

use super::author::{Author, entry};
use crate::Hub;
use crate::audit::Entry;
use crate::error::{Error, Kind, Result};
use crate::secret::random;

impl Hub {
    /// Gives the owner of a namespace of this hub a key that outranks the one this hub uses for it, and logs
    /// that. `keep` must make the kit durable: it is kept nowhere else, and logged only then. A kit that there
    /// is already is replaced by who has it, with its key as `old`.
    ///
    /// # Errors
    /// [`Kind::NotFound`] for an unknown namespace, or without a log; [`Kind::Invalid`] for the namespace of
    /// another hub, or a key that may not replace the kit; [`Kind::Conflict`] when there is a kit and no `old`;
    /// [`Kind::Unavailable`] when another node appends to the log. When `keep` fails, nothing is logged.
    pub async fn make_namespace_kit(
        &self,
        name: &AccountName,
        old: Option<SecretKey>,
        keep: impl FnOnce(&RecoveryKit) -> io::Result<()> + Send,
    ) -> Result<()> {
        let account = self.account(name).await?;
        if !self.db.is_at_home(account.id).await? {
            let message = format!("`{name}` is at home on another hub: its kit is made there");
            return Err(Error::invalid(message));
        }
        let (_lead, held, log) = self.leading().await?;
        let (chain, mut entries) = match self.namespace_of(&log, &account).await? {
            Some(chain) => (chain, Vec::new()),
            None => self.begin_namespace(&log, &account)?,
        };
        let hub_key = self.keys.namespaces().key(account.id);
        let signer = signer(&chain, &hub_key, old)?;
        let seed = random::<32>()?;
        let of = KitOf::Namespace { home: log.name.origin.clone(), handle: account.name.to_string() };
        let kit = RecoveryKit::new(of, &seed);
        let next = with_kit(&chain.namespace, &hub_key.public(), kit.key().public());
        let op = chain.operation(log.name.clone(), self.clock.now(), random()?, next);
        let op = op.seal(&[&signer]).map_err(Error::internal)?;
        let chain = chain.next(&op).map_err(Error::internal)?;
        keep(&kit).map_err(|error| Error::invalid("the kit cannot be written there").caused_by(error))?;
        entries.push(entry(&op));
        let append = LogAppend { sequenced: Some((held.lease, log.fact_seq)), ..log.append(entries) };
        let said = PublishedNamespace { nsid: chain.nsid, seq: chain.seq, head: chain.head };
        let entry = Entry::operator("namespace.kit").with("namespace", account.name.as_str());
        if self.audited(entry).append_ops(append, account.id, said).await? == Appended::Raced {
            return Err(Error::unavailable("another node appends to the log; try again"));
        }
        self.sign(log.id).await
    }

    /// Logs the operation that moves a namespace to this hub, signed with a key of its recovery kit, and writes
    /// what `make` makes of it in the same write.
    pub(crate) async fn log_move(
        &self,
        chain: &NamespaceChain,
        kit: &SecretKey,
        cut: LogHead,
        account: AccountId,
        audit: Entry,
        make: impl FnOnce(LogAppend, NamespaceChain) -> MoveHere + Send,
    ) -> Result<()> {
        let (_lead, held, log) = self.leading().await?;
        let keys = (&kit.public(), self.keys.namespaces().key(account).public());
        let op = chain.move_to(log.name.clone(), self.clock.now(), random()?, cut, keys);
        let op = op.seal(&[kit]).map_err(Error::internal)?;
        let next = chain.next(&op).map_err(Error::internal)?;
        let sequenced = Some((held.lease, log.fact_seq));
        let append = LogAppend { sequenced, ..log.append(vec![entry(&op)]) };
        if self.audited(audit).move_here(make(append, next)).await? == Appended::Raced {
            return Err(Error::unavailable("another node appends to the log; try again"));
        }
        self.sign(log.id).await
    }

    /// An account's namespace as this hub's log has it, if it says anything of it.
    async fn namespace_of(&self, log: &Log, account: &Account) -> Result<Option<NamespaceChain>> {
        let Some(said) = self.db.published_namespace(account.id).await? else { return Ok(None) };
        let mut bodies = Vec::new();
        for (_, sha256) in self.db.namespace_ops(log.id, said.nsid).await? {
            bodies.push(Body::decode(&self.log_body(sha256).await?).map_err(Error::internal)?);
        }
        NamespaceChain::follow(&bodies).map(Some).map_err(Error::internal)
    }

    /// Begins the namespace of an account of which nothing is public yet.
    fn begin_namespace(&self, log: &Log, account: &Account) -> Result<(NamespaceChain, Vec<LogEntry>)> {
        let author = Author { log: log.name.clone(), keys: self.keys.namespaces() };
        let body = author.creation(account.id, account.name.as_str(), self.clock.now())?;
        let chain = NamespaceChain::start(&body).map_err(Error::internal)?;
        Ok((chain, vec![entry(&body)]))
    }
}

/// Which key may give the namespace another kit.
fn signer(chain: &NamespaceChain, hub: &SecretKey, old: Option<SecretKey>) -> Result<SecretKey> {
    let first = chain.namespace.rotation.first();
    match old {
        None if first == Some(&hub.public()) => Ok(hub.clone()),
        None => Err(Error::new(
            Kind::Conflict,
            "this namespace has a recovery kit already; who has it can replace it with `--replace FILE`",
        )),
        Some(old) if first == Some(&old.public()) && old.public() != hub.public() => Ok(old),
        Some(_) => Err(Error::invalid("this is not the newest recovery kit of this namespace")),
    }
}

/// The namespace with a kit's key above all others; the one of the kit before is gone.
fn with_kit(namespace: &Namespace, hub: &PublicKey, kit: PublicKey) -> Namespace {
    let has_kit = namespace.rotation.first() != Some(hub);
    let kept = namespace.rotation.iter().skip(usize::from(has_kit)).copied();
    let rotation = std::iter::once(kit).chain(kept).take(ROTATION_KEYS_MAX).collect();
    Namespace { rotation, cut: None, ..namespace.clone() }
}
