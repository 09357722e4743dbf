//! Where an object stands in a tree.
//!
//! A million files in one folder share the path to it: a path written out for each took gigabytes for a
//! push of a few megabytes.

use std::fmt;
use std::sync::Arc;

use crate::{Error, Result};

/// Longest path of a file, in bytes; no system checks out a longer one.
const PATH_BYTES_MAX: usize = 4096;

/// A path below the root, parts joined by `/` when it is shown; empty for the root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TreePath(Option<Arc<Part>>);

#[derive(Debug, PartialEq, Eq)]
struct Part {
    above: TreePath,
    name: Box<[u8]>,
    /// Of the whole path.
    bytes: usize,
}

impl TreePath {
    /// Whether it is the root.
    pub fn is_root(&self) -> bool {
        self.0.is_none()
    }

    /// The path of `name` in this folder.
    ///
    /// # Errors
    /// [`Error::Refused`] if no system could check it out.
    pub(super) fn join(&self, name: &[u8]) -> Result<Self> {
        let above = self.0.as_ref().map_or(0, |part| part.bytes + 1);
        let part = Part { above: self.clone(), name: name.into(), bytes: above + name.len() };
        let is_too_long = part.bytes > PATH_BYTES_MAX;
        let path = Self(Some(Arc::new(part)));
        if is_too_long {
            let start: String = path.to_string().chars().take(80).collect();
            return Err(Error::refused(format!("the path `{start}…` is longer than {PATH_BYTES_MAX} bytes")));
        }
        Ok(path)
    }
}

/// Bytes that are not UTF-8 are shown as U+FFFD.
impl fmt::Display for TreePath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut names, mut at) = (Vec::new(), self);
        while let Some(part) = &at.0 {
            names.push(String::from_utf8_lossy(&part.name));
            at = &part.above;
        }
        for (place, name) in names.iter().rev().enumerate() {
            write!(out, "{}{name}", if place == 0 { "" } else { "/" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_shown_from_the_root_and_has_an_end() {
        let root = TreePath::default();
        assert!(root.is_root() && root.to_string().is_empty());
        let file = root.join(b"a").unwrap().join(b"\xff").unwrap().join(b"c").unwrap();
        assert_eq!(file.to_string(), "a/\u{fffd}/c");
        let long = root.join(&[b'n'; 4000]).unwrap();
        assert!(long.join(&[b'n'; 95]).is_ok());
        let error = long.join(&[b'n'; 96]).unwrap_err().to_string();
        assert!(error.starts_with("the path `nnn") && error.len() < 200, "{error}");
    }
}
