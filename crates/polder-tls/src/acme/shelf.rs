//! Where the account and the certificate are kept between runs.

use std::fs::{DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use crate::{Certificate, Error};

const ACCOUNT: &str = "account.json";
/// The key and the chain in one file, so that they change together.
const CERTIFICATE: &str = "certificate.pem";

/// A directory for one authority, readable by this user only.
pub(super) struct Shelf(PathBuf);

impl Shelf {
    pub(super) fn open(dir: &Path, directory_url: &str) -> Result<Self, Error> {
        let name = directory_url.trim_start_matches("https://");
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' || c == '-' { c } else { '_' };
        let dir = dir.join(name.chars().map(plain).collect::<String>());
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&dir)
            .map_err(|error| Error::of_file(&dir, "cannot be made").caused_by(error))?;
        Ok(Self(dir))
    }

    pub(super) fn account(&self) -> Result<Option<Vec<u8>>, Error> {
        self.read(ACCOUNT)
    }

    pub(super) fn keep_account(&self, text: &[u8]) -> Result<(), Error> {
        self.write(ACCOUNT, text)
    }

    pub(super) fn forget_account(&self) {
        let path = self.0.join(ACCOUNT);
        if let Err(error) = std::fs::remove_file(&path) {
            tracing::error!(%error, path = %path.display(), "cannot forget an account");
        }
    }

    pub(super) fn certificate(&self) -> Result<Option<Certificate>, Error> {
        self.read(CERTIFICATE)?.map(|pem| self.parse(&pem)).transpose()
    }

    /// Keeps a key with its chain, unless they do not belong together.
    pub(super) fn keep_certificate(&self, key: &str, chain: &str) -> Result<Certificate, Error> {
        let both = format!("{key}{chain}");
        let certificate = self.parse(both.as_bytes())?;
        self.write(CERTIFICATE, both.as_bytes())?;
        Ok(certificate)
    }

    fn parse(&self, pem: &[u8]) -> Result<Certificate, Error> {
        let path = self.0.join(CERTIFICATE);
        Certificate::from_pem((&path, pem), (&path, pem))
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let path = self.0.join(name);
        match std::fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::of_file(&path, "cannot be read").caused_by(error)),
        }
    }

    /// Replaces a file as a whole, on disk before this returns.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let path = self.0.join(name);
        let replace = || -> io::Result<()> {
            // Made with mode 0600.
            let mut file = tempfile::NamedTempFile::new_in(&self.0)?;
            file.write_all(bytes)?;
            file.as_file().sync_all()?;
            file.persist(&path)?;
            File::open(&self.0)?.sync_all()
        };
        replace().map_err(|error| Error::of_file(&path, "cannot be written").caused_by(error))
    }
}
