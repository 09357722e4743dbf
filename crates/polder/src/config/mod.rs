//! The configuration: flags over `POLDER_*` over the file over the defaults.

mod database;
mod environment;
mod layer;
mod limits;
mod proxy;
mod tls;
mod url;

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use database::DatabaseUrl;
pub use environment::Environment;
pub use layer::{AuditLayer, FederationLayer, GitLayer, HooksLayer, Layer, LogLayer, ProxyLayer, ScrubLayer};
pub use limits::LimitsLayer;
pub use tls::{AcmeLayer, CertificateSource, Tls, TlsLayer};
pub use url::PublicUrl;

use polder_http::TrustedProxies;
use polder_hub::{FederationOptions, ScrubOptions};

use crate::Error;
use crate::cli::{Common, Serve};
use crate::size::parse_size_or_none;

/// Where data goes when nothing says otherwise, relative to the working directory.
pub const DATA_DEFAULT: &str = "./polder-data";
/// Where the hub listens when nothing says otherwise.
pub const LISTEN_DEFAULT: &str = "127.0.0.1:8080";
/// Large enough that most model files of today are a few parts, small enough that sending one again is
/// a matter of seconds.
const LFS_PART_MIB_DEFAULT: u64 = 256;
/// Where hooks find programs when nothing says otherwise.
const HOOK_PATH_DEFAULT: &str = "/usr/local/bin:/usr/bin:/bin";
/// Where repositories come from that are imported as `hf:acme/m`.
const HUGGING_FACE_ENDPOINT_DEFAULT: &str = "https://huggingface.co";
/// Longest time that what other hubs took away can be kept, in days.
const PURGE_DAYS_MAX: u64 = 3_650;
/// Largest of the largest packs of mirrors, in GiB.
const MIRROR_PACK_GIB_MAX: u64 = 1 << 10;
/// Longest time between two passes over everything stored, in days.
const SCRUB_DAYS_MAX: u64 = 3_650;
/// Shortest time that events of the log are kept, in days: what they name may be fetched for a week.
const EVENT_DAYS_MIN: u64 = 8;
/// Longest time that rows of the audit log can be kept, in days (100 years).
const AUDIT_DAYS_MAX: u64 = 36_500;
/// Largest configuration file, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Every setting, resolved and checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The data directory.
    pub data: PathBuf,
    /// Whether anything named the data directory, or it is the default.
    pub data_is_chosen: bool,
    /// The PostgreSQL database, if it is not SQLite in the data directory.
    pub database: Option<DatabaseUrl>,
    /// Where packs and large objects are, if not in the data directory.
    pub store_dir: Option<PathBuf>,
    /// Address to listen on.
    pub listen: SocketAddr,
    /// The URL under which clients reach this hub, if it differs from the address.
    pub public_url: Option<PublicUrl>,
    /// What is logged, and how.
    pub log: Log,
    /// Programs that see every push.
    pub hooks: Hooks,
    /// Authorities that the hub trusts beside this machine's, when it connects to others.
    pub egress_ca_file: Option<PathBuf>,
    /// The server of repositories that are imported as `hf:acme/m`.
    pub hugging_face_endpoint: String,
    /// Size of the parts that large LFS objects arrive in, in MiB.
    pub lfs_part_mib: u64,
    /// Whether clients may send push options.
    pub push_options: bool,
    /// Proxies that are believed about where a request comes from.
    pub proxies: TrustedProxies,
    /// How the hub speaks TLS, if it does.
    pub tls: Option<Tls>,
    /// How much is done at once.
    pub limits: polder_hub::Limits,
    /// What a namespace may store that has no quota of its own, in bytes; `None` is no limit.
    pub namespace_bytes: Option<i64>,
    /// What stays on record.
    pub audit: Audit,
    /// How stored bytes are read again.
    pub scrub: ScrubOptions,
    /// What other hubs are told.
    pub federation: FederationOptions,
    /// Hosts at addresses that are not public where webhooks may go, by their URLs.
    pub webhook_hosts: Vec<String>,
    /// For tests: `name[:count]` of the failpoint at which the process dies.
    pub failpoint: Option<String>,
    /// What looks like a mistake but does not stop the hub.
    pub warnings: Vec<String>,
}

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// A level, or `tracing` directives such as `info,polder_git=debug`; none given means the
    /// command's own choice.
    pub level: Option<String>,
    /// How a line looks.
    pub format: LogFormat,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Plain,
    /// One JSON object a line.
    Json,
}

