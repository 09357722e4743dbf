//! The refs of a repository on disk.
//!
//! Source: git `refs/files-backend.c`, `refs/packed-backend.c`: a loose ref wins over a packed one.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use polder_types::ObjectId;
use polder_types::limits::{REF_NAME_BYTES_MAX, REFS_PER_REPO_MAX};

use super::layout::Layout;
use super::read_small;
use crate::{Error, ObjectReader, Ref, Result, Snapshot};

/// Largest `packed-refs` file, in bytes.
const PACKED_REFS_BYTES_MAX: u64 = 256 << 20;
/// Largest loose ref, in bytes.
const LOOSE_REF_BYTES_MAX: u64 = 64 << 10;
/// Most symbolic refs in a row (git `SYMREF_MAXDEPTH`).
const SYMBOLIC_DEPTH_MAX: usize = 5;
/// The branch that a repository without a usable `HEAD` gets.
const DEFAULT_BRANCH: &str = "refs/heads/main";
/// Namespaces of the hub, which a source cannot fill.
const OURS: [&str; 2] = ["refs/pr/", "refs/polder/"];
/// Where an ordinary repository notes the branches of others, and stashed work.
const REMOTES: &str = "refs/remotes/";
const STASH: &str = "refs/stash";

pub(super) struct Found {
    pub(super) head: String,
    pub(super) refs: Vec<Ref>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Direct(ObjectId),
    Symbolic(String),
}

type Values = BTreeMap<String, Value>;

/// What the files say, before anything is known of objects.
pub(super) struct RefFiles {
    values: Values,
    /// `None` if the file is no ref.
    head: Option<Value>,
    /// Refs that only others lead through.
    kept_back: BTreeSet<String>,
}

impl RefFiles {
    /// What `HEAD` leads to.
    pub(super) fn head_commit(&self) -> Option<ObjectId> {
        match self.head.as_ref()? {
            Value::Direct(oid) => Some(*oid),
            Value::Symbolic(name) => resolve(&self.values, name),
        }
    }

    /// Drops what a repository with a working tree notes for itself: where the branches of others were,
    /// and stashed work. A symbolic ref to one of them is still a ref.
    pub(super) fn leave_out_bookkeeping(&mut self, warnings: &mut Vec<String>) {
        let is_note = |name: &&String| *name == STASH || name.starts_with(REMOTES);
        self.kept_back = self.values.keys().filter(is_note).cloned().collect();
        let count = self.kept_back.len();
        if count == 0 {
            return;
        }
        let refs = if count == 1 { "1 ref" } else { &format!("{count} refs") };
        warnings.push(format!(
            "{refs} in refs/remotes/ and refs/stash, an ordinary repository's own notes, were left out; \
             branches that are only there are taken from a `git clone --mirror` of their origin"
        ));
    }
}

/// Reads `HEAD` and every ref, loose ones first: while git packs refs it removes a loose one only after
/// the packed one is there.
pub(super) fn read_files(layout: &Layout, warnings: &mut Vec<String>) -> Result<RefFiles> {
    let mut loose = Loose { values: Values::new(), broken: BTreeSet::new() };
    loose.read_all(&layout.common_dir, warnings)?;
    let Loose { mut values, broken } = loose;
    let packed = read_packed(&layout.common_dir.join("packed-refs"), warnings)?;
    for (name, oid) in packed {
        // Git takes a broken loose ref for broken, too, and does not fall back to the packed one.
        if !broken.contains(&name) {
            values.entry(name).or_insert(Value::Direct(oid));
        }
    }
    if values.len() > REFS_PER_REPO_MAX {
        return Err(Error::too_large(format!("the repository has more than {REFS_PER_REPO_MAX} refs")));
    }
    Ok(RefFiles { values, kept_back: BTreeSet::new(), head: read_head(&layout.git_dir.join("HEAD"))? })
}

/// The default branch, and every ref that leads to an object that is there.
pub(super) fn resolve_all(files: &RefFiles, objects: &Snapshot, warnings: &mut Vec<String>) -> Result<Found> {
    let mut reader = ObjectReader::new(objects);
    let mut refs = Vec::new();
    let is_taken = |name: &&String| {
        !files.kept_back.contains(*name) && !OURS.iter().any(|prefix| name.starts_with(prefix))
    };
    for name in files.values.keys().filter(is_taken) {
        let Some(oid) = resolve(&files.values, name) else {
            warnings.push(format!("the symbolic ref `{name}` leads nowhere and was left out"));
            continue;
        };
        let Some((tags, target, _)) = reader.peel(&oid)? else {
            warnings.push(format!("`{name}` points at {oid}, which is missing, and was left out"));
            continue;
        };
        let peeled = (!tags.is_empty()).then_some(target);
        refs.push(Ref { name: name.clone(), oid, peeled });
    }
    let head = head_branch(files.head.as_ref(), &refs, warnings);
    Ok(Found { head, refs })
}

fn resolve(values: &Values, name: &str) -> Option<ObjectId> {
    let mut name = name;
    for _ in 0..=SYMBOLIC_DEPTH_MAX {
        match values.get(name)? {
            Value::Direct(oid) => return Some(*oid),
            Value::Symbolic(target) => name = target,
        }
    }
    None
}

