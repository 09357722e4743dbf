//! A certificate that someone else renews, in two files.

use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use polder_types::Clock;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use crate::{Certificate, Error, Served};

/// Largest file, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Time between two warnings that the certificate nears its end.
const WARNING_PERIOD: Duration = Duration::from_hours(24);
/// Permission of the world to read.
const OTHERS_MAY_READ: u32 = 0o004;

/// Where a chain and its key are, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate, and after it those that lead to its authority.
    pub certificate: PathBuf,
    /// Its key, unencrypted.
    pub key: PathBuf,
}

/// What was in the files at one time.
#[derive(PartialEq, Eq)]
pub struct Pair {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl CertificateFiles {
    /// Reads both files and checks them.
    ///
    /// # Errors
    /// When one cannot be read, they do not belong together, or the certificate is not valid now.
    pub fn load(&self, clock: &Clock) -> Result<(Pair, Certificate), Error> {
        let pair = self.read()?;
        let certificate = self.check(&pair, clock)?;
        Ok((pair, certificate))
    }

    /// A warning when everyone on this machine can read the key.
    pub fn warning(&self) -> Option<String> {
        let mode = std::fs::metadata(&self.key).ok()?.permissions().mode();
        (mode & OTHERS_MAY_READ != 0)
            .then(|| format!("everyone on this machine can read the key `{}`: chmod o-r", self.key.display()))
    }

    /// Keeps `served` equal to the files, of which `seen` was loaded last: looks once in a `period`, and at
    /// once when `asked`. Files that cannot be served are logged and change nothing. Never ends.
    pub async fn follow(
        &self,
        mut seen: Pair,
        served: &Served,
        period: Duration,
        asked: &Notify,
        clock: &Clock,
    ) {
        let mut last_problem = None;
        let mut last_warning: Option<Instant> = None;
        loop {
            served.record_expiry();
            if last_warning.is_none_or(|last| last.elapsed() >= WARNING_PERIOD) {
                (last_warning, last_problem) = (Some(Instant::now()), None);
                served.warn_of_expiry(clock.now());
            }
            let is_asked = timeout(period, asked.notified()).await.is_ok();
            match self.look(&mut seen, clock) {
                Ok(Some(certificate)) => {
                    last_problem = None;
                    served.replace(certificate);
                }
                Ok(None) => {
                    last_problem = None;
                    if is_asked {
                        tracing::info!("the TLS certificate has not changed");
                    }
                }
                Err(error) => {
                    let problem = Some(error.chain());
                    if is_asked || problem != last_problem {
                        tracing::error!(error = error.chain(), "keeping the TLS certificate of before");
                    }
                    last_problem = problem;
                }
            }
        }
    }

    /// The certificate in the files, if it is another than was seen last.
    fn look(&self, seen: &mut Pair, clock: &Clock) -> Result<Option<Certificate>, Error> {
        let pair = self.read()?;
        if pair == *seen {
            return Ok(None);
        }
        let certificate = self.check(&pair, clock)?;
        *seen = pair;
        Ok(Some(certificate))
    }

    fn read(&self) -> Result<Pair, Error> {
        Ok(Pair { certificate: read(&self.certificate)?, key: read(&self.key)? })
    }

    fn check(&self, pair: &Pair, clock: &Clock) -> Result<Certificate, Error> {
        let certificate =
            Certificate::from_pem((&self.certificate, &pair.certificate), (&self.key, &pair.key))?;
        match certificate.problem_at(clock.now()) {
            None => Ok(certificate),
            Some(problem) => Err(Error::of_file(&self.certificate, problem)),
        }
    }
}

/// A few kilobytes from a local disk: quicker than to ask another thread.
fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let failed = |error| Error::of_file(path, "cannot be read").caused_by(error);
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    let length = file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    match u64::try_from(length) {
        Ok(..=FILE_BYTES_MAX) => Ok(bytes),
        _ => Err(Error::of_file(path, "is too large for a certificate or a key")),
    }
}
