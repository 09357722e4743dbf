//! An issuer, and the keys that it, or somebody else, signs with.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256};
use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const DISCOVERY: &str = "/.well-known/openid-configuration";
const KEYS: &str = "/keys";
/// What is before an RSA key of 2,048 bits in PKCS #8.
const RSA_HEAD_BYTES: usize = 26;

/// What is before the seed of an Ed25519 key in PKCS #8 (RFC 8410 §7).
const ED25519_HEAD: [u8; 16] = [0x30, 46, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 101, 112, 4, 34, 4, 32];

/// A key pair with a name.
pub(super) struct Key {
    pub(super) header: Header,
    encoding: EncodingKey,
    pub(super) public: Value,
}

impl Key {
    fn new(id: &str, algorithm: Algorithm, encoding: EncodingKey) -> Self {
        let mut public = serde_json::to_value(Jwk::from_encoding_key(&encoding, algorithm).unwrap()).unwrap();
        public["kid"] = id.into();
        let header = Header { kid: Some(id.to_owned()), ..Header::new(algorithm) };
        Self { header, encoding, public }
    }

    pub(super) fn ed25519(id: &str) -> Self {
        let seed = crate::secret::random::<32>().unwrap();
        let der = [ED25519_HEAD.as_slice(), &seed].concat();
        Self::new(id, Algorithm::EdDSA, EncodingKey::from_ed_der(&der))
    }

    pub(super) fn p256(id: &str) -> Self {
        let der = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap().serialize_der();
        Self::new(id, Algorithm::ES256, EncodingKey::from_ec_der(&der))
    }

    pub(super) fn rsa(id: &str, algorithm: Algorithm) -> Self {
        let der = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap().serialize_der();
        Self::new(id, algorithm, EncodingKey::from_rsa_der(&der[RSA_HEAD_BYTES..]))
    }

    pub(super) fn sign(&self, claims: &Map<String, Value>) -> String {
        self.sign_with(&self.header, claims)
    }

    pub(super) fn sign_with(&self, header: &Header, claims: &Map<String, Value>) -> String {
        encode(header, claims, &self.encoding).unwrap()
    }
}

#[derive(Default)]
struct Told {
    /// Whole answers, by path.
    answers: HashMap<String, String>,
    /// Paths that were asked for.
    asked: Vec<String>,
}

pub(super) struct Issuer {
    port: u16,
    told: Arc<Mutex<Told>>,
}

impl Issuer {
    pub(super) async fn start(keys: &[&Key]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let told = Arc::<Mutex<Told>>::default();
        let kept = Arc::clone(&told);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, Arc::clone(&kept)));
            }
        });
        let issuer = Self { port, told };
        issuer.describe(&issuer.url(), &format!("{}{KEYS}", issuer.url()));
        issuer.publish(keys);
        issuer
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What it says of itself.
    pub(super) fn describe(&self, issuer: &str, keys: &str) {
        self.give(DISCOVERY, "200 OK\r\n", &json!({"issuer": issuer, "jwks_uri": keys}).to_string());
    }

    pub(super) fn publish(&self, keys: &[&Key]) {
        let keys: Vec<&Value> = keys.iter().map(|key| &key.public).collect();
        self.publish_raw(&json!({ "keys": keys }).to_string());
    }

    pub(super) fn publish_raw(&self, body: &str) {
        self.give(KEYS, "200 OK\r\n", body);
    }

    /// Answers for its keys with this head.
    pub(super) fn answer_for_keys(&self, head: &str) {
        self.give(KEYS, head, "");
    }

    fn give(&self, path: &str, head: &str, body: &str) {
        let answer =
            format!("HTTP/1.1 {head}content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
        self.told.lock().unwrap().answers.insert(path.to_owned(), answer);
    }

    /// How often it was asked for its keys, or anything else, since the last time.
    pub(super) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.told.lock().unwrap().asked)
    }
}

async fn answer(mut stream: TcpStream, told: Arc<Mutex<Told>>) -> Option<()> {
    let mut bytes = Vec::new();
    while !bytes.windows(4).any(|end| end == b"\r\n\r\n") {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let path = text.split(' ').nth(1)?.to_owned();
    let answer = {
        let mut told = told.lock().unwrap();
        told.asked.push(path.clone());
        told.answers.get(&path).cloned()
    };
    let nothing = || "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned();
    stream.write_all(answer.unwrap_or_else(nothing).as_bytes()).await.ok()
}
