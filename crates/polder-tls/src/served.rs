//! The certificate that clients are shown, replaced while the server runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use polder_types::UnixMillis;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::sync::watch;

use crate::{Certificate, Error};

/// The hub speaks HTTP/1.1 and nothing else.
const HTTP_1_1: &[u8] = b"http/1.1";
/// What an ACME authority speaks when it checks a name. Source: RFC 8737 §4.
pub(crate) const ACME_TLS_1: &[u8] = b"acme-tls/1";
/// From this long before the end of a certificate, its age is a warning.
const EXPIRY_WARNING_SECONDS: i64 = 7 * 24 * 3_600;

/// The certificate shown to whoever connects. Cheap to clone; all clones are the same.
#[derive(Debug, Clone)]
pub struct Served(Arc<Shown>);

#[derive(Debug)]
struct Shown {
    certificate: watch::Sender<Option<Certificate>>,
    /// What an authority is shown, by name; `None` where none will ever ask.
    challenges: Option<watch::Sender<BTreeMap<String, Arc<CertifiedKey>>>>,
}

impl Served {
    /// Shows `certificate`.
    pub fn new(certificate: Certificate) -> Self {
        let served = Self(Arc::new(Shown { certificate: watch::Sender::new(None), challenges: None }));
        served.replace(certificate);
        served
    }

    /// Shows `certificate`, or refuses everyone until there is one; answers an authority's challenges.
    pub(crate) fn with_challenges(certificate: Option<Certificate>) -> Self {
        let challenges = Some(watch::Sender::new(BTreeMap::new()));
        let served = Self(Arc::new(Shown { certificate: watch::Sender::new(None), challenges }));
        if let Some(certificate) = certificate {
            served.replace(certificate);
        }
        served
    }

    /// Shows another certificate from the next handshake on. Connections that are open stay as they are.
    pub fn replace(&self, certificate: Certificate) {
        tracing::info!(%certificate, "serving a TLS certificate");
        self.0.certificate.send_replace(Some(certificate));
    }

    /// The certificate shown now.
    pub fn certificate(&self) -> Option<Certificate> {
        self.0.certificate.borrow().clone()
    }

    /// Shows whoever checks `domain` this certificate and key, both in DER.
    pub(crate) fn begin_challenge(
        &self,
        domain: &str,
        certificate: Vec<u8>,
        key: Vec<u8>,
    ) -> Result<(), Error> {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key));
        let key = aws_lc_rs::sign::any_supported_type(&key)
            .map_err(|error| Error::new(domain, "no key for its challenge").caused_by(error))?;
        let shown = Arc::new(CertifiedKey::new(vec![CertificateDer::from(certificate)], key));
        if let Some(challenges) = &self.0.challenges {
            challenges.send_modify(|challenges| {
                challenges.insert(domain.to_ascii_lowercase(), shown);
            });
        }
        Ok(())
    }

    /// Shows no answers to challenges any more.
    pub(crate) fn end_challenges(&self) {
        if let Some(challenges) = &self.0.challenges {
            challenges.send_modify(BTreeMap::clear);
        }
    }

    /// Says in the metrics when the certificate shown ends, in seconds since 1970.
    pub(crate) fn record_expiry(&self) {
        let Some(certificate) = self.certificate() else { return };
        let expiry = u32::try_from(certificate.not_after_seconds()).unwrap_or(u32::MAX);
        metrics::gauge!("polder_tls_certificate_expiry_seconds").set(expiry);
    }

    /// Warns when the certificate shown is near its end or past it.
    pub(crate) fn warn_of_expiry(&self, now: UnixMillis) {
        let Some(certificate) = self.certificate() else { return };
        if now.plus_seconds(EXPIRY_WARNING_SECONDS).seconds() >= certificate.not_after_seconds() {
            tracing::warn!(%certificate, "the TLS certificate must be renewed");
        }
    }

    /// What the listener speaks: TLS 1.2 and 1.3, HTTP/1.1, sessions resumed with tickets whose keys
    /// live in this process and change every six hours.
    pub(crate) fn server_config(&self) -> Result<ServerConfig, Error> {
        let failed = |error: rustls::Error| Error::new("TLS", "cannot be set up").caused_by(error);
        let shown: Arc<dyn ResolvesServerCert> = Arc::<Shown>::clone(&self.0);
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(failed)?
            .with_no_client_auth()
            .with_cert_resolver(shown);
        config.ticketer = aws_lc_rs::Ticketer::new().map_err(failed)?;
        config.alpn_protocols = vec![HTTP_1_1.to_vec()];
        if self.0.challenges.is_some() {
            config.alpn_protocols.push(ACME_TLS_1.to_vec());
        }
        Ok(config)
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if let Some(challenges) = &self.challenges
            && hello.alpn().is_some_and(|offered| offered.eq([ACME_TLS_1]))
        {
            let domain = hello.server_name()?.to_ascii_lowercase();
            return challenges.borrow().get(&domain).cloned();
        }
        self.certificate.borrow().as_ref().map(Certificate::key)
    }
}
