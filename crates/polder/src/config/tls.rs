//! `[tls]`: whether the hub speaks TLS itself, and with which certificate.

use std::net::SocketAddr;
use std::path::PathBuf;

use polder_tls::{AcmeOptions, CertificateFiles};
use serde::{Deserialize, Serialize};

use super::{absolute, listen_address};
use crate::Error;

/// The authority when none is named: free, and trusted by every client.
const ACME_DIRECTORY_DEFAULT: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// `[tls]` as one source gives it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct TlsLayer {
    /// File with the certificate and its chain.
    pub certificate: Option<PathBuf>,
    /// File with its key.
    pub key: Option<PathBuf>,
    /// Address of the plain port that sends browsers to the TLS one.
    pub redirect_listen: Option<String>,
    /// An authority that issues the certificate.
    pub acme: AcmeLayer,
}

/// `[tls.acme]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct AcmeLayer {
    /// Names to be certified.
    pub domains: Option<Vec<String>>,
    /// Where the authority may write to.
    pub contact: Option<String>,
    /// Its directory.
    pub directory: Option<String>,
    /// Whom to trust when connecting to it.
    pub directory_ca: Option<PathBuf>,
    /// Whether its terms were read and accepted.
    pub accept_terms: Option<bool>,
}

/// How the hub speaks TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// Where the certificate comes from.
    pub source: CertificateSource,
    /// Address of the plain port that sends browsers to the TLS one.
    pub redirect_listen: Option<SocketAddr>,
}

/// Where a certificate comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertificateSource {
    /// Someone else puts it there and renews it.
    Files(CertificateFiles),
    /// The hub gets and renews it.
    Acme(AcmeOptions),
}

impl TlsLayer {
    /// What `self` says, and what `below` says where `self` says nothing.
    pub(super) fn over(self, below: Self) -> Self {
        Self {
            certificate: self.certificate.or(below.certificate),
            key: self.key.or(below.key),
            redirect_listen: self.redirect_listen.or(below.redirect_listen),
            acme: AcmeLayer {
                domains: self.acme.domains.or(below.acme.domains),
                contact: self.acme.contact.or(below.acme.contact),
                directory: self.acme.directory.or(below.acme.directory),
                directory_ca: self.acme.directory_ca.or(below.acme.directory_ca),
                accept_terms: self.acme.accept_terms.or(below.acme.accept_terms),
            },
        }
    }

    /// Every path in it.
    pub(super) fn paths_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        self.certificate.iter_mut().chain(&mut self.key).chain(&mut self.acme.directory_ca)
    }

    /// A value in which every key is set.
    pub(super) fn every_key() -> Self {
        Self {
            certificate: Some(PathBuf::new()),
            key: Some(PathBuf::new()),
            redirect_listen: Some(String::new()),
            acme: AcmeLayer {
                domains: Some(Vec::new()),
                contact: Some(String::new()),
                directory: Some(String::new()),
                directory_ca: Some(PathBuf::new()),
                accept_terms: Some(false),
            },
        }
    }

    /// Checks it; `None` when the hub is not to speak TLS. The files are read when the hub starts.
    ///
    /// # Errors
    /// When half of it is missing, or it says two things.
    pub(super) fn resolve(self) -> Result<Option<Tls>, Error> {
        let acme = self.acme.resolve()?;
        let source = match (self.certificate, self.key, acme) {
            (Some(certificate), Some(key), None) => {
                let (certificate, key) = (absolute(&certificate)?, absolute(&key)?);
                CertificateSource::Files(CertificateFiles { certificate, key })
            }
            (None, None, Some(options)) => CertificateSource::Acme(options),
            (_, _, Some(_)) => {
                let text =
                    "tls.certificate and tls.acme.domains are two sources of a certificate: choose one";
                return Err(Error::plain(text));
            }
            (Some(_), None, None) => return Err(Error::plain("tls.certificate needs its key: set tls.key")),
            (None, Some(_), None) => {
                return Err(Error::plain("tls.key needs its certificate: set tls.certificate"));
            }
            (None, None, None) if self.redirect_listen.is_some() => {
                let text =
                    "tls.redirect-listen has nowhere to send to: set tls.certificate or tls.acme.domains";
                return Err(Error::plain(text));
            }
            (None, None, None) => return Ok(None),
        };
        let redirect_listen = self.redirect_listen.as_deref().map(listen_address).transpose()?;
        Ok(Some(Tls { source, redirect_listen }))
    }
}

impl AcmeLayer {
    /// Checks it; `None` when no domain is named.
    fn resolve(self) -> Result<Option<AcmeOptions>, Error> {
        let domains = self
            .domains
            .unwrap_or_default()
            .iter()
            .map(|name| domain(name))
            .collect::<Result<Vec<_>, _>>()?;
        if domains.is_empty() {
            return Ok(None);
        }
        let directory = self.directory.unwrap_or_else(|| ACME_DIRECTORY_DEFAULT.to_owned());
        if !directory.starts_with("https://") || directory.parse::<http::Uri>().is_err() {
            return Err(Error::plain(format!("tls.acme.directory: `{directory}` is no https:// URL")));
        }
        if let Some(contact) = self.contact.as_deref().filter(|contact| !contact.starts_with("mailto:")) {
            let text = format!("tls.acme.contact: write `{contact}` as mailto:someone@example.org");
            return Err(Error::plain(text));
        }
        if self.accept_terms != Some(true) {
            return Err(Error::plain(format!(
                "tls.acme: read the terms of the authority at {directory}, then set tls.acme.accept-terms = true"
            )));
        }
        let directory_ca = self.directory_ca.as_deref().map(absolute).transpose()?;
        Ok(Some(AcmeOptions { domains, contact: self.contact, directory, directory_ca }))
    }
}

/// A host name that can be proved on the hub's own port: no wildcard, no address.
fn domain(text: &str) -> Result<String, Error> {
    let name = text.trim().to_ascii_lowercase();
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_address = name.parse::<std::net::IpAddr>().is_ok();
    if name.len() > 253 || is_address || !name.split('.').all(is_label) {
        return Err(Error::plain(format!(
            "tls.acme.domains: `{text}` is no host name that can be certified, such as hub.example.org"
        )));
    }
    Ok(name)
}
