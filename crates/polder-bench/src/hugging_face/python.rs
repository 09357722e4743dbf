//! The client of Hugging Face that is measured with.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::blob::Blob;
use crate::hub::Hub;
use crate::tools::{Result, output, program};

/// Where `tests/run` installs it, seen from this crate.
const PLACE: &str = "../../.tools/hub-2.4.0/bin/hf";

/// The command line client, with a home of its own for each run.
#[derive(Debug)]
pub(super) struct HubClient {
    hf: PathBuf,
    directory: PathBuf,
}

/// How large files travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// By HTTP and LFS.
    Plain,
    /// Chunk by chunk.
    Xet,
}

impl HubClient {
    pub(super) fn find(directory: &Path) -> Result<Self> {
        let hf = Path::new(env!("CARGO_MANIFEST_DIR")).join(PLACE);
        if !hf.is_file() {
            return Err(format!("`{}` is missing: `tests/run` installs it", hf.display()).into());
        }
        Ok(Self { hf, directory: directory.to_owned() })
    }

    /// Writes a file to upload.
    pub(super) fn write(&self, name: &str, blob: Blob) -> Result<PathBuf> {
        let path = self.directory.join(name);
        let mut file = std::fs::File::create(&path)?;
        blob.for_each_block(|block| Ok(std::io::Write::write_all(&mut file, block)?))?;
        Ok(path)
    }

    /// Uploads a file to `bench/{repo}` as `w.safetensors`, with nothing remembered of earlier uploads.
    pub(super) fn upload(&self, hub: &Hub, at: SocketAddr, way: Way, repo: &str, file: &Path) -> Result<()> {
        let repo = format!("bench/{repo}");
        let file = file.to_str().ok_or("the temporary directory's name is not UTF-8")?;
        self.run(hub, at, way, &["upload", &repo, file, "w.safetensors"])
    }

    /// Downloads it, with nothing remembered of earlier downloads.
    pub(super) fn download(&self, hub: &Hub, at: SocketAddr, way: Way, repo: &str) -> Result<()> {
        let repo = format!("bench/{repo}");
        self.run(hub, at, way, &["download", &repo, "w.safetensors", "--local-dir", "down"])
    }

    fn run(&self, hub: &Hub, at: SocketAddr, way: Way, words: &[&str]) -> Result<()> {
        let home = tempfile::tempdir_in(&self.directory)?;
        let mut command = program(&self.hf);
        command.args(words).current_dir(home.path());
        command.env("HOME", home.path()).env("HF_ENDPOINT", format!("http://{at}"));
        command.env("HF_TOKEN", hub.token()).env("HF_HUB_DISABLE_PROGRESS_BARS", "1");
        command.env("HF_HUB_DISABLE_TELEMETRY", "1").env("PYTHONDONTWRITEBYTECODE", "1");
        if way == Way::Plain {
            command.env("HF_HUB_DISABLE_XET", "1");
        }
        output(&mut command).map(drop)
    }
}
