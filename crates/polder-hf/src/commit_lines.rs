//! The lines of a commit: a header, then one operation each.
//!
//! Source: `huggingface_hub` 2.4.0 `_commit_api.py`, `_prepare_commit_payload`; huggingface.js `commit.ts`.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use polder_hub::{CommitDraft, Error, Kind, Lines, OpenError};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(tag = "key", content = "value", rename_all = "camelCase")]
enum Line<'a> {
    #[serde(rename_all = "camelCase")]
    Header {
        #[serde(default)]
        summary: String,
        #[serde(default)]
        description: String,
        parent_commit: Option<String>,
    },
    File {
        path: String,
        #[serde(borrow)]
        content: Cow<'a, str>,
        #[serde(default)]
        encoding: Option<String>,
    },
    LfsFile {
        path: String,
        oid: String,
        size: Option<u64>,
        algo: Option<String>,
    },
    DeletedFile {
        path: String,
    },
    DeletedFolder {
        path: String,
    },
    #[serde(rename_all = "camelCase")]
    CopyFile {
        path: String,
        src_path: String,
        src_revision: Option<String>,
    },
}

/// Reads a whole commit; the header comes first.
pub(crate) fn read_commit(lines: &mut Lines, draft: &mut CommitDraft<'_>) -> Result<(), OpenError> {
    let mut number = 0_usize;
    while let Some(line) = lines.next_line()? {
        number += 1;
        let parsed = serde_json::from_slice(line).map_err(|error| {
            Error::new(
                Kind::Invalid,
                format!("line {number} of the commit is not what belongs here: {error}"),
            )
        })?;
        let is_header = matches!(parsed, Line::Header { .. });
        if is_header != (number == 1) {
            return Err(Error::new(Kind::Invalid, "a commit starts with its one header").into());
        }
        apply(parsed, draft)?;
    }
    if number == 0 {
        return Err(Error::new(Kind::Invalid, "the commit is empty").into());
    }
    Ok(())
}

fn apply(line: Line<'_>, draft: &mut CommitDraft<'_>) -> Result<(), OpenError> {
    let invalid = |message: String| OpenError::from(Error::new(Kind::Invalid, message));
    match line {
        Line::Header { summary, description, parent_commit } => {
            let parent = parent_commit.filter(|text| !text.is_empty());
            let parent = parent.map(|text| text.parse().map_err(|_not_hex| text)).transpose();
            let parent = parent.map_err(|text| invalid(format!("`{text}` is no commit id of 40 digits")))?;
            draft.begin(format!("{summary}\n\n{description}").trim().to_owned(), parent);
        }
        Line::File { path, content, encoding } => {
            let bytes = match encoding.as_deref() {
                Some("base64") => STANDARD
                    .decode(content.as_bytes())
                    .map_err(|error| invalid(format!("the content of `{path}` is not base64: {error}")))?,
                None | Some("utf-8") => content.into_owned().into_bytes(),
                Some(other) => {
                    return Err(invalid(format!("the encoding `{other}` of `{path}` is not known here")));
                }
            };
            draft.write(path, bytes)?;
        }
        Line::LfsFile { path, oid, size, algo } => {
            if algo.is_some_and(|algo| algo != "sha256") {
                return Err(invalid(format!("`{path}`: only sha256 is known here")));
            }
            let oid = oid.parse().map_err(|_not_hex| invalid(format!("`{path}`: `{oid}` is no sha256")))?;
            draft.write_large(path, oid, size)?;
        }
        Line::DeletedFile { path } => draft.delete(path)?,
        Line::DeletedFolder { path } => draft.delete_folder(path)?,
        Line::CopyFile { path, src_path, src_revision } => {
            draft.copy(&src_path, src_revision.as_deref().unwrap_or("HEAD"), path)?;
        }
    }
    Ok(())
}
