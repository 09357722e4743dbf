//! What a repository's own configuration says about its format.
//!
//! Source: git `Documentation/technical/repository-version.adoc`, `config/extensions.adoc`; git-lfs
//! `docs/man/git-lfs-config.adoc` (`lfs.storage`).

use std::path::PathBuf;

use super::layout::Layout;
use super::read_small;
use crate::{Error, Result};

/// Largest configuration file, in bytes.
const CONFIG_BYTES_MAX: u64 = 16 << 20;
/// Newest repository format that is known.
const FORMAT_MAX: i64 = 1;

/// What matters of the configuration.
#[derive(Debug, Default)]
pub(super) struct Config {
    /// Where git-lfs keeps its files, if not in `lfs`.
    pub(super) lfs_storage: Option<PathBuf>,
    /// Where it was cloned from.
    pub(super) origin_url: Option<String>,
    /// Whether it has no working tree, if it says so.
    pub(super) is_bare: Option<bool>,
}

/// Reads the configuration and refuses what cannot be imported whole.
pub(super) fn read(layout: &Layout) -> Result<Config> {
    let shown = layout.git_dir.display().to_string();
    if layout.common_dir.join("reftable").is_dir() {
        return Err(reftable(&shown));
    }
    let path = layout.common_dir.join("config");
    let Some(content) = read_small(&path, CONFIG_BYTES_MAX)? else { return Ok(Config::default()) };
    let metadata = gix_config::file::Metadata::from(gix_config::Source::Local);
    let file = gix_config::File::from_bytes_no_includes(
        &content,
        metadata,
        gix_config::file::init::Options::default(),
    )
    .map_err(|error| Error::corrupt_by("read a repository's configuration", path.display(), error))?;
    let version = file.integer("core.repositoryformatversion").ok().flatten().unwrap_or(0);
    if !(0..=FORMAT_MAX).contains(&version) {
        return Err(Error::refused(format!(
            "`{shown}` has repository format {version}; 0 and 1 can be imported"
        )));
    }
    check_extensions(&file, &shown)?;
    check_promisors(&file, &shown)?;
    let text = |key: &str| file.string(key).and_then(|value| String::from_utf8(value.into()).ok());
    let storage = text("lfs.storage");
    Ok(Config {
        lfs_storage: storage.filter(|text| !text.is_empty()).map(|text| layout.common_dir.join(text)),
        origin_url: text("remote.origin.url"),
        is_bare: file.boolean("core.bare").ok().flatten(),
    })
}

fn check_extensions(file: &gix_config::File, shown: &str) -> Result<()> {
    for section in file.sections_by_name("extensions").into_iter().flatten() {
        for name in section.value_names() {
            let name = name.to_ascii_lowercase();
            let value =
                section.value(&name).map(|value| value.to_string().to_ascii_lowercase()).unwrap_or_default();
            match (name.as_str(), value.as_str()) {
                ("noop" | "noop-v1" | "preciousobjects" | "worktreeconfig" | "relativeworktrees", _)
                | ("objectformat", "sha1")
                | ("refstorage", "files") => {}
                ("objectformat", other) => {
                    return Err(Error::refused(format!(
                        "`{shown}` has {other} object ids; only sha1 repositories can be imported"
                    )));
                }
                ("refstorage", other) if other.starts_with("reftable") => return Err(reftable(shown)),
                ("partialclone", _) => return Err(partial(shown)),
                (other, _) => {
                    return Err(Error::refused(format!(
                        "`{shown}` has the extension `{other}`, which is not known here"
                    )));
                }
            }
        }
    }
    Ok(())
}

fn check_promisors(file: &gix_config::File, shown: &str) -> Result<()> {
    for section in file.sections_by_name("remote").into_iter().flatten() {
        let promisor = section.value_implicit("promisor").is_some_and(|value| {
            value.is_none_or(|text| {
                let text = text.to_string().to_ascii_lowercase();
                !matches!(text.as_str(), "false" | "no" | "off" | "0" | "")
            })
        });
        if promisor || section.contains_value_name("partialclonefilter") {
            return Err(partial(shown));
        }
    }
    Ok(())
}

fn reftable(shown: &str) -> Error {
    Error::refused(format!(
        "`{shown}` keeps its refs as a reftable; run `git refs migrate --ref-format=files` there first"
    ))
}

/// The refusal of a repository that lacks objects on purpose.
pub(super) fn partial(shown: &str) -> Error {
    Error::refused(format!(
        "`{shown}` is a partial clone and lacks objects that its promisor remote has; import a full clone"
    ))
}
