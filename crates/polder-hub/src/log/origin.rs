//! By what name other hubs know this one.

use std::time::Duration;

use polder_git::IndexLimits;
use polder_log::{LogName, Origin, VerifierKey};

use crate::Hub;
use crate::error::{Error, Result};

/// What a hub does with other hubs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FederationOptions {
    /// Whether it tells other hubs of its public repositories.
    pub is_enabled: bool,
    /// The origin, if it shall be another than the host of the public URL; read when the log begins.
    pub origin: Option<String>,
    /// How the operators of other hubs reach this one's.
    pub contact: Option<String>,
    /// Where the rules of this hub can be read.
    pub policy: Option<String>,
    /// Base URLs of hubs that mirror this one: after a restore the log is taken back from them.
    pub mirrors: Vec<String>,
    /// How long every event is kept, in days; the newest of each repository always is.
    pub keep_days: i64,
    /// Whether homes of mirrors are told how often those were downloaded here, and this hub of its own.
    pub tells_downloads: bool,
    /// How long what was taken away at home is kept here, hidden.
    pub purge_after: Duration,
    /// The largest pack that may come of a hub that is followed, in bytes.
    pub mirror_pack_bytes_max: u64,
}

/// How long that is, if nothing else is configured.
const PURGE_AFTER: Duration = Duration::from_hours(7 * 24);

impl Default for FederationOptions {
    fn default() -> Self {
        Self {
            is_enabled: true,
            origin: None,
            contact: None,
            policy: None,
            mirrors: Vec::new(),
            keep_days: 90,
            tells_downloads: true,
            purge_after: PURGE_AFTER,
            mirror_pack_bytes_max: IndexLimits::MIRROR.pack_bytes_max,
        }
    }
}

/// What a hub says of itself to others.
#[derive(Debug, Clone)]
pub struct FederationAbout {
    /// The key that signs its checkpoints.
    pub key: VerifierKey,
    /// How its operator is reached.
    pub contact: Option<String>,
    /// Where its rules can be read.
    pub policy: Option<String>,
}

impl Hub {
    /// Whether other hubs are told of this one's public repositories.
    pub fn federates(&self) -> bool {
        self.federation.is_enabled
    }

    /// What this hub says of itself to others.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`] when it has no log.
    pub async fn federation_about(&self) -> Result<FederationAbout> {
        let log = self.db.own_log().await?.ok_or_else(|| Error::not_found("this hub gives out no log"))?;
        let FederationOptions { contact, policy, .. } = self.federation.clone();
        Ok(FederationAbout { key: log.key, contact, policy })
    }
}

/// The first log of the hub at `public_url`.
///
/// # Errors
/// [`crate::Kind::Invalid`] when neither text can be an origin.
pub(super) fn first_log(options: &FederationOptions, public_url: &str) -> Result<LogName> {
    let origin = match &options.origin {
        Some(origin) => origin.parse(),
        None => of_url(public_url),
    };
    let origin = origin.map_err(|error| {
        let message = "other hubs cannot know this one by its public URL; name it in `[federation] origin`";
        Error::invalid(message).caused_by(error)
    })?;
    Ok(LogName { origin, epoch: 1 })
}

fn of_url(url: &str) -> polder_log::Result<Origin> {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let authority = rest.split('/').next().unwrap_or_default();
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) => (host, port.parse::<u16>().ok()),
        None => (authority, None),
    };
    let usual = if scheme == "https" { 443 } else { 80 };
    Origin::of(host, port.filter(|port| *port != usual))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_origin_is_the_host_of_the_public_url() {
        let origin = |url: &str| of_url(url).map(|origin| origin.to_string());
        assert_eq!(origin("https://Hub.example.org").unwrap(), "hub.example.org");
        assert_eq!(origin("https://hub.example.org:443").unwrap(), "hub.example.org");
        assert_eq!(origin("https://hub.example.org:8443/polder").unwrap(), "hub.example.org_8443");
        assert_eq!(origin("http://127.0.0.1:8080").unwrap(), "127.0.0.1_8080");
        assert!(origin("http://[::1]:8080").is_err());
    }

    #[test]
    fn the_configuration_may_name_another() {
        let options =
            FederationOptions { origin: Some("models.example.org".to_owned()), ..Default::default() };
        let log = first_log(&options, "http://[::1]:8080").unwrap();
        assert_eq!(log.to_string(), "models.example.org/polder/1");
        assert!(first_log(&FederationOptions::default(), "http://[::1]:8080").is_err());
    }
}
