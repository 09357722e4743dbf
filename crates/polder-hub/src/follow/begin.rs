//! Beginning and ending to follow a hub.

use std::net::{IpAddr, Ipv4Addr};

use polder_db::{FollowRule, LimitChanges, Log, RemoteNamespace, UpstreamState};
use polder_egress::{Host, Scheme, Url};
use polder_log::{LogName, NamespaceChain, Origin, VerifierKey};
use polder_types::{AccountName, Sha256};

use super::peer::About;
use super::select;
use super::sources::SourceSet;
use crate::Hub;
use crate::audit::Entry;
use crate::error::{Error, Kind, Result};

/// Most rules of one upstream.
pub(crate) const RULES_MAX: usize = 100;
/// Most sources of one upstream besides its home.
const SOURCES_MAX: usize = 16;
/// Namespaces of another hub looked through at a time.
const PAGE: i64 = 500;

/// What to follow, and how.
#[derive(Debug, Clone)]
pub struct FollowRequest {
    /// Base of the hub's URLs.
    pub url: String,
    /// Which repositories are taken; the first rule that fits decides.
    pub rules: Vec<FollowRule>,
    /// The key that it must have; without one its host vouches for it.
    pub key: Option<VerifierKey>,
    /// Another epoch of its log, which is followed instead of the one that is followed now.
    pub accept_epoch: Option<u32>,
    /// Bases of the URLs of hubs that mirror it.
    pub sources: Vec<String>,
    /// What becomes of its limits.
    pub limits: LimitChanges,
    /// Namespaces there that get a short name here.
    pub aliases: Vec<(AccountName, AccountName)>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Followed {
    /// The hub's origin.
    pub origin: String,
    /// Events read so far.
    pub events: u64,
}

impl Hub {
    /// Follows a hub, or goes on following it with other rules, which hold for what was heard of before, too:
    /// what is here stays, what is missing is fetched. Its log is read to its present end before this answers.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for a URL that cannot be followed, a hub that is another than its host says, or rules
    /// that are none; [`Kind::Conflict`] when it has another key than before, or a short name is taken;
    /// [`Kind::Unavailable`] when neither it nor, where its key is known, any source answers.
    pub async fn follow(&self, request: FollowRequest) -> Result<Followed> {
        if request.rules.is_empty() || request.rules.len() > RULES_MAX {
            return Err(Error::invalid(format!("a hub is followed by 1 to {RULES_MAX} rules")));
        }
        select::check(request.rules.iter().map(|rule| &rule.pattern))?;
        let url = request.url.trim_end_matches('/').to_owned();
        let named = named_sources(&url, &request.sources)?;
        let about = self.who_is(&url, &named, request.key).await?;
        let opened = self.begin_with(&about, &url, request.accept_epoch).await?;
        let entry = Entry::operator("hub.follow").with("url", url.as_str());
        let entry = if named.is_empty() { entry } else { entry.with("sources", named.join(" ")) };
        self.audited(entry).set_upstream(opened.id, url.clone(), request.rules).await?;
        self.db.change_limits(opened.id, request.limits).await?;
        let upstream = self.db.upstream(opened.id).await?;
        let limits = upstream.map(|upstream| upstream.limits).unwrap_or_default();
        self.intakes.rate(opened.id).set(limits.bytes_per_second);
        self.mirrors_bell.send_replace(());
        self.db.name_sources(opened.id, named).await?;
        let sources = self.read_sources(opened.id).await?;
        let sources = SourceSet::new(self.db.clone(), opened.id, sources);
        let events = self.read_to_the_end(&sources).await?;
        self.reselect(opened.id).await?;
        for (handle, alias) in request.aliases {
            self.name_short(opened.id, &url, &handle, alias).await?;
        }
        self.names.clear();
        self.follow_bell.notify_one();
        Ok(Followed { origin: about.log.origin.to_string(), events })
    }

