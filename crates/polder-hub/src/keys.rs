//! The hub's keys: the Ed25519 key that is its identity, and the secret that signs its URLs.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer as _, SigningKey as HubKey, VerifyingKey};

use polder_log::{PublicKey, SecretKey};
use polder_types::AccountId;

use crate::error::{Error, Kind, Result};
use crate::secret::{SigningKey, random};

/// 32 secret bytes each, in files only the owner can read.
const HUB_KEY_FILE: &str = "hub.key";
const URL_KEY_FILE: &str = "url.key";
/// Every key that came after the hub's as the key of its log, 32 bytes each; there is none before the first
/// rotation.
const LOG_KEYS_FILE: &str = "log.keys";
/// Most rotations.
const LOG_KEYS_MAX: usize = 1_000;

/// The key files of a hub in `dir`, which a backup takes along.
pub(crate) fn key_files(dir: &Path) -> impl Iterator<Item = &'static str> {
    let rotated = dir.join(LOG_KEYS_FILE).exists().then_some(LOG_KEYS_FILE);
    [HUB_KEY_FILE, URL_KEY_FILE].into_iter().chain(rotated)
}

/// What the text of a public key starts with.
const ED25519: &str = "ed25519:";

pub(crate) struct Keys {
    /// Where they are.
    pub(crate) dir: PathBuf,
    hub: HubKey,
    log: SecretKey,
    pub(crate) url: SigningKey,
}

/// The keys of the namespaces of this hub that have no owner's: each made out of the hub's secret, so that
/// there is nothing more to keep.
#[derive(Clone)]
pub(crate) struct NamespaceKeys(SigningKey);

impl NamespaceKeys {
    /// That of an account's namespace.
    pub(crate) fn key(&self, account: AccountId) -> SecretKey {
        SecretKey::new(&self.0.derive(&format!("the key of namespace {account}")))
    }
}

impl Keys {
    /// Reads both keys in `dir`, making them on the first start. A hub never changes its identity by
    /// accident: a key file of another length is refused, and so is making keys while `data_dir`, where a
    /// hub with a store of its own has them, still has some.
    pub(crate) fn open(dir: &Path, data_dir: &Path) -> Result<Self> {
        let left = data_dir.join(HUB_KEY_FILE);
        if !dir.join(HUB_KEY_FILE).exists() && left.exists() {
            let message = format!(
                "move `{}` and `{URL_KEY_FILE}` beside it to `{}` first: they are this hub's identity",
                left.display(),
                dir.display()
            );
            return Err(Error::new(Kind::Conflict, message));
        }
        let seed = read_or_make(dir, HUB_KEY_FILE)?;
        let (hub, log) = (HubKey::from_bytes(&seed), SecretKey::new(&seed));
        let url = SigningKey::new(&read_or_make(dir, URL_KEY_FILE)?)?;
        Ok(Self { dir: dir.to_owned(), hub, log, url })
    }

    /// The same key as the log's.
    pub(crate) fn log(&self) -> &SecretKey {
        &self.log
    }

    /// The secret of `public`, one of the keys that this hub's log has had.
    pub(crate) fn log_key(&self, public: &PublicKey) -> Result<SecretKey> {
        self.every_log_key()?.into_iter().find(|key| key.public() == *public).ok_or_else(|| {
            let message = "the key that signs the log of this hub is not here: restore it from a backup, or \
                           use `polder key rotate --recovery FILE`";
            Error::new(Kind::Internal, message)
        })
    }

    fn every_log_key(&self) -> Result<Vec<SecretKey>> {
        let rotated = read_log_keys(&self.dir)?;
        let seeds = rotated.chunks_exact(32).filter_map(|seed| Some(SecretKey::new(seed.try_into().ok()?)));
        Ok(std::iter::once(self.log.clone()).chain(seeds).collect())
    }

    /// All that has ever signed the log.
    pub(crate) fn log_publics(&self) -> Result<Vec<PublicKey>> {
        Ok(self.every_log_key()?.iter().map(SecretKey::public).collect())
    }

    /// Keeps another key of the log, durably.
    pub(crate) fn add_log_key(&self, seed: &[u8; 32]) -> Result<()> {
        let mut seeds = read_log_keys(&self.dir)?;
        seeds.extend(seed);
        write_whole(&self.dir, LOG_KEYS_FILE, &seeds)
            .map_err(|error| cannot_use(&self.dir.join(LOG_KEYS_FILE), error))
    }

    pub(crate) fn namespaces(&self) -> NamespaceKeys {
        NamespaceKeys(self.url.clone())
    }

