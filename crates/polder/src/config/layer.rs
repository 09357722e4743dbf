//! The settings as one source gives them: every key optional.

use std::path::PathBuf;

use polder_http::ForwardedHeader;
use serde::{Deserialize, Serialize};

use super::LogFormat;
use super::limits::LimitsLayer;
use super::tls::TlsLayer;

/// What one source says; a later source may say the rest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Layer {
    /// Data directory.
    pub data: Option<PathBuf>,
    /// Address and port to listen on.
    pub listen: Option<String>,
    /// The URL under which clients reach this hub.
    pub public_url: Option<String>,
    /// The database.
    pub database: DatabaseLayer,
    /// Packs and large objects.
    pub store: StoreLayer,
    /// What is logged.
    pub log: LogLayer,
    /// Programs that see every push.
    pub hooks: HooksLayer,
    /// Large objects.
    pub lfs: LfsLayer,
    /// What git clients may do.
    pub git: GitLayer,
    /// Proxies in front.
    pub proxy: ProxyLayer,
    /// TLS of the hub itself.
    pub tls: TlsLayer,
    /// What leaves the hub.
    pub egress: EgressLayer,
    /// Repositories in from elsewhere.
    pub import: ImportLayer,
    /// How much is done at once.
    pub limits: LimitsLayer,
    /// What stays on record.
    pub audit: AuditLayer,
    /// How stored bytes are read again.
    pub scrub: ScrubLayer,
    /// What other hubs are told.
    pub federation: FederationLayer,
    /// Where webhooks may go.
    pub webhooks: WebhooksLayer,
}

/// `[database]`
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct DatabaseLayer {
    /// Where PostgreSQL is; may hold a password.
    pub url: Option<String>,
}

impl std::fmt::Debug for DatabaseLayer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("DatabaseLayer").finish_non_exhaustive()
    }
}

/// `[store]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct StoreLayer {
    /// The directory.
    pub dir: Option<PathBuf>,
}

/// `[log]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct LogLayer {
    /// Level or directives.
    pub level: Option<String>,
    /// How a line looks.
    pub format: Option<LogFormat>,
}

/// `[hooks]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct HooksLayer {
    /// Before a push is accepted.
    pub pre_receive: Option<Vec<PathBuf>>,
    /// After a push was accepted.
    pub post_receive: Option<Vec<PathBuf>>,
    /// Longest run, in seconds.
    pub seconds_max: Option<u64>,
    /// Most memory, in MiB.
    pub memory_mib_max: Option<u64>,
    /// The `PATH` of hooks.
    pub path: Option<String>,
}

/// `[lfs]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct LfsLayer {
    /// Size of the parts that large objects arrive in, in MiB.
    pub part_mib: Option<u64>,
}

/// `[git]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct GitLayer {
    /// Whether push options are taken.
    pub push_options: Option<bool>,
}

/// `[proxy]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ProxyLayer {
    /// Addresses and networks of the proxies.
    pub trusted: Option<Vec<String>>,
    /// Where they name the client.
    pub header: Option<ForwardedHeader>,
}

/// `[egress]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct EgressLayer {
    /// Authorities to trust beside this machine's.
    pub ca_file: Option<PathBuf>,
}

/// `[import]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ImportLayer {
    /// The server of repositories that are imported as `hf:acme/m`.
    pub hugging_face_endpoint: Option<String>,
}

/// `[audit]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct AuditLayer {
    /// How long rows are kept, in days.
    pub keep_days: Option<u64>,
    /// Whether they have the clients' addresses.
    pub addresses: Option<bool>,
}

/// `[scrub]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ScrubLayer {
    /// Bytes read in a second.
    pub rate: Option<String>,
    /// Days from one pass to the next.
    pub every_days: Option<u64>,
}

/// `[webhooks]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct WebhooksLayer {
    /// Hosts at addresses that are not public, by their URLs.
    pub hosts: Option<Vec<String>>,
}

/// `[federation]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct FederationLayer {
    /// Whether other hubs are told of public repositories.
    pub enabled: Option<bool>,
    /// The name by which they know this hub.
    pub origin: Option<String>,
    /// How they reach its operator.
    pub contact: Option<String>,
    /// Where its rules are.
    pub policy: Option<String>,
    /// Hubs that mirror this one.
    pub mirrors: Option<Vec<String>>,
    /// How long events are kept, in days.
    pub keep_days: Option<u64>,
    /// How many days what other hubs took away is kept, hidden.
    pub purge_after_days: Option<u64>,
    /// The largest pack that may come of a followed hub, in GiB.
    pub mirror_pack_max_gib: Option<u64>,
    /// Whether homes are told how often their repositories were downloaded.
    pub stats: Option<bool>,
}

