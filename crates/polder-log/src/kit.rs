//! Recovery kits: a secret key as a text that its owner keeps away from the hub.

use std::fmt;

use polder_types::Sha256;

use crate::error::{Result, malformed};
use crate::key::{PublicKey, SecretKey};
use crate::origin::Origin;

/// Longest kit, in bytes.
pub const KIT_BYTES_MAX: usize = 4 << 10;
/// What the text of a secret key starts with, so that it is known for one wherever it turns up.
const SECRET_PREFIX: &str = "pldr_";
const TITLE: &str = "Polder recovery kit";
const WHAT: &str = "a recovery kit";

/// The text of a recovery key made from 32 random bytes.
pub fn recovery_text(seed: &[u8; 32]) -> String {
    format!("{SECRET_PREFIX}{}", Sha256::new(*seed))
}

fn seed(text: &str) -> Result<[u8; 32]> {
    let seed = text.strip_prefix(SECRET_PREFIX).and_then(|hex| hex.parse::<Sha256>().ok());
    seed.map(|seed| *seed.as_bytes())
        .ok_or(malformed(WHAT, "its secret key is not `pldr_` and 64 hexadecimal digits"))
}

/// Reads a recovery key: a kit, or the text of the key alone.
///
/// # Errors
/// When it is neither.
pub fn read_recovery_key(text: &str) -> Result<SecretKey> {
    match seed(text.trim()) {
        Ok(seed) => Ok(SecretKey::new(&seed)),
        Err(_) => RecoveryKit::parse(text).map(|kit| kit.key()),
    }
}

/// Whose keys a kit can replace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KitOf {
    /// The hub's own key.
    Hub(Origin),
    /// Those of a namespace, and with them its home.
    Namespace {
        /// The hub where it was at home when the kit was made.
        home: Origin,
        /// Its name there.
        handle: String,
    },
}

impl fmt::Display for KitOf {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hub(origin) => write!(out, "hub {origin}"),
            Self::Namespace { home, handle } => write!(out, "namespace {handle} of {home}"),
        }
    }
}

/// A recovery key and whose it is. The only way to its secret is [`RecoveryKit::to_text`].
///
/// ```
/// use polder_log::{KitOf, RecoveryKit};
/// let of = KitOf::Hub("hub.example.org".parse().unwrap());
/// let kit = RecoveryKit::new(of, &[7; 32]);
/// let again = RecoveryKit::parse(&kit.to_text()).unwrap();
/// assert_eq!((again.of(), again.key().public()), (kit.of(), kit.key().public()));
/// assert_eq!(format!("{kit:?}"), "RecoveryKit(hub hub.example.org, …)");
/// ```
#[derive(Clone)]
pub struct RecoveryKit {
    of: KitOf,
    seed: [u8; 32],
}

impl RecoveryKit {
    /// The kit of a key made from 32 random bytes.
    pub fn new(of: KitOf, seed: &[u8; 32]) -> Self {
        Self { of, seed: *seed }
    }

    /// Whose it is.
    pub fn of(&self) -> &KitOf {
        &self.of
    }

    /// The key.
    pub fn key(&self) -> SecretKey {
        SecretKey::new(&self.seed)
    }

    /// The file, secret and all; shown once.
    pub fn to_text(&self) -> String {
        format!(
            "{TITLE}\n\n\
             of: {}\n\
             public key: {}\n\
             secret key: {}\n\n\
             Who has this file can replace the keys of the {0}. Print it or keep it on a disk in a drawer,\n\
             never on the hub. It is needed when those keys are lost or stolen, and to move house from a dead hub.\n",
            self.of,
            self.key().public(),
            recovery_text(&self.seed),
        )
    }

    /// Reads the file.
    ///
    /// # Errors
    /// When a line is missing, or the two keys are not one pair: it was copied wrong.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |problem| malformed(WHAT, problem);
        if text.len() > KIT_BYTES_MAX || text.lines().next().map(str::trim_end) != Some(TITLE) {
            return Err(wrong("it does not begin as one"));
        }
        let line = |name: &str| {
            let found = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            found.map(str::trim_end).ok_or(wrong("a line is missing"))
        };
        let of = line("of")?;
        let of = if let Some(origin) = of.strip_prefix("hub ") {
            KitOf::Hub(origin.parse()?)
        } else {
            let pair = of.strip_prefix("namespace ").and_then(|of| of.split_once(" of "));
            let (handle, home) = pair.ok_or(wrong("it does not say whose it is"))?;
            KitOf::Namespace { home: home.parse()?, handle: handle.to_owned() }
        };
        let kit = Self { of, seed: seed(line("secret key")?)? };
        let public: PublicKey = line("public key")?.parse()?;
        if kit.key().public() == public { Ok(kit) } else { Err(wrong("its two keys are not a pair")) }
    }
}

impl fmt::Debug for RecoveryKit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "RecoveryKit({}, …)", self.of)
    }
}
