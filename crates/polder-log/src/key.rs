//! Ed25519 keys: a hub's, a namespace's, and the recovery keys of both.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use polder_types::Sha256;

use crate::error::{Error, Result, malformed};
use crate::hash::sha256;

/// Bytes in a signature.
pub const SIGNATURE_BYTES: usize = 64;
/// C2SP's number for Ed25519 in the texts of keys.
const ED25519: u8 = 1;

/// A public key, written in base64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Takes the 32 bytes of RFC 8032 §5.1.5.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// What a recovery key is announced by before it is ever used.
    pub fn sha256(&self) -> Sha256 {
        sha256(&[&self.0])
    }

    /// Whether `signature` is this key's under `message`; weak keys have none.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let key = VerifyingKey::from_bytes(&self.0).ok();
        let signature = Signature::from_slice(signature).ok();
        key.zip(signature).is_some_and(|(key, signature)| key.verify_strict(message, &signature).is_ok())
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&STANDARD.encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl FromStr for PublicKey {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let bytes = STANDARD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or(malformed("a public key", "it is not 32 bytes in base64"))
    }
}

/// A secret key. Cannot be printed.
///
/// ```
/// use polder_log::SecretKey;
/// let key = SecretKey::new(&[7; 32]);
/// assert!(key.public().verifies(b"text", &key.sign(b"text")));
/// assert_eq!(format!("{key:?}"), "SecretKey(…)");
/// ```
#[derive(Clone)]
pub struct SecretKey(SigningKey);

impl SecretKey {
    /// Takes the 32 secret bytes of RFC 8032 §5.1.5.
    pub fn new(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// The signature under `message`.
    pub fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_BYTES] {
        self.0.sign(message).to_bytes()
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("SecretKey(…)")
    }
}

/// A public key and the name under which it signs notes.
///
/// ```
/// use polder_log::VerifierKey;
/// // From the tests of Go's golang.org/x/mod/sumdb/note.
/// let text = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
/// let key: VerifierKey = text.parse().unwrap();
/// assert_eq!((key.name(), key.to_string().as_str()), ("PeterNeumann", text));
/// assert!(text.replace("c7", "c8").parse::<VerifierKey>().is_err());
/// ```
///
/// Source: C2SP signed-note, "Verifier keys".
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct VerifierKey {
    name: String,
    key: PublicKey,
}

impl VerifierKey {
    /// Gives `key` a name.
    ///
    /// # Errors
    /// When the name is empty or has white space or a `+`.
    pub fn new(name: &str, key: PublicKey) -> Result<Self> {
        if is_key_name(name) {
            Ok(Self { name: name.to_owned(), key })
        } else {
            Err(malformed("a key's name", "it is empty, or has white space or `+`"))
        }
    }

    /// The name, which is the origin of the hub that has the key.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key.
    pub fn key(&self) -> PublicKey {
        self.key
    }

    /// The four bytes by which a signature says whose it is.
    pub(crate) fn id(&self) -> [u8; 4] {
        let hash = sha256(&[self.name.as_bytes(), b"\n", &[ED25519], &self.key.0]);
        hash.as_bytes().first_chunk().copied().unwrap_or_default()
    }
}

pub(crate) fn is_key_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+')
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key: Vec<u8> = [ED25519].into_iter().chain(self.key.0).collect();
        write!(out, "{}+{:08x}+{}", self.name, u32::from_be_bytes(self.id()), STANDARD.encode(key))
    }
}

impl FromStr for VerifierKey {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let wrong = || malformed("a verifier key", "it is not `<name>+<hash>+<key in base64>` of Ed25519");
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(_hash), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(wrong());
        };
        let key = STANDARD.decode(key).map_err(|_source| wrong())?;
        let Some((&ED25519, key)) = key.split_first() else { return Err(wrong()) };
        let key = Self::new(name, PublicKey(key.try_into().map_err(|_source| wrong())?))?;
        // The hash is right when the whole text is.
        if key.to_string() == text { Ok(key) } else { Err(wrong()) }
    }
}

/// A secret key and the name under which it signs notes.
#[derive(Debug, Clone)]
pub struct SignerKey {
    key: SecretKey,
    verifier: VerifierKey,
}

impl SignerKey {
    /// Gives `key` a name.
    ///
    /// # Errors
    /// As [`VerifierKey::new`].
    pub fn new(name: &str, key: SecretKey) -> Result<Self> {
        let verifier = VerifierKey::new(name, key.public())?;
        Ok(Self { key, verifier })
    }

    /// The public half.
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// The key without its name.
    pub fn secret(&self) -> &SecretKey {
        &self.key
    }
}