impl FederationLayer {
    fn over(self, below: Self) -> Self {
        Self {
            enabled: self.enabled.or(below.enabled),
            origin: self.origin.or(below.origin),
            contact: self.contact.or(below.contact),
            policy: self.policy.or(below.policy),
            mirrors: self.mirrors.or(below.mirrors),
            keep_days: self.keep_days.or(below.keep_days),
            purge_after_days: self.purge_after_days.or(below.purge_after_days),
            mirror_pack_max_gib: self.mirror_pack_max_gib.or(below.mirror_pack_max_gib),
            stats: self.stats.or(below.stats),
        }
    }

    fn every_key() -> Self {
        let text = || Some(String::new());
        Self {
            enabled: Some(false),
            origin: text(),
            contact: text(),
            policy: text(),
            mirrors: Some(Vec::new()),
            keep_days: Some(0),
            purge_after_days: Some(0),
            mirror_pack_max_gib: Some(0),
            stats: Some(false),
        }
    }
}

impl Layer {
    /// What `self` says, and what `below` says where `self` says nothing.
    #[must_use]
    pub fn over(self, below: Self) -> Self {
        Self {
            data: self.data.or(below.data),
            listen: self.listen.or(below.listen),
            public_url: self.public_url.or(below.public_url),
            database: DatabaseLayer { url: self.database.url.or(below.database.url) },
            store: StoreLayer { dir: self.store.dir.or(below.store.dir) },
            log: LogLayer {
                level: self.log.level.or(below.log.level),
                format: self.log.format.or(below.log.format),
            },
            hooks: HooksLayer {
                pre_receive: self.hooks.pre_receive.or(below.hooks.pre_receive),
                post_receive: self.hooks.post_receive.or(below.hooks.post_receive),
                seconds_max: self.hooks.seconds_max.or(below.hooks.seconds_max),
                memory_mib_max: self.hooks.memory_mib_max.or(below.hooks.memory_mib_max),
                path: self.hooks.path.or(below.hooks.path),
            },
            lfs: LfsLayer { part_mib: self.lfs.part_mib.or(below.lfs.part_mib) },
            git: GitLayer { push_options: self.git.push_options.or(below.git.push_options) },
            proxy: ProxyLayer {
                trusted: self.proxy.trusted.or(below.proxy.trusted),
                header: self.proxy.header.or(below.proxy.header),
            },
            tls: self.tls.over(below.tls),
            egress: EgressLayer { ca_file: self.egress.ca_file.or(below.egress.ca_file) },
            import: ImportLayer {
                hugging_face_endpoint: self
                    .import
                    .hugging_face_endpoint
                    .or(below.import.hugging_face_endpoint),
            },
            limits: self.limits.over(below.limits),
            audit: AuditLayer {
                keep_days: self.audit.keep_days.or(below.audit.keep_days),
                addresses: self.audit.addresses.or(below.audit.addresses),
            },
            scrub: ScrubLayer {
                rate: self.scrub.rate.or(below.scrub.rate),
                every_days: self.scrub.every_days.or(below.scrub.every_days),
            },
            federation: self.federation.over(below.federation),
            webhooks: WebhooksLayer { hosts: self.webhooks.hosts.or(below.webhooks.hosts) },
        }
    }

    /// Every path in it, to resolve against the directory of its file.
    pub fn paths_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let hooks = [&mut self.hooks.pre_receive, &mut self.hooks.post_receive];
        let hooks = hooks.into_iter().flatten().flatten();
        let egress = self.egress.ca_file.iter_mut();
        self.data.iter_mut().chain(&mut self.store.dir).chain(hooks).chain(egress).chain(self.tls.paths_mut())
    }

    /// A value in which every key is set, so that the list of keys can be read off it.
    pub(super) fn every_key() -> Self {
        Self {
            data: Some(PathBuf::new()),
            listen: Some(String::new()),
            public_url: Some(String::new()),
            database: DatabaseLayer { url: Some(String::new()) },
            store: StoreLayer { dir: Some(PathBuf::new()) },
            log: LogLayer { level: Some(String::new()), format: Some(LogFormat::Plain) },
            hooks: HooksLayer {
                pre_receive: Some(Vec::new()),
                post_receive: Some(Vec::new()),
                seconds_max: Some(0),
                memory_mib_max: Some(0),
                path: Some(String::new()),
            },
            lfs: LfsLayer { part_mib: Some(0) },
            git: GitLayer { push_options: Some(false) },
            proxy: ProxyLayer { trusted: Some(Vec::new()), header: Some(ForwardedHeader::default()) },
            tls: TlsLayer::every_key(),
            egress: EgressLayer { ca_file: Some(PathBuf::new()) },
            import: ImportLayer { hugging_face_endpoint: Some(String::new()) },
            limits: LimitsLayer::every_key(),
            audit: AuditLayer { keep_days: Some(0), addresses: Some(false) },
            scrub: ScrubLayer { rate: Some(String::new()), every_days: Some(0) },
            federation: FederationLayer::every_key(),
            webhooks: WebhooksLayer { hosts: Some(Vec::new()) },
        }
    }
}