/// The name as text, if it is one that git allows.
fn checked_name(name: &[u8], warnings: &mut Vec<String>) -> Option<String> {
    let valid = name.len() <= REF_NAME_BYTES_MAX && gix_validate::reference::name(name.into()).is_ok();
    let text = str::from_utf8(name).ok().filter(|_| valid).map(str::to_owned);
    if text.is_none() {
        let shown = String::from_utf8_lossy(name);
        warnings.push(format!("the ref `{shown}` has a name that cannot be kept and was left out"));
    }
    text
}

fn read_packed(path: &Path, warnings: &mut Vec<String>) -> Result<Vec<(String, ObjectId)>> {
    let mut found = Vec::new();
    let content = read_small(path, PACKED_REFS_BYTES_MAX)?.unwrap_or_default();
    for line in content.split(|byte| *byte == b'\n') {
        if line.is_empty() || line.starts_with(b"#") || line.starts_with(b"^") {
            continue;
        }
        let malformed = || Error::corrupt("read the refs", path.display());
        let (hex, name) = line.split_at_checked(2 * ObjectId::BYTES).ok_or_else(malformed)?;
        let oid = ObjectId::from_hex(hex)
            .map_err(|error| Error::corrupt_by("read the refs", path.display(), error))?;
        let name = name.strip_prefix(b" ").ok_or_else(malformed)?;
        found.extend(checked_name(name, warnings).map(|name| (name, oid)));
    }
    Ok(found)
}

/// Refs in files of their own.
struct Loose {
    values: Values,
    broken: BTreeSet<String>,
}

impl Loose {
    fn read_all(&mut self, common_dir: &Path, warnings: &mut Vec<String>) -> Result<()> {
        let mut pending = vec![(common_dir.join("refs"), OsString::from("refs"))];
        while let Some((dir, name)) = pending.pop() {
            for (path, file_name) in list(&dir)? {
                let mut name = name.clone();
                name.push("/");
                name.push(&file_name);
                let is_dir = path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir());
                if is_dir && name.len() <= REF_NAME_BYTES_MAX {
                    pending.push((path, name));
                } else if !is_dir && !name.as_encoded_bytes().ends_with(b".lock") {
                    self.read_one(&path, name.as_encoded_bytes(), warnings)?;
                }
            }
            if self.values.len() > REFS_PER_REPO_MAX {
                break;
            }
        }
        Ok(())
    }

    fn read_one(&mut self, path: &Path, name: &[u8], warnings: &mut Vec<String>) -> Result<()> {
        let Some(name) = checked_name(name, warnings) else { return Ok(()) };
        // A file that is gone by now was packed or deleted.
        let Some(content) = read_small(path, LOOSE_REF_BYTES_MAX)? else { return Ok(()) };
        if let Some(value) = parse_value(&content) {
            self.values.insert(name, value);
        } else {
            warnings.push(format!("the file of the ref `{name}` is damaged; the ref was left out"));
            self.broken.insert(name);
        }
        Ok(())
    }
}

fn list(dir: &Path) -> Result<Vec<(PathBuf, OsString)>> {
    let listed = std::fs::read_dir(dir).and_then(|files| {
        files
            .map(|file| file.map(|file| (file.path(), file.file_name())))
            .collect::<std::io::Result<Vec<_>>>()
    });
    listed.map_err(|error| Error::io("list the refs", dir.display(), error))
}

fn parse_value(content: &[u8]) -> Option<Value> {
    if let Some(target) = content.strip_prefix(b"ref:") {
        return Some(Value::Symbolic(str::from_utf8(target).ok()?.trim().to_owned()));
    }
    let hex = content.get(..2 * ObjectId::BYTES)?;
    let ends = content.get(2 * ObjectId::BYTES).is_none_or(u8::is_ascii_whitespace);
    ObjectId::from_hex(hex).ok().filter(|oid| ends && !oid.is_zero()).map(Value::Direct)
}

fn read_head(path: &Path) -> Result<Option<Value>> {
    // Very old repositories have a symbolic link instead of a text.
    let link = std::fs::read_link(path).ok().and_then(|target| target.to_str().map(str::to_owned));
    if let Some(target) = link.filter(|target| target.starts_with("refs/")) {
        return Ok(Some(Value::Symbolic(target)));
    }
    Ok(read_small(path, LOOSE_REF_BYTES_MAX)?.and_then(|content| parse_value(&content)))
}

/// The branch that `HEAD` names, or else the rule for a repository without one.
fn head_branch(head: Option<&Value>, refs: &[Ref], warnings: &mut Vec<String>) -> String {
    let problem = match head {
        Some(Value::Symbolic(name)) if is_branch(name) => return name.clone(),
        Some(Value::Symbolic(name)) => format!("points at `{name}`, which is no branch"),
        Some(Value::Direct(oid)) => format!("is detached at {oid}"),
        None => "is damaged".to_owned(),
    };
    let branch = default_branch(refs);
    warnings.push(format!("HEAD {problem}; the default branch is `{branch}`"));
    branch
}

fn is_branch(name: &str) -> bool {
    name.starts_with("refs/heads/") && gix_validate::reference::name(name.into()).is_ok()
}

/// `main` if it exists or there is more or less than one branch.
fn default_branch(refs: &[Ref]) -> String {
    let mut branches = refs.iter().filter(|named| named.name.starts_with("refs/heads/"));
    match (branches.next(), branches.next()) {
        (Some(only), None) => only.name.clone(),
        _ => DEFAULT_BRANCH.to_owned(),
    }
}
