//! The name of a hub, and of one of its logs.

use std::fmt;
use std::str::FromStr;

use polder_types::Sha256;

use crate::error::{Error, Result, malformed};
use crate::hash::sha256;

/// Longest origin, in bytes: a host name and a port.
pub const ORIGIN_BYTES_MAX: usize = 253 + 6;

/// The host label of a hub's URL, with `_<port>` when the port is not the scheme's own.
///
/// ```
/// use polder_log::Origin;
/// assert_eq!(Origin::of("Hub.Example.org", None).unwrap().as_str(), "hub.example.org");
/// assert_eq!(Origin::of("127.0.0.1", Some(8080)).unwrap().as_str(), "127.0.0.1_8080");
/// assert!("hub..org".parse::<Origin>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin(String);

impl Origin {
    /// That of a host, and of its port when it is not the scheme's own.
    ///
    /// # Errors
    /// When `host` is neither a host name nor an IPv4 address.
    pub fn of(host: &str, port: Option<u16>) -> Result<Self> {
        let port = port.map(|port| format!("_{port}")).unwrap_or_default();
        format!("{}{port}", host.to_ascii_lowercase()).parse()
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// By which mirrors name the hub in URLs: the hash of the text.
    pub fn sha256(&self) -> Sha256 {
        sha256(&[self.0.as_bytes()])
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl FromStr for Origin {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let (host, port) = text.split_once('_').map_or((text, None), |(host, port)| (host, Some(port)));
        let is_label = |label: &str| {
            !label.is_empty()
                && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        let is_port = |port: &str| port.parse::<u16>().is_ok_and(|n| n > 0 && n.to_string() == port);
        if text.len() <= ORIGIN_BYTES_MAX && host.split('.').all(is_label) && port.is_none_or(is_port) {
            Ok(Self(text.to_owned()))
        } else {
            Err(malformed("an origin", "it is not `host.example.org` or `host.example.org_8443`"))
        }
    }
}

/// One log of a hub: a hub that lost its log begins another epoch.
///
/// ```
/// use polder_log::LogName;
/// let log: LogName = "hub.example.org/polder/1".parse().unwrap();
/// assert_eq!((log.origin.as_str(), log.epoch), ("hub.example.org", 1));
/// assert_eq!(log.to_string(), "hub.example.org/polder/1");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogName {
    /// The hub.
    pub origin: Origin,
    /// From 1.
    pub epoch: u32,
}

impl fmt::Display for LogName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/polder/{}", self.origin, self.epoch)
    }
}

impl FromStr for LogName {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let wrong = || malformed("a log's name", "it is not `<origin>/polder/<epoch>`");
        let (origin, epoch) = text.split_once("/polder/").ok_or_else(wrong)?;
        let log = Self { origin: origin.parse()?, epoch: epoch.parse().map_err(|_source| wrong())? };
        if log.epoch > 0 && log.to_string() == text { Ok(log) } else { Err(wrong()) }
    }
}
