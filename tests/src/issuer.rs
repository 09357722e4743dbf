//! What speaks for the jobs of a CI: it signs id tokens with an RSA key of its own, gives out the public half, and
//! mints for who asks as GitHub's runners do.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use polder_types::Clock;
use rcgen::{KeyPair, PKCS_RSA_SHA256, SigningKey as _};
use serde_json::{Value, json};

use crate::base64;
use crate::listen::answer_all;

const KEY: &str = "the-key";
/// Where the modulus is in an RSA public key of 2,048 bits (RFC 8017 A.1.1), after which comes 65537.
const MODULUS: std::ops::Range<usize> = 9..265;
/// How long its tokens are good, in seconds.
const LIFETIME_SECONDS: i64 = 600;

struct Inner {
    address: SocketAddr,
    key: KeyPair,
    /// Audiences that somebody asked tokens for.
    minted: Mutex<Vec<String>>,
}

/// An issuer on this machine, until it is dropped.
pub struct Issuer(Arc<Inner>);

impl Issuer {
    /// Of whom the tokens speak that it mints.
    pub const SUBJECT: &str = "repo:acme/ci:ref:refs/heads/main";
    /// What is shown to have one minted.
    pub const REQUEST_TOKEN: &str = "of-the-runner";

    /// Listens on this machine.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let key = KeyPair::generate_for(&PKCS_RSA_SHA256).expect("a key");
        let inner = Arc::new(Inner { address, key, minted: Mutex::default() });
        answer_all(listener, &inner, Inner::answer);
        Self(inner)
    }

    /// Its name.
    pub fn url(&self) -> String {
        self.0.url()
    }

    /// Where a runner asks for tokens.
    pub fn request_url(&self) -> String {
        format!("{}/mint", self.url())
    }

    /// An id token of a job, for the hub at this URL.
    pub fn id_token(&self, subject: &str, audience: &str) -> String {
        self.0.id_token(subject, audience)
    }

    /// The audiences of what it minted, in order.
    pub fn minted(&self) -> Vec<String> {
        self.0.minted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        // The listening thread notices with the next connection.
        let address = self.0.address;
        std::thread::spawn(move || TcpStream::connect(address));
    }
}

impl Inner {
    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn id_token(&self, subject: &str, audience: &str) -> String {
        let now = Clock::System.now().seconds();
        let head = json!({"alg": "RS256", "typ": "JWT", "kid": KEY});
        let claims = json!({
            "iss": self.url(),
            "sub": subject,
            "aud": audience,
            "iat": now,
            "nbf": now,
            "exp": now + LIFETIME_SECONDS,
            "repository": "acme/ci",
        });
        let signed = format!("{}.{}", url_safe(head.to_string()), url_safe(claims.to_string()));
        let signature = self.key.sign(signed.as_bytes()).expect("signed");
        format!("{signed}.{}", url_safe(signature))
    }

    fn keys(&self) -> Value {
        let modulus = &self.key.public_key_raw()[MODULUS];
        let key = json!({"kty": "RSA", "use": "sig", "alg": "RS256", "kid": KEY, "n": url_safe(modulus), "e": "AQAB"});
        json!({ "keys": [key] })
    }

    /// Answers one request; a cut one is nothing.
    fn answer(&self, mut stream: TcpStream) -> Option<()> {
        let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
        let first = lines.next()?.ok()?;
        let path = first.split(' ').nth(1)?.to_owned();
        let shown = format!("authorization: bearer {}", Self::shown());
        let mut may_mint = false;
        for line in lines {
            let line = line.ok()?;
            may_mint |= line.to_ascii_lowercase() == shown;
            if line.is_empty() {
                break;
            }
        }
        let answer = match path.split_once("?audience=") {
            None if path == "/.well-known/openid-configuration" => {
                Some(json!({"issuer": self.url(), "jwks_uri": format!("{}/keys", self.url())}))
            }
            None if path == "/keys" => Some(self.keys()),
            Some(("/mint", audience)) if may_mint => {
                let audience = audience.replace("%3A", ":").replace("%2F", "/");
                self.minted.lock().unwrap_or_else(PoisonError::into_inner).push(audience.clone());
                Some(json!({"value": self.id_token(Issuer::SUBJECT, &audience)}))
            }
            _ => None,
        };
        let status = if answer.is_some() { "200 OK" } else { "404 Not Found" };
        let body = answer.unwrap_or_default().to_string();
        let head =
            format!("Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close", body.len());
        stream.write_all(format!("HTTP/1.1 {status}\r\n{head}\r\n\r\n{body}").as_bytes()).ok()
    }

    fn shown() -> String {
        Issuer::REQUEST_TOKEN.to_ascii_lowercase()
    }
}

fn url_safe(bytes: impl AsRef<[u8]>) -> String {
    base64(bytes.as_ref()).trim_end_matches('=').replace('+', "-").replace('/', "_")
}