    /// The log of a hub that may be followed, which is believed to be who it is `about`.
    ///
    /// # Errors
    /// As [`Hub::follow`].
    pub(crate) async fn begin_with(
        &self,
        about: &About,
        url: &str,
        accept_epoch: Option<u32>,
    ) -> Result<Log> {
        let About { log, key } = about;
        if let Some(own) = self.db.own_log().await?
            && own.name.origin == log.origin
        {
            return Err(Error::invalid("a hub does not follow itself"));
        }
        if self.db.origin_block(log.origin.as_str()).await?.is_some() {
            return Err(Error::blocked(&format!("hub `{}`", log.origin)));
        }
        let given_up = self.given_up_for(log, accept_epoch).await?;
        let opened = self.db.open_log(log.clone(), key.clone(), false).await?;
        if opened.is_own || opened.key != *key {
            let message = format!("`{url}` signs with another key than before: KeyMismatch");
            return Err(Error::new(Kind::Conflict, message));
        }
        if let Some(old) = given_up {
            let entry = Entry::operator("hub.accept-epoch").with("log", log.to_string().as_str());
            self.audited(entry).accept_epoch(old, opened.id).await?;
            self.names.clear();
        }
        Ok(opened)
    }

    /// The log that is followed of the same origin, if this is another epoch of it and the operator has agreed to
    /// follow that instead.
    async fn given_up_for(&self, name: &LogName, accepted: Option<u32>) -> Result<Option<i64>> {
        for upstream in self.db.list_upstreams().await? {
            let Some(old) = self.db.log(upstream.log).await? else { continue };
            if old.name.origin != name.origin || old.name == *name {
                continue;
            }
            if accepted == Some(name.epoch) && old.name.epoch < name.epoch {
                return Ok(Some(old.id));
            }
            let message = format!(
                "`{}` gives out epoch {} of its log, and epoch {} is followed; to give that up, follow it with \
                 --accept-epoch {}",
                name.origin, name.epoch, old.name.epoch, name.epoch
            );
            return Err(Error::new(Kind::Conflict, message));
        }
        Ok(None)
    }

    /// Who the hub at `url` is: by its own word, or when it does not answer, by that of a hub which mirrors it
    /// and shows what a key that is known has signed.
    async fn who_is(&self, url: &str, sources: &[String], pinned: Option<VerifierKey>) -> Result<About> {
        let home = self.peer(url)?;
        let dead = match home.about().await {
            Ok(about) => {
                check_trust(&url.parse()?, &about, pinned.as_ref())?;
                return Ok(about);
            }
            Err(error) => error.of(home.name()),
        };
        let key = match pinned {
            Some(key) => Some(key),
            None => self.key_of_followed(url).await?,
        };
        let Some(key) = key else { return Err(dead) };
        for source in sources {
            if let Ok(about) = self.mirror_at(source, &key, true)?.about().await {
                return Ok(about);
            }
        }
        Err(dead)
    }

    /// The key of the hub that is, or was, followed at this URL.
    async fn key_of_followed(&self, url: &str) -> Result<Option<VerifierKey>> {
        let upstreams = self.db.list_upstreams().await?;
        let Some(known) = upstreams.iter().find(|one| one.url == url) else { return Ok(None) };
        Ok(self.db.log(known.log).await?.map(|log| log.key))
    }

    /// Follows a hub no longer; its mirrors stay as they are.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if it is not followed.
    pub async fn unfollow(&self, url: &str) -> Result<()> {
        let url = url.trim_end_matches('/');
        let upstreams = self.db.list_upstreams().await?;
        let known = upstreams.iter().find(|one| one.url == url && one.state != UpstreamState::Unfollowed);
        let known = known.ok_or_else(|| Error::not_found(format!("`{url}` is not followed")))?;
        let db = self.audited(Entry::operator("hub.unfollow").with("url", url));
        db.set_upstream_state(known.log, UpstreamState::Unfollowed, known.evidence.clone(), None).await?;
        self.follow_bell.notify_one();
        Ok(())
    }

    /// Gives a namespace of an upstream a short name, which is that namespace's for ever.
    async fn name_short(&self, log: i64, home: &str, handle: &AccountName, alias: AccountName) -> Result<()> {
        let origin =
            self.db.log(log).await?.ok_or_else(|| Error::internal("a log that is gone"))?.name.origin;
        let chain = self.find_namespace(log, &origin, handle).await?;
        let chain = chain.ok_or_else(|| Error::not_found(format!("`{home}` has no namespace `{handle}`")))?;
        let name = handle.at(origin.as_str()).map_err(|error| Error::invalid(error.to_string()))?;
        let known = RemoteNamespace { name: name.clone(), nsid: chain.nsid, home: home.to_owned() };
        self.db.open_remote_namespace(known).await?;
        Ok(self.db.add_namespace_alias(alias, name).await?)
    }