    pub(crate) fn public_key(&self) -> String {
        format!("{ED25519}{}", STANDARD.encode(self.hub.verifying_key().as_bytes()))
    }

    /// The hub's signature under `text`, in base64.
    pub(crate) fn sign(&self, text: &str) -> String {
        STANDARD.encode(self.hub.sign(text.as_bytes()).to_bytes())
    }
}

/// Whether `signature` is that of `key` (as [`Keys::public_key`] writes it) under `text`.
pub(crate) fn verify(key: &str, text: &str, signature: &str) -> bool {
    let bytes = |text: &str| STANDARD.decode(text).ok();
    let key = key.strip_prefix(ED25519).and_then(bytes).and_then(|key| <[u8; 32]>::try_from(key).ok());
    let key = key.and_then(|key| VerifyingKey::from_bytes(&key).ok());
    let signature = bytes(signature).and_then(|bytes| Signature::from_slice(&bytes).ok());
    key.zip(signature).is_some_and(|(key, signature)| key.verify_strict(text.as_bytes(), &signature).is_ok())
}

fn cannot_use(path: &Path, error: std::io::Error) -> Error {
    Error::new(Kind::Internal, format!("cannot read or make `{}`", path.display())).caused_by(error)
}

fn read_log_keys(dir: &Path) -> Result<Vec<u8>> {
    let path = dir.join(LOG_KEYS_FILE);
    let mut seeds = Vec::new();
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(seeds),
        Err(error) => return Err(cannot_use(&path, error)),
    };
    let most = u64::try_from(LOG_KEYS_MAX * 32).unwrap_or(u64::MAX);
    file.take(most).read_to_end(&mut seeds).map_err(|error| cannot_use(&path, error))?;
    if seeds.len() % 32 == 0 { Ok(seeds) } else { Err(damaged(&path)) }
}

fn damaged(path: &Path) -> Error {
    Error::new(Kind::Internal, format!("`{}` is damaged; restore it from a backup", path.display()))
}

/// Writes a file that only the owner can read, whole or not at all.
fn write_whole(dir: &Path, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    let staged = dir.join(format!("{name}.new"));
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&staged)?;
    file.write_all(bytes).and_then(|()| file.sync_all())?;
    std::fs::rename(&staged, dir.join(name))?;
    File::open(dir).and_then(|dir| dir.sync_all())
}

fn read_or_make(dir: &Path, name: &str) -> Result<[u8; 32]> {
    let path = dir.join(name);
    let failed = |error| cannot_use(&path, error);
    match File::open(&path) {
        Ok(file) => {
            let mut bytes = Vec::new();
            file.take(64).read_to_end(&mut bytes).map_err(failed)?;
            bytes.try_into().map_err(|_bytes: Vec<u8>| damaged(&path))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let key = random::<32>()?;
            write_whole(dir, name, &key).map_err(failed)?;
            Ok(key)
        }
        Err(error) => Err(failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_good_for_one_text_and_one_key() {
        let (dir, other) = (tempfile::tempdir().expect("tempdir"), tempfile::tempdir().expect("tempdir"));
        let keys = Keys::open(dir.path(), dir.path()).expect("made");
        let (key, signature) = (keys.public_key(), keys.sign("text"));
        assert!(verify(&key, "text", &signature));
        assert!(!verify(&key, "texts", &signature));
        assert!(!verify(
            &Keys::open(other.path(), other.path()).expect("made").public_key(),
            "text",
            &signature
        ));
        assert!(!verify(&key, "text", "AAAA") && !verify("ed25519:", "text", &signature));
    }

    #[test]
    fn keys_stay_the_same_and_a_damaged_one_is_refused() {
        let dir = tempfile::tempdir().expect("tempdir");
        let open = |keys_dir: &Path| Keys::open(keys_dir, dir.path());
        let first = open(dir.path()).expect("made").public_key();
        assert_eq!(open(dir.path()).expect("read").public_key(), first);
        let store = dir.path().join("store");
        std::fs::create_dir(&store).expect("made");
        assert_eq!(open(&store).err().expect("refused").kind(), Kind::Conflict);
        for name in [HUB_KEY_FILE, URL_KEY_FILE] {
            std::fs::copy(dir.path().join(name), store.join(name)).expect("copied");
        }
        assert_eq!(open(&store).expect("read").public_key(), first);
        std::fs::write(dir.path().join(HUB_KEY_FILE), b"short").expect("write");
        assert!(open(dir.path()).is_err());
    }
}