/// Programs that see every push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hooks {
    /// Run before a push is accepted, in this order; one that fails refuses it. Absolute paths.
    pub pre_receive: Vec<PathBuf>,
    /// Run after a push was accepted. Absolute paths.
    pub post_receive: Vec<PathBuf>,
    /// Longest run of one hook, in seconds.
    pub seconds_max: u64,
    /// Most memory of one hook process, in MiB.
    pub memory_mib_max: u64,
    /// The `PATH` of hooks.
    pub path: String,
}

/// What stays on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// How long rows of the audit log are kept, in days.
    pub keep_days: i64,
    /// Whether they have the clients' addresses.
    pub addresses: bool,
}

impl Config {
    /// Reads the file, the environment and the flags.
    ///
    /// # Errors
    /// When the file cannot be read or has a key or value that is not known, with the line; when a
    /// value makes no sense.
    pub fn load(common: &Common, serve: &Serve, environment: &Environment) -> Result<Self, Error> {
        let flags = Layer {
            data: common.data.clone(),
            listen: serve.listen.clone(),
            public_url: serve.public_url.clone(),
            ..Layer::default()
        };
        let file_path = common.config.clone().or_else(|| environment.config_file());
        let file = match &file_path {
            Some(path) => read_file(path)?,
            None => Layer::default(),
        };
        let mut config = Self::resolve(flags.over(environment.layer()?).over(file))?;
        config.failpoint = environment.failpoint();
        config.warnings = environment.unknown();
        Ok(config)
    }

    /// Fills what is missing with defaults and checks every value.
    ///
    /// # Errors
    /// When a value makes no sense; the message names its key.
    pub fn resolve(layer: Layer) -> Result<Self, Error> {
        let LogLayer { level, format } = layer.log;
        let HooksLayer { pre_receive, post_receive, seconds_max, memory_mib_max, path } = layer.hooks;
        let hooks = Hooks {
            pre_receive: hook_paths("hooks.pre-receive", pre_receive)?,
            post_receive: hook_paths("hooks.post-receive", post_receive)?,
            seconds_max: within("hooks.seconds-max", seconds_max.unwrap_or(30), 1, 3_600)?,
            memory_mib_max: within("hooks.memory-mib-max", memory_mib_max.unwrap_or(1_024), 64, 1 << 20)?,
            path: path.unwrap_or_else(|| HOOK_PATH_DEFAULT.to_owned()),
        };
        let tls = layer.tls.resolve()?;
        let public_url = layer.public_url.as_deref().map(PublicUrl::parse).transpose()?;
        if let (Some(_), Some(url)) = (&tls, &public_url)
            && !url.as_str().starts_with("https://")
        {
            return Err(Error::plain(format!(
                "public-url: the hub speaks TLS, so links to {url} would lead to nothing or in clear; \
                 write it with https://"
            )));
        }
        Ok(Self {
            data_is_chosen: layer.data.is_some(),
            data: absolute(layer.data.as_deref().unwrap_or(Path::new(DATA_DEFAULT)))?,
            database: layer.database.url.map(DatabaseUrl::parse).transpose()?,
            store_dir: layer.store.dir.as_deref().map(absolute).transpose()?,
            listen: listen_address(layer.listen.as_deref().unwrap_or(LISTEN_DEFAULT))?,
            public_url,
            log: Log { level: level.map(log_directives).transpose()?, format: format.unwrap_or_default() },
            hooks,
            lfs_part_mib: within(
                "lfs.part-mib",
                layer.lfs.part_mib.unwrap_or(LFS_PART_MIB_DEFAULT),
                1,
                1 << 20,
            )?,
            push_options: layer.git.push_options.unwrap_or(false),
            proxies: proxy::trusted_proxies(layer.proxy)?,
            tls,
            egress_ca_file: layer.egress.ca_file.as_deref().map(absolute).transpose()?,
            hugging_face_endpoint: endpoint(layer.import.hugging_face_endpoint)?,
            limits: limits::limits(&layer.limits)?,
            namespace_bytes: limits::namespace_bytes(&layer.limits)?,
            audit: audit(&layer.audit)?,
            scrub: scrub(&layer.scrub)?,
            federation: federation(layer.federation)?,
            webhook_hosts: layer.webhooks.hosts.unwrap_or_default(),
            failpoint: None,
            warnings: Vec::new(),
        })
    }

