//! A certificate authority of the test's own.

use std::path::{Path, PathBuf};
use std::time::Duration;

use polder_types::Clock;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use tempfile::TempDir;

/// Signs certificates for the servers of a test.
pub struct Authority {
    dir: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate with its key, in files.
#[derive(Debug, Clone)]
pub struct Issued {
    /// The certificate in PEM.
    pub certificate: PathBuf,
    /// Its key in PEM.
    pub key: PathBuf,
}

impl Authority {
    /// A new authority that nobody trusts yet.
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "The test's authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("an authority");
        let dir = TempDir::with_prefix("polder-authority-").expect("a temporary directory");
        std::fs::write(dir.path().join("ca.pem"), issuer.pem()).expect("write the authority's certificate");
        Self { dir, issuer }
    }

    /// Its own certificate, for those who are to trust it.
    pub fn file(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// A certificate for names and addresses, valid from an hour ago for a day.
    pub fn issue(&self, names: &[&str]) -> Issued {
        self.issue_between(names, -3_600, 24 * 3_600)
    }

    /// A certificate valid from and until so many seconds from now, in files of its own.
    pub fn issue_between(&self, names: &[&str], from_seconds: i64, until_seconds: i64) -> Issued {
        let names: Vec<String> = names.iter().copied().map(str::to_owned).collect();
        let mut params = CertificateParams::new(names).expect("names");
        let at = |seconds: i64| {
            let since_1970 = Clock::System.now().plus_seconds(seconds).seconds();
            rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(since_1970.try_into().expect("after 1970"))
        };
        (params.not_before, params.not_after) = (at(from_seconds), at(until_seconds));
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let place = TempDir::with_prefix_in("issued-", self.dir.path()).expect("a directory").keep();
        let issued = Issued { certificate: place.join("hub.pem"), key: place.join("hub.key") };
        std::fs::write(&issued.certificate, certificate.pem()).expect("write the certificate");
        write_private(&issued.key, &key.serialize_pem());
        issued
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Issued {
    /// The `[tls]` section of a hub that serves it.
    pub fn config(&self) -> String {
        let (certificate, key) = (self.certificate.display(), self.key.display());
        format!("[tls]\ncertificate = \"{certificate}\"\nkey = \"{key}\"\n")
    }

    /// Puts another certificate in place of this one, as a renewal does.
    pub fn replace_with(&self, other: &Self) {
        std::fs::copy(&other.certificate, &self.certificate).expect("copy the certificate");
        std::fs::copy(&other.key, &self.key).expect("copy the key");
    }
}

fn write_private(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, text).expect("write the key");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("close the key");
}
