//! The few HTTPS requests that an order takes.

use std::error::Error as StdError;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, HOST};
use http::{HeaderValue, Request, Uri};
use http_body_util::{BodyExt as _, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use instant_acme::{BodyWrapper, BytesResponse, HttpClient};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::Error;

/// Time for one request, from the connection to the end of the answer.
const REQUEST_MAX: Duration = Duration::from_secs(30);
/// Largest answer, in bytes.
const ANSWER_BYTES_MAX: usize = 1 << 20;

type Failure = Box<dyn StdError + Send + Sync>;

/// A client that makes one connection a request and trusts whom it is told to.
#[derive(Clone)]
pub(super) struct Https(TlsConnector);

impl Https {
    /// Trusts the authorities in `ca`, or without it those that this machine trusts.
    pub(super) fn new(ca: Option<&Path>) -> Result<Self, Error> {
        let mut roots = RootCertStore::empty();
        match ca {
            Some(path) => {
                let wrong = |error| Error::of_file(path, "has no certificate to trust").caused_by(error);
                let found = CertificateDer::pem_file_iter(path).map_err(wrong)?;
                let found = found.collect::<Result<Vec<_>, _>>().map_err(wrong)?;
                roots.add_parsable_certificates(found);
            }
            None => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
        }
        if roots.is_empty() {
            return Err(Error::new(
                "ACME",
                "there is nobody to trust: install this system's CA certificates, or set tls.acme.directory-ca",
            ));
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::new("TLS", "cannot be set up").caused_by(error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }
}

impl HttpClient for Https {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, instant_acme::Error>> + Send>> {
        let connector = self.0.clone();
        Box::pin(async move {
            let uri = request.uri().clone();
            let answered = timeout(REQUEST_MAX, exchange(&connector, request)).await;
            let answered = answered.unwrap_or_else(|_| Err("no answer in time".into()));
            answered.map_err(|error| instant_acme::Error::Other(format!("{uri}: {error}").into()))
        })
    }
}

async fn exchange(
    connector: &TlsConnector,
    mut request: Request<BodyWrapper<Bytes>>,
) -> Result<BytesResponse, Failure> {
    let uri = request.uri().clone();
    let (Some("https"), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err("it is not an https:// URL".into());
    };
    let host = authority.host();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let tcp = TcpStream::connect((bare, authority.port_u16().unwrap_or(443))).await?;
    let stream = connector.connect(ServerName::try_from(bare.to_owned())?, tcp).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;

    request.headers_mut().insert(HOST, HeaderValue::from_str(authority.as_str())?);
    request.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    *request.uri_mut() = uri.path_and_query().map_or("/", |path| path.as_str()).parse::<Uri>()?;
    let respond = async move {
        let (parts, body) = sender.send_request(request).await?.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await?.to_bytes();
        Ok::<_, Failure>(BytesResponse { parts, body: Box::new(body) })
    };
    // How the connection ended does not matter when the answer is whole.
    let (answer, _ended) = tokio::join!(respond, connection);
    answer
}
