//! Whose certificates are believed.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use crate::error::{Error, Kind};

/// Trusts whom this machine trusts, and the authorities in `ca_file`, an institution's own perhaps.
///
/// Without any of them https fails when it is used: a hub that needs none starts.
pub(crate) fn tls(ca_file: Option<&Path>) -> Result<TlsConnector, Error> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca_file {
        let wrong = |error| {
            let message = format!("egress.ca-file: `{}` has no certificate to trust", path.display());
            Error::new(Kind::Refused, message).caused_by(error)
        };
        let found = CertificateDer::pem_file_iter(path).map_err(wrong)?;
        let found = found.collect::<Result<Vec<_>, _>>().map_err(wrong)?;
        if roots.add_parsable_certificates(found).0 == 0 {
            return Err(wrong(rustls::pki_types::pem::Error::NoItemsFound));
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::new(Kind::Refused, "TLS cannot be set up").caused_by(error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}
