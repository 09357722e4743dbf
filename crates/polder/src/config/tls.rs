//! `[tls]`: whether the hub speaks TLS itself, and with which certificate.

use std::net::SocketAddr;
use std::path::PathBuf;

use polder_tls::CertificateFiles;
use serde::{Deserialize, Serialize};

use super::{absolute, listen_address};
use crate::Error;

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
}

/// How the hub speaks TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// Where the certificate is.
    pub files: CertificateFiles,
    /// Address of the plain port that sends browsers to the TLS one.
    pub redirect_listen: Option<SocketAddr>,
}

impl TlsLayer {
    /// What `self` says, and what `below` says where `self` says nothing.
    pub(super) fn over(self, below: Self) -> Self {
        Self {
            certificate: self.certificate.or(below.certificate),
            key: self.key.or(below.key),
            redirect_listen: self.redirect_listen.or(below.redirect_listen),
        }
    }

    /// Every path in it.
    pub(super) fn paths_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        self.certificate.iter_mut().chain(&mut self.key)
    }

    /// A value in which every key is set.
    pub(super) fn every_key() -> Self {
        Self {
            certificate: Some(PathBuf::new()),
            key: Some(PathBuf::new()),
            redirect_listen: Some(String::new()),
        }
    }

    /// Checks it; `None` when the hub is not to speak TLS. The files are read when the hub starts.
    ///
    /// # Errors
    /// When half of it is missing.
    pub(super) fn resolve(self) -> Result<Option<Tls>, Error> {
        let files = match (self.certificate, self.key) {
            (Some(certificate), Some(key)) => {
                CertificateFiles { certificate: absolute(&certificate)?, key: absolute(&key)? }
            }
            (Some(_), None) => return Err(Error::plain("tls.certificate needs its key: set tls.key")),
            (None, Some(_)) => {
                return Err(Error::plain("tls.key needs its certificate: set tls.certificate"));
            }
            (None, None) if self.redirect_listen.is_some() => {
                return Err(Error::plain("tls.redirect-listen has nowhere to send to: set tls.certificate"));
            }
            (None, None) => return Ok(None),
        };
        let redirect_listen = self.redirect_listen.as_deref().map(listen_address).transpose()?;
        Ok(Some(Tls { files, redirect_listen }))
    }
}
