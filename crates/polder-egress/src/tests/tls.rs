//! Certificates: whose are believed, and for which names.

use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::server::{converse, ok, to};
use super::{Scripted, get, quick, text, url};
use crate::{Egress, Kind, Options};

/// A TLS server with a certificate for `hub.example` by an authority of its own; its port and the authority.
async fn server() -> (u16, String) {
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().expect("key");
    let authority = params.self_signed(&authority_key).expect("certificate");
    let issuer = Issuer::new(params, authority_key);
    let key = KeyPair::generate().expect("key");
    let certificate = CertificateParams::new(vec!["hub.example".to_owned()]).expect("parameters");
    let certificate = certificate.signed_by(&key, &issuer).expect("certificate");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )
        .expect("certificate");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let port = listener.local_addr().expect("address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let answer = Arc::new(move |head: &str| {
                    if head.starts_with("GET /down") {
                        to(302, &format!("http://hub.example:{port}/"))
                    } else {
                        ok("secure")
                    }
                });
                converse(stream, Arc::<Mutex<Vec<String>>>::default(), answer).await;
            });
        }
    });
    (port, authority.pem())
}

#[tokio::test]
async fn a_certificate_is_believed_for_its_name_and_from_a_known_authority() {
    let (port, authority) = server().await;
    let file = tempfile::NamedTempFile::new().expect("file");
    std::fs::write(file.path(), authority).expect("write");
    let options = || quick(Scripted::new(&[&["127.0.0.1"]]));
    let trusting = Options { ca_file: Some(file.path().to_owned()), ..options() };
    let trusting = Egress::new(trusting).expect("client");
    let strict = Egress::new(options()).expect("client");
    let right = url(&format!("https://hub.example:{port}/"));
    assert_eq!(text(get(&trusting, &right).await.expect("answer")).await, "secure");
    let wrong_name = url(&format!("https://other.example:{port}/"));
    let by_address = url(&format!("https://127.0.0.1:{port}/"));
    for (egress, target) in [(&trusting, &wrong_name), (&trusting, &by_address), (&strict, &right)] {
        let failed = get(egress, target).await.map(|_| ()).expect_err("not believed");
        assert_eq!(failed.kind(), Kind::Unreachable, "{target}: {failed}");
        assert!(failed.to_string().contains("no secure connection"), "{failed}");
    }
    let down = url(&format!("https://hub.example:{port}/down"));
    let refused = get(&trusting, &down).await.map(|_| ()).expect_err("in clear");
    assert_eq!(refused.kind(), Kind::Refused, "{refused}");
}

#[test]
fn a_file_without_authorities_is_found_at_once() {
    let file = tempfile::NamedTempFile::new().expect("file");
    for content in ["", "hello", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        std::fs::write(file.path(), content).expect("write");
        let options = Options { ca_file: Some(file.path().to_owned()), ..Options::default() };
        let failed = Egress::new(options).map(|_| ()).expect_err("no authority");
        assert!(failed.to_string().contains("egress.ca-file"), "{failed}");
    }
}
