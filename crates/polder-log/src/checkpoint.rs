//! Checkpoints: a hub's signature under the size and root of its log.
//!
//! Source: C2SP tlog-checkpoint.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use polder_types::Sha256;

use crate::error::{Result, malformed};
use crate::key::{SignerKey, VerifierKey};
use crate::note::{open_note, sign_note};
use crate::origin::LogName;

const WHAT: &str = "a checkpoint";

/// The size and root of a log.
///
/// ```
/// use polder_log::{Checkpoint, Frontier, SecretKey, SignerKey};
/// let key = SignerKey::new("hub.example.org", SecretKey::new(&[7; 32])).unwrap();
/// let log = "hub.example.org/polder/1".parse().unwrap();
/// let checkpoint = Checkpoint { log, size: 0, root: Frontier::default().root() };
/// let note = checkpoint.sign(&[&key]);
/// assert!(note.starts_with("hub.example.org/polder/1\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n"));
/// assert_eq!(Checkpoint::open(&note, key.verifier()), Ok(checkpoint));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log.
    pub log: LogName,
    /// Leaves in it.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Sha256,
}

impl Checkpoint {
    /// The text that is signed.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.log, self.size, STANDARD.encode(self.root.as_bytes()))
    }

    /// The signed note.
    pub fn sign(&self, keys: &[&SignerKey]) -> String {
        sign_note(&self.text(), keys)
    }

    /// Reads a note that `key` has signed.
    ///
    /// # Errors
    /// [`Error::Unsigned`](crate::Error::Unsigned) when it has not; otherwise when it is no checkpoint.
    pub fn open(note: &str, key: &VerifierKey) -> Result<Self> {
        Self::parse(open_note(note, key)?)
    }

    /// Reads the text of a note whose signature is checked elsewhere. Lines after the third are extensions
    /// and mean nothing here.
    ///
    /// # Errors
    /// When it is no checkpoint of a log of Polder.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |problem| malformed(WHAT, problem);
        let mut lines = text.split('\n');
        let mut line = || lines.next().ok_or(wrong("it has not three lines"));
        let (log, size, root) = (line()?, line()?, line()?);
        let checkpoint = Self {
            log: log.parse()?,
            size: size.parse().map_err(|_source| wrong("its size is no number"))?,
            root: STANDARD
                .decode(root)
                .ok()
                .and_then(|root| Sha256::from_slice(&root))
                .ok_or(wrong("its root is not 32 bytes in base64"))?,
        };
        if text.starts_with(&checkpoint.text()) {
            Ok(checkpoint)
        } else {
            Err(wrong("a line has another form"))
        }
    }
}