    /// The namespace of this name that is at home on the hub of a log.
    pub(super) async fn find_namespace(
        &self,
        log: i64,
        origin: &Origin,
        handle: &AccountName,
    ) -> Result<Option<NamespaceChain>> {
        let mut after: Option<Sha256> = None;
        loop {
            let page = self.db.list_log_heads(log, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(None) };
            after = Some(last.rid);
            for head in page.iter().filter(|head| head.leaf.kind.is_namespace()) {
                let Ok(chain) = self.chain_of(log, Some(head.rid)).await else { continue };
                if chain.namespace.handle.eq_ignore_ascii_case(handle.as_str())
                    && chain.namespace.home == *origin
                {
                    return Ok(Some(chain));
                }
            }
        }
    }
}

/// The sources that an operator named, as they are written down.
fn named_sources(home: &str, sources: &[String]) -> Result<Vec<String>> {
    let mut named = Vec::new();
    for source in sources {
        let source = source.trim_end_matches('/').to_owned();
        let _is_one: Url = source.parse()?;
        if source != home && !named.contains(&source) {
            named.push(source);
        }
    }
    if named.len() > SOURCES_MAX {
        return Err(Error::invalid(format!("a hub is followed through {SOURCES_MAX} others at most")));
    }
    Ok(named)
}

/// Whether a hub may be believed to be who it says: by a key that the operator gave, or by the host that TLS
/// vouches for. In clear only this machine vouches for itself.
pub(super) fn check_trust(url: &Url, about: &About, pinned: Option<&VerifierKey>) -> Result<()> {
    let said = &about.log.origin;
    if let Some(pinned) = pinned {
        return if *pinned == about.key {
            Ok(())
        } else {
            Err(Error::invalid(format!("the hub `{said}` has another key than the one given")))
        };
    }
    let origin = url.origin();
    let is_loopback = match origin.host() {
        Host::Address(address) => address.is_loopback(),
        Host::Name(name) => name == "localhost",
    };
    if origin.scheme() == Scheme::Http && !is_loopback {
        return Err(Error::invalid(format!(
            "over plain http nobody vouches for `{said}`: give its key with --key"
        )));
    }
    let usual = match origin.scheme() {
        Scheme::Http => 80,
        Scheme::Https => 443,
    };
    let port = Some(origin.port()).filter(|port| *port != usual);
    let host = match origin.host() {
        Host::Address(IpAddr::V6(_)) => return Err(Error::invalid("a hub at such an address needs --key")),
        Host::Name(name) if name == "localhost" => Ipv4Addr::LOCALHOST.to_string(),
        host => host.to_string(),
    };
    let expected = Origin::of(&host, port).map_err(|error| Error::invalid(error.to_string()))?;
    let named = Origin::of(&origin.host().to_string(), port).ok();
    if expected == *said || named.as_ref() == Some(said) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "the hub at this URL says that it is `{said}`, not `{expected}`: give its key with --key"
    )))
}

#[cfg(test)]
mod tests {
    use polder_log::SecretKey;

    use super::*;

    fn about(origin: &str, seed: u8) -> About {
        let origin: Origin = origin.parse().unwrap();
        let key = VerifierKey::new(origin.as_str(), SecretKey::new(&[seed; 32]).public()).unwrap();
        About { log: LogName { origin, epoch: 1 }, key }
    }

    #[test]
    fn a_host_vouches_for_itself_and_a_key_for_anyone() {
        let check = |url: &str, about: &About, key: Option<&VerifierKey>| {
            check_trust(&url.parse().unwrap(), about, key)
        };
        let hub = about("hub.example.org", 1);
        assert!(check("https://hub.example.org", &hub, None).is_ok());
        assert!(check("https://hub.example.org:8443", &about("hub.example.org_8443", 1), None).is_ok());
        assert!(check("http://127.0.0.1:8080", &about("127.0.0.1_8080", 1), None).is_ok());
        for url in [
            "https://evil.example.org",
            "https://hub.example.org:8443",
            "http://hub.example.org",
            "http://127.0.0.1:80",
        ] {
            assert_eq!(check(url, &hub, None).unwrap_err().kind(), Kind::Invalid, "{url}");
        }
        assert!(check("http://10.0.0.1:80", &hub, Some(&hub.key)).is_ok());
        assert!(check("https://hub.example.org", &hub, Some(&about("hub.example.org", 2).key)).is_err());
    }
}