    /// `https` or `http`: what the hub speaks where it listens.
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// The URL of the hub when it listens at `address` and none is configured.
    pub fn url_at(&self, address: SocketAddr) -> PublicUrl {
        match self.certified_domain() {
            Some(domain) => PublicUrl::of_domain(domain, address.port()),
            None => PublicUrl::of_address(self.scheme(), address),
        }
    }

    /// The first name that an authority is to certify: clients reach the hub under it.
    pub fn certified_domain(&self) -> Option<&str> {
        match &self.tls.as_ref()?.source {
            CertificateSource::Acme(options) => options.domains.first().map(String::as_str),
            CertificateSource::Files(_) => None,
        }
    }
}

/// Reads a configuration file; relative paths in it start at its own directory.
fn endpoint(url: Option<String>) -> Result<String, Error> {
    let url = url.unwrap_or_else(|| HUGGING_FACE_ENDPOINT_DEFAULT.to_owned());
    if !url.starts_with("https://") && !url.starts_with("http://") || url.contains(['?', '#', '@']) {
        let like = "must be like https://hub.example.org, without a query or a password";
        return Err(Error::plain(format!("import.hugging-face-endpoint: `{url}` {like}")));
    }
    Ok(url)
}

fn read_file(path: &Path) -> Result<Layer, Error> {
    let reading = |source| Error::io("reading the configuration", path, source);
    let size = std::fs::metadata(path).map_err(reading)?.len();
    if size > FILE_BYTES_MAX {
        return Err(Error::plain(format!("`{}` is too large for a configuration", path.display())));
    }
    let text = std::fs::read_to_string(path).map_err(reading)?;
    let mut layer = parse_file(&text)
        .map_err(|problem| Error::plain(format!("configuration `{}`: {problem}", path.display())))?;
    let base = absolute(&path.parent().unwrap_or(Path::new("")).join("."))?;
    for relative in layer.paths_mut() {
        *relative = base.join(&*relative);
    }
    Ok(layer)
}

/// Reads the text of a configuration file; the error starts with the line.
fn parse_file(text: &str) -> Result<Layer, String> {
    toml::from_str(text).map_err(|error: toml::de::Error| {
        let at = error.span().map_or(0, |span| span.start);
        let line = text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
        format!("line {line}: {}", error.message())
    })
}

fn absolute(path: &Path) -> Result<PathBuf, Error> {
    let absolute = std::path::absolute(path).map_err(|source| Error::io("resolving", path, source))?;
    // `/etc/polder/./data` reads better without its dot.
    Ok(absolute.components().collect())
}

