//! A certificate with its key, checked as far as a server can.

use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use polder_types::UnixMillis;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::time::Time;

use crate::Error;

/// Most certificates of a chain.
const CHAIN_MAX: usize = 16;

/// A chain and the key of its first certificate.
#[derive(Clone)]
pub struct Certificate {
    key: Arc<CertifiedKey>,
    names: Vec<String>,
    not_before: Time,
    not_after: Time,
}

impl Certificate {
    /// Reads a chain and a key in PEM; the paths are for messages.
    ///
    /// # Errors
    /// When one of the two cannot be read as what it should be, or they do not belong together.
    pub fn from_pem(chain: (&Path, &[u8]), key: (&Path, &[u8])) -> Result<Self, Error> {
        let (path, pem) = chain;
        let wrong = |problem: &str| Error::of_file(path, problem);
        let chain = CertificateDer::pem_slice_iter(pem)
            .take(CHAIN_MAX)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| wrong("is not PEM").caused_by(error))?;
        let first = chain.first().ok_or_else(|| wrong("has no certificate in it"))?;
        let parsed = x509_cert::Certificate::from_der(first)
            .map_err(|error| wrong("its first certificate cannot be read").caused_by(error))?;
        let (validity, names) = (*parsed.tbs_certificate().validity(), names(&parsed));

        let (key_path, pem) = key;
        let wrong = |problem: &str| Error::of_file(key_path, problem);
        let key = PrivateKeyDer::from_pem_slice(pem)
            .map_err(|error| wrong("has no unencrypted private key in PEM in it").caused_by(error))?;
        let key = any_supported_type(&key)
            .map_err(|error| wrong("is not a key that TLS can use").caused_by(error))?;
        let key = CertifiedKey::new(chain, key);
        key.keys_match().map_err(|error| {
            wrong(&format!("is not the key of the first certificate in `{}`", path.display()))
                .caused_by(error)
        })?;
        let (not_before, not_after) = (validity.not_before, validity.not_after);
        Ok(Self { key: Arc::new(key), names, not_before, not_after })
    }

    /// The host names and addresses it is for.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// When it begins to be valid, in seconds since 1970.
    pub fn not_before_seconds(&self) -> i64 {
        seconds(self.not_before)
    }

    /// When it stops being valid, in seconds since 1970.
    pub fn not_after_seconds(&self) -> i64 {
        seconds(self.not_after)
    }

    /// Why it is not valid at that time, if it is not.
    pub fn problem_at(&self, now: UnixMillis) -> Option<String> {
        if now.seconds() < self.not_before_seconds() {
            return Some(format!("is not valid before {}", self.not_before));
        }
        (now.seconds() >= self.not_after_seconds()).then(|| format!("expired at {}", self.not_after))
    }

    pub(crate) fn key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.key)
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Certificate({self})")
    }
}

/// Says whose it is and until when.
impl fmt::Display for Certificate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} until {}", self.names.join(", "), self.not_after)
    }
}

fn names(certificate: &x509_cert::Certificate) -> Vec<String> {
    let Ok(Some((_, SubjectAltName(names)))) = certificate.tbs_certificate().get_extension() else {
        return Vec::new();
    };
    let name = |name: GeneralName| match name {
        GeneralName::DnsName(name) => Some(name.to_string()),
        GeneralName::IpAddress(octets) => address(octets.as_bytes()).map(|ip| ip.to_string()),
        _ => None,
    };
    names.into_iter().filter_map(name).collect()
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from)).ok()
}

fn seconds(time: Time) -> i64 {
    i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX)
}
