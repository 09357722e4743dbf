//! Changes as a unified diff.

use std::fmt::Write as _;
use std::path::Path;

use git2::{DiffOptions, Patch};
use polder_types::ObjectId;

use super::compare::FileChange;
use crate::tree::EntryKind;
use crate::{Error, Result, Snapshot, TreeEntry, read_file};

/// Larger files are only said to differ, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// A file with a NUL byte this early is binary, as in git.
const BINARY_LOOK_BYTES: usize = 8_000;
const DIFFING: &str = "compare two files";

/// Changes as people read them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diff {
    /// As git writes it.
    pub text: String,
    /// Whether some changes are not in it, because there are too many.
    pub is_cut: bool,
}

/// Writes changes as `git diff --full-index` shows them, stopping after the file with which the text has
/// `bytes_max` bytes or more.
///
/// LFS files show their pointers, as git holds them. Files that are binary or have more than 1 MiB are only
/// said to differ.
///
/// # Errors
/// [`Error::Corrupt`] if a file is missing or malformed.
pub fn unified_diff(snapshot: &Snapshot, changes: &[FileChange], bytes_max: usize) -> Result<Diff> {
    let mut text = String::new();
    for change in changes {
        if text.len() >= bytes_max {
            return Ok(Diff { text, is_cut: true });
        }
        let (old, new) = (change.old.as_ref(), change.new.as_ref());
        match (old, new) {
            // Git shows a file that became something else as one that went and one that came.
            (Some(before), Some(now)) if type_of(before) != type_of(now) => {
                one(snapshot, Some(before), None, &mut text)?;
                one(snapshot, None, Some(now), &mut text)?;
            }
            _ => one(snapshot, old, new, &mut text)?,
        }
    }
    Ok(Diff { text, is_cut: false })
}

fn type_of(entry: &TreeEntry) -> &'static str {
    match entry.kind {
        EntryKind::File | EntryKind::Executable => "file",
        EntryKind::Symlink => "link",
        EntryKind::Directory | EntryKind::Submodule => "other",
    }
}

fn mode(entry: &TreeEntry) -> &'static str {
    match entry.kind {
        EntryKind::File => "100644",
        EntryKind::Executable => "100755",
        EntryKind::Symlink => "120000",
        EntryKind::Directory => "040000",
        EntryKind::Submodule => "160000",
    }
}

fn one(
    snapshot: &Snapshot,
    old: Option<&TreeEntry>,
    new: Option<&TreeEntry>,
    text: &mut String,
) -> Result<()> {
    let Some(any) = new.or(old) else { return Ok(()) };
    let path = |entry: Option<&TreeEntry>| entry.unwrap_or(any).path.clone();
    let (a, b) = (quoted("a/", &path(old)), quoted("b/", &path(new)));
    let mut header = format!("diff --git {a} {b}\n");
    match (old, new) {
        (Some(old), Some(new)) if mode(old) != mode(new) => {
            write_fmt(&mut header, format_args!("old mode {}\nnew mode {}\n", mode(old), mode(new)));
        }
        (None, Some(new)) => write_fmt(&mut header, format_args!("new file mode {}\n", mode(new))),
        (Some(old), None) => write_fmt(&mut header, format_args!("deleted file mode {}\n", mode(old))),
        _ => {}
    }
    if let (Some(old), Some(new)) = (old, new)
        && old.path != new.path
    {
        let (from, to) = (quoted("", &old.path), quoted("", &new.path));
        write_fmt(&mut header, format_args!("similarity index 100%\nrename from {from}\nrename to {to}\n"));
    }
    text.push_str(&header);
    let id = |entry: Option<&TreeEntry>| entry.map_or(ObjectId::ZERO, |entry| entry.oid);
    if id(old) == id(new) {
        return Ok(());
    }
    write_fmt(text, format_args!("index {}..{}", id(old), id(new)));
    if let (Some(old), Some(new)) = (old, new)
        && mode(old) == mode(new)
    {
        write_fmt(text, format_args!(" {}", mode(new)));
    }
    text.push('\n');
    let names = (old.map_or("/dev/null", |_| &a), new.map_or("/dev/null", |_| &b));
    if let (Some(before), Some(now)) = (content(snapshot, old)?, content(snapshot, new)?) {
        return hunks((&before, &now), names, text);
    }
    write_fmt(text, format_args!("Binary files {} and {} differ\n", names.0, names.1));
    Ok(())
}

fn write_fmt(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _written = text.write_fmt(arguments);
}

/// The text of a file; `None` if it has none to show.
fn content(snapshot: &Snapshot, entry: Option<&TreeEntry>) -> Result<Option<Vec<u8>>> {
    let Some(entry) = entry else { return Ok(Some(Vec::new())) };
    let Some(size_bytes) = entry.size_bytes else {
        return Ok(Some(format!("Subproject commit {}\n", entry.oid).into_bytes()));
    };
    if size_bytes > FILE_BYTES_MAX {
        return Ok(None);
    }
    let data = read_file(snapshot, entry.oid)?;
    let is_binary = data.iter().take(BINARY_LOOK_BYTES).any(|byte| *byte == 0);
    Ok((!is_binary).then(|| data.to_vec()))
}

fn hunks((old, new): (&[u8], &[u8]), names: (&str, &str), text: &mut String) -> Result<()> {
    let failed = |error: git2::Error| Error::corrupt_by(DIFFING, names.1, error);
    let mut options = DiffOptions::new();
    options.context_lines(3).indent_heuristic(true).force_text(true);
    let name = Some(Path::new("file"));
    let mut patch = Patch::from_buffers(old, name, new, name, Some(&mut options)).map_err(failed)?;
    if patch.num_hunks() > 0 {
        // Git ends a name with a space in it by a tab, for `patch`.
        let end = |name: &str| if name.contains(' ') { "\t" } else { "" };
        let (a, b) = names;
        write_fmt(text, format_args!("--- {a}{}\n+++ {b}{}\n", end(a), end(b)));
    }
    patch
        .print(&mut |_, hunk, line| {
            if hunk.is_some() {
                if matches!(line.origin(), '+' | '-' | ' ') {
                    text.push(line.origin());
                }
                text.push_str(&String::from_utf8_lossy(line.content()));
            }
            true
        })
        .map_err(failed)
}

/// A path as git writes it in a diff with `core.quotePath` off.
///
/// Source: git `quote.c` `quote_c_style`.
fn quoted(prefix: &str, path: &str) -> String {
    let is_plain = |c: char| !(c.is_ascii_control() || matches!(c, '"' | '\\'));
    if path.chars().all(is_plain) {
        return format!("{prefix}{path}");
    }
    let mut text = format!("\"{prefix}");
    for c in path.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            '\x07' => text.push_str("\\a"),
            '\x08' => text.push_str("\\b"),
            '\t' => text.push_str("\\t"),
            '\n' => text.push_str("\\n"),
            '\x0b' => text.push_str("\\v"),
            '\x0c' => text.push_str("\\f"),
            '\r' => text.push_str("\\r"),
            c if c.is_ascii_control() => write_fmt(&mut text, format_args!("\\{:03o}", u32::from(c))),
            c => text.push(c),
        }
    }
    text.push('"');
    text
}
