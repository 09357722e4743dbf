//! Partial clone filters.
//!
//! Source: git `Documentation/rev-list-options.adoc`, `--filter`; `list-objects-filter-options.c`.

use crate::{Error, Result};

/// Most parts in one `combine:` filter.
const COMBINED_MAX: usize = 16;

/// Which blobs and trees a client wants left out. The default leaves out nothing.
///
/// ```
/// use polder_git::Filter;
/// assert_eq!(Filter::parse("blob:limit=1k").unwrap().blob_bytes_limit(), Some(1024));
/// assert!(Filter::parse("sparse:oid=main:x").is_err());
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Filter {
    blob_bytes_limit: Option<u64>,
    tree_depth_limit: Option<u32>,
}

impl Filter {
    /// Reads a filter specification.
    ///
    /// # Errors
    /// [`Error::Refused`] for anything but `blob:none`, `blob:limit=<n>[kmg]`, `tree:<depth>` and
    /// `combine:` of these.
    pub fn parse(spec: &str) -> Result<Self> {
        if let Some(parts) = spec.strip_prefix("combine:") {
            return Self::parse_combined(spec, parts);
        }
        if spec == "blob:none" {
            return Ok(Self { blob_bytes_limit: Some(0), tree_depth_limit: None });
        }
        if let Some(limit) = spec.strip_prefix("blob:limit=") {
            let limit = parse_size(limit).ok_or_else(|| invalid(spec))?;
            return Ok(Self { blob_bytes_limit: Some(limit), tree_depth_limit: None });
        }
        if let Some(depth) = spec.strip_prefix("tree:") {
            let depth = depth
                .parse()
                .map_err(|_error: std::num::ParseIntError| Error::refused("expected 'tree:<depth>'"))?;
            return Ok(Self { blob_bytes_limit: None, tree_depth_limit: Some(depth) });
        }
        Err(invalid(spec))
    }

    fn parse_combined(spec: &str, parts: &str) -> Result<Self> {
        let mut combined = Self::default();
        for (count, part) in parts.split('+').enumerate() {
            let part = decode_percent(part).filter(|part| !part.starts_with("combine:"));
            let part = part.filter(|_| count < COMBINED_MAX).ok_or_else(|| invalid(spec))?;
            combined = combined.and(Self::parse(&part)?);
        }
        Ok(combined)
    }

    fn and(self, other: Self) -> Self {
        fn smaller<T: Ord>(a: Option<T>, b: Option<T>) -> Option<T> {
            match (a, b) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            }
        }
        Self {
            blob_bytes_limit: smaller(self.blob_bytes_limit, other.blob_bytes_limit),
            tree_depth_limit: smaller(self.tree_depth_limit, other.tree_depth_limit),
        }
    }

    /// Whether anything is left out.
    pub fn is_active(&self) -> bool {
        *self != Self::default()
    }

    /// Blobs of this many bytes or more are left out.
    pub fn blob_bytes_limit(&self) -> Option<u64> {
        self.blob_bytes_limit
    }

    /// Trees and blobs this deep or deeper are left out; a commit's own tree is at depth 0.
    pub fn tree_depth_limit(&self) -> Option<u32> {
        self.tree_depth_limit
    }

    /// Whether the tree depth lets an object at `depth` through.
    pub(crate) fn admits_depth(&self, depth: u32) -> bool {
        self.tree_depth_limit.is_none_or(|limit| depth < limit)
    }
}

fn invalid(spec: &str) -> Error {
    Error::refused(format!("invalid filter-spec '{spec}'"))
}

fn parse_size(text: &str) -> Option<u64> {
    let (digits, shift) = match text.strip_suffix(['k', 'K', 'm', 'M', 'g', 'G']) {
        Some(digits) if text.ends_with(['k', 'K']) => (digits, 10),
        Some(digits) if text.ends_with(['m', 'M']) => (digits, 20),
        Some(digits) => (digits, 30),
        None => (text, 0),
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

fn decode_percent(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let pair = [bytes.next()?, bytes.next()?];
            out.push(u8::from_str_radix(str::from_utf8(&pair).ok()?, 16).ok()?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filters_git_sends_are_understood() {
        for (spec, blob, tree) in [
            ("blob:none", Some(0), None),
            ("blob:limit=0", Some(0), None),
            ("blob:limit=100", Some(100), None),
            ("blob:limit=2M", Some(2 << 20), None),
            ("blob:limit=1g", Some(1 << 30), None),
            ("tree:0", None, Some(0)),
            ("tree:3", None, Some(3)),
            ("combine:blob:none+tree:2", Some(0), Some(2)),
            ("combine:blob%3Alimit=5+blob:limit=9", Some(5), None),
        ] {
            let expected = Filter { blob_bytes_limit: blob, tree_depth_limit: tree };
            assert_eq!(Filter::parse(spec).unwrap(), expected, "{spec}");
        }
    }

    #[test]
    fn other_filters_are_refused() {
        let deep = format!("combine:{}", vec!["tree:1"; COMBINED_MAX + 1].join("+"));
        for spec in [
            "",
            "blob:nope",
            "blob:limit=",
            "blob:limit=1t",
            "blob:limit=99999999999999999999",
            "tree:-1",
            "tree:x",
            "sparse:oid=x",
            "object:type=blob",
            "combine:",
            "combine:combine:tree:1",
            "combine:%zz",
            &deep,
        ] {
            assert!(matches!(Filter::parse(spec), Err(Error::Refused { .. })), "{spec}");
        }
    }
}