/// Hooks are programs, so a missing one is found at start and not at the first push.
fn hook_paths(key: &str, paths: Option<Vec<PathBuf>>) -> Result<Vec<PathBuf>, Error> {
    use std::os::unix::fs::PermissionsExt as _;
    let mut hooks = Vec::new();
    for path in paths.unwrap_or_default() {
        let path = absolute(&path)?;
        match std::fs::metadata(&path) {
            Ok(file) if file.is_file() && file.permissions().mode() & 0o111 != 0 => hooks.push(path),
            Ok(_) => return Err(Error::plain(format!("{key}: `{}` is not a program", path.display()))),
            Err(source) => return Err(Error::io("looking for a hook", &path, source)),
        }
    }
    Ok(hooks)
}

fn within(key: &str, value: u64, least: u64, most: u64) -> Result<u64, Error> {
    if (least..=most).contains(&value) {
        return Ok(value);
    }
    Err(Error::plain(format!("{key}: {value} is not between {least} and {most}")))
}

fn audit(layer: &AuditLayer) -> Result<Audit, Error> {
    let days = within("audit.keep-days", layer.keep_days.unwrap_or(365), 1, AUDIT_DAYS_MAX)?;
    let keep_days = i64::try_from(days).map_err(|error| Error::caused_by("audit.keep-days", error))?;
    Ok(Audit { keep_days, addresses: layer.addresses.unwrap_or(false) })
}

fn federation(layer: FederationLayer) -> Result<FederationOptions, Error> {
    let days = within("federation.keep-days", layer.keep_days.unwrap_or(90), EVENT_DAYS_MIN, AUDIT_DAYS_MAX)?;
    let keep_days = i64::try_from(days).map_err(|error| Error::caused_by("federation.keep-days", error))?;
    let mut options = FederationOptions {
        is_enabled: layer.enabled.unwrap_or(true),
        origin: layer.origin,
        contact: layer.contact,
        policy: layer.policy,
        mirrors: layer.mirrors.unwrap_or_default(),
        keep_days,
        tells_downloads: layer.stats.unwrap_or(true),
        ..Default::default()
    };
    if let Some(gibibytes) = layer.mirror_pack_max_gib {
        let gibibytes = within("federation.mirror-pack-max-gib", gibibytes, 1, MIRROR_PACK_GIB_MAX)?;
        options.mirror_pack_bytes_max = gibibytes << 30;
    }
    if let Some(days) = layer.purge_after_days {
        let days = within("federation.purge-after-days", days, 0, PURGE_DAYS_MAX)?;
        options.purge_after = Duration::from_hours(days.saturating_mul(24));
    }
    Ok(options)
}

fn scrub(layer: &ScrubLayer) -> Result<ScrubOptions, Error> {
    let mut options = ScrubOptions::default();
    if let Some(text) = &layer.rate {
        let wrong = |problem: String| Error::plain(format!("scrub.rate: {problem}"));
        let rate = parse_size_or_none(text).map_err(wrong)?;
        options.bytes_per_second = rate.map(u64::try_from).transpose().map_err(|e| wrong(e.to_string()))?;
    }
    if let Some(days) = layer.every_days {
        let days = within("scrub.every-days", days, 1, SCRUB_DAYS_MAX)?;
        let days = i64::try_from(days).map_err(|error| Error::caused_by("scrub.every-days", error))?;
        options.period_seconds = days.saturating_mul(24 * 3600);
    }
    Ok(options)
}

fn log_directives(text: String) -> Result<String, Error> {
    match tracing_subscriber::EnvFilter::builder().parse(&text) {
        Ok(_) => Ok(text),
        Err(source) => {
            Err(Error::plain(format!("log.level: `{text}` is not a level such as info or debug: {source}")))
        }
    }
}

fn listen_address(text: &str) -> Result<SocketAddr, Error> {
    text.to_socket_addrs().ok().and_then(|mut addresses| addresses.next()).ok_or_else(|| {
        Error::plain(format!("`{text}` is not an address to listen on: write one such as 127.0.0.1:8080"))
    })
}

#[cfg(test)]
mod tests;
