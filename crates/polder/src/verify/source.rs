//! Where a proof comes from: a file, or whoever serves the repository.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;

use http::StatusCode;
use polder_egress::{Allowance, Egress, Options, Request, Url};
use polder_log::{CLONE_PROOF_BYTES_MAX, CloneProof};

use crate::Error;

/// Where hubs and mirrors give proofs, before the name of the repository.
const ROUTE: &str = "polder/v1/proof";

#[derive(Debug)]
pub(super) enum ProofSource {
    File(PathBuf),
    Hub(Url),
}

impl fmt::Display for ProofSource {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(out, "`{}`", path.display()),
            Self::Hub(url) => write!(out, "`{url}`"),
        }
    }
}

impl ProofSource {
    /// The file if there is one, else the repository's URL, else that of the clone's own remote.
    pub(super) fn choose(
        file: Option<PathBuf>,
        from: Option<&str>,
        origin: Option<&str>,
    ) -> Result<Self, Error> {
        if let Some(path) = file {
            return Ok(Self::File(path));
        }
        let Some(text) = from.or(origin) else {
            return Err(Error::plain("the clone has no remote `origin`: say --from URL or --proof FILE"));
        };
        let url: Url = text.trim_end_matches('/').trim_end_matches(".git").parse().map_err(|error| {
            Error::caused_by(format!("`{text}` is not where a hub is: say --from URL or --proof FILE"), error)
        })?;
        let path = url.path().trim_matches('/').to_owned();
        let proof = url.join(&format!("/{ROUTE}/{path}"));
        proof.map(Self::Hub).map_err(|error| Error::caused_by("the clone's remote is no repository", error))
    }

    pub(super) async fn read(&self) -> Result<CloneProof, Error> {
        let bytes = match self {
            Self::File(path) => {
                let failed = |error| Error::io("cannot read", path, error);
                let mut bytes = Vec::new();
                let bytes_max = u64::try_from(CLONE_PROOF_BYTES_MAX).unwrap_or(u64::MAX);
                File::open(path).map_err(failed)?.take(bytes_max).read_to_end(&mut bytes).map_err(failed)?;
                bytes
            }
            Self::Hub(url) => ask(url).await?,
        };
        CloneProof::decode(&bytes).map_err(|error| Error::caused_by(format!("{self} is no proof"), error))
    }
}

async fn ask(url: &Url) -> Result<Vec<u8>, Error> {
    let failed = |error| Error::caused_by(format!("cannot ask `{url}`"), error);
    let egress = Egress::new(Options::default()).map_err(failed)?;
    let response = egress.send(Request::get(url, &Allowance::naming(url))).await.map_err(failed)?;
    let status = response.status();
    if status != StatusCode::OK {
        let hint = if status == StatusCode::NOT_FOUND { ": it proves no such repository" } else { "" };
        return Err(Error::plain(format!("`{url}` answered {status}{hint}")));
    }
    response.bytes(CLONE_PROOF_BYTES_MAX).await.map(|bytes| bytes.to_vec()).map_err(failed)
}
