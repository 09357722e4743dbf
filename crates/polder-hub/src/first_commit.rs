//! The first commit of a repository that clients of an API work with: they expect its default branch to exist.

use std::str::FromStr;

use bytes::Bytes;
use polder_git::{Change, Command, write_commit};
use polder_types::{ObjectId, RepoName};

use crate::Hub;
use crate::access::{Contributes, Grant};
use crate::commit::COMMIT;
use crate::error::{Error, Kind, Result};
use crate::files::OpenError;

/// What is stored with LFS from the start, unless the owner changes it: weights, data, archives, media.
const LFS_ENDINGS: &[&str] = &[
    "7z",
    "arrow",
    "bin",
    "bz2",
    "ckpt",
    "flac",
    "ftz",
    "gguf",
    "gif",
    "gz",
    "h5",
    "jpeg",
    "jpg",
    "joblib",
    "lz4",
    "mlmodel",
    "mp3",
    "mp4",
    "msgpack",
    "npy",
    "npz",
    "onnx",
    "ot",
    "parquet",
    "pb",
    "pickle",
    "pkl",
    "png",
    "pt",
    "pth",
    "rar",
    "safetensors",
    "tar",
    "tflite",
    "tgz",
    "wasm",
    "wav",
    "webp",
    "xz",
    "zip",
    "zst",
];

/// What runs a Space, where Spaces run.
///
/// Source: `huggingface_hub` 2.4.0 `constants.py`, `SPACES_SDK_TYPES`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpaceSdk {
    /// `gradio`
    Gradio,
    /// `streamlit`
    Streamlit,
    /// `docker`
    Docker,
    /// `static`
    Static,
}

impl SpaceSdk {
    const ALL: [(&'static str, Self); 4] = [
        ("gradio", Self::Gradio),
        ("streamlit", Self::Streamlit),
        ("docker", Self::Docker),
        ("static", Self::Static),
    ];

    fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, sdk)| *sdk == self).map_or("", |(word, _)| word)
    }

    /// The card of a Space that has nothing else yet.
    pub(crate) fn card(self, name: &RepoName) -> Change {
        // In quotes, since a name may look like a number.
        let text = format!("---\ntitle: \"{}\"\nsdk: {}\n---\n", name.name(), self.as_str());
        Change::Write { path: "README.md".to_owned(), content: Bytes::from(text), executable: false }
    }
}

impl FromStr for SpaceSdk {
    type Err = String;

    fn from_str(word: &str) -> std::result::Result<Self, String> {
        let found = Self::ALL.iter().find(|(known, _)| *known == word);
        let known = Self::ALL.map(|(word, _)| word).join(", ");
        found.map(|(_, sdk)| *sdk).ok_or_else(|| format!("`{word}` is no sdk of a Space; there are {known}"))
    }
}

impl Hub {
    /// Makes the first commit of a repository without any branch, as [`Hub::create_repo`] does, where somebody who
    /// may write begins something at its default branch. An unknown revision is told of by what begins there.
    ///
    /// # Errors
    /// As [`Hub::commit`].
    pub(crate) async fn commit_first(&self, grant: &Grant<impl Contributes>, revision: &str) -> Result<()> {
        let may = grant.proposer().is_none();
        if may && matches!(self.find_revision(&grant.as_read(), revision).await, Ok(None)) {
            return self.commit_first_with(grant, None).await;
        }
        Ok(())
    }

    /// The same with a card, in a repository of which nobody else knows yet.
    pub(crate) async fn commit_first_with(
        &self,
        grant: &Grant<impl Contributes>,
        card: Option<Change>,
    ) -> Result<()> {
        let changes: Vec<Change> = std::iter::once(attributes()).chain(card).collect();
        let begun = self.change_ref(grant, COMMIT, move |hub, grant, snapshot| {
            let author = hub.author(grant);
            let written = write_commit(snapshot, None, &changes, None, &author, "Initial commit");
            let written = written.map_err(Error::from)?;
            let name = snapshot.head().to_owned();
            let pack = written.whole_pack().map_err(Error::from)?;
            Ok((Command { name, old: ObjectId::ZERO, new: written.commit_id }, pack))
        });
        let Err(error) = begun.await.map_err(OpenError::into_error) else { return Ok(()) };
        let held = self.held(grant.repo_id()).await?;
        let is_begun = held.snapshot.find_ref(held.snapshot.head()).is_some();
        // Somebody else began it meanwhile.
        if error.kind() == Kind::Conflict && is_begun { Ok(()) } else { Err(error) }
    }
}

/// Says which files are stored with LFS.
fn attributes() -> Change {
    let lines = LFS_ENDINGS.iter().map(|ending| format!("*.{ending} filter=lfs diff=lfs merge=lfs -text\n"));
    let content = Bytes::from(lines.collect::<String>());
    Change::Write { path: ".gitattributes".to_owned(), content, executable: false }
}
