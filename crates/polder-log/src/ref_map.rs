//! Ref maps: where every ref of a repository points, as one file known by its hash.

use polder_types::limits::{REF_NAME_BYTES_MAX, REFS_PER_REPO_MAX};
use polder_types::{ObjectId, Sha256};

use crate::contents::State;
use crate::error::{Error, Result, malformed};
use crate::hash::sha256;

/// Largest ref map, in bytes.
pub const REF_MAP_BYTES_MAX: usize = (REFS_PER_REPO_MAX + 1) * (REF_NAME_BYTES_MAX + LINE_BYTES);
/// Bytes of a line besides the name.
const LINE_BYTES: usize = ObjectId::BYTES * 2 + 2;
const WHAT: &str = "a ref map";
const HEAD_PREFIX: &str = "ref: ";
const HEAD_SUFFIX: &str = " HEAD";

/// What `HEAD` points to, and every visible ref.
///
/// ```
/// use polder_log::RefMap;
/// let text = "ref: refs/heads/main HEAD\n4b825dc642cb6eb9a060e54bf8d69288fbee4904 refs/heads/main\n";
/// let map = RefMap::decode(text.as_bytes()).unwrap();
/// assert_eq!((map.head(), map.refs().len()), ("refs/heads/main", 1));
/// assert_eq!(map.encode(), text);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefMap {
    head: String,
    /// Sorted by name.
    refs: Vec<(String, ObjectId)>,
}

impl RefMap {
    /// Puts a map together; the refs come in any order.
    ///
    /// # Errors
    /// When there are too many, a name is there twice, or is none that git would take.
    pub fn new(head: String, mut refs: Vec<(String, ObjectId)>) -> Result<Self> {
        if refs.len() > REFS_PER_REPO_MAX {
            return Err(Error::TooLarge { what: "the refs of a ref map", limit: REFS_PER_REPO_MAX });
        }
        refs.sort_unstable();
        let map = Self { head, refs };
        let names = map.refs.iter().map(|(name, _)| name.as_str());
        if !names.chain([map.head.as_str()]).all(is_ref_name) {
            return Err(malformed(WHAT, "a name is not one of a ref"));
        }
        if !map.refs.is_sorted_by(|(one, _), (other, _)| one < other) {
            return Err(malformed(WHAT, "a name is there twice"));
        }
        Ok(map)
    }

    /// What `HEAD` points to, in full.
    pub fn head(&self) -> &str {
        &self.head
    }

    /// Every ref with its object, sorted by the bytes of the names.
    pub fn refs(&self) -> &[(String, ObjectId)] {
        &self.refs
    }

    /// The file.
    pub fn encode(&self) -> String {
        let mut out = format!("{HEAD_PREFIX}{}{HEAD_SUFFIX}\n", self.head);
        for (name, oid) in &self.refs {
            out.extend([&oid.to_string(), " ", name, "\n"]);
        }
        out
    }

    /// Reads the file. Only one file says what a map says.
    ///
    /// # Errors
    /// When it is another, or passes a bound.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        if bytes.len() > REF_MAP_BYTES_MAX {
            return Err(Error::TooLarge { what: WHAT, limit: REF_MAP_BYTES_MAX });
        }
        let wrong = |problem| malformed(WHAT, problem);
        let text = str::from_utf8(bytes).map_err(|_source| wrong("it is not UTF-8"))?;
        let text = text.strip_suffix('\n').ok_or(wrong("it does not end in a newline"))?;
        let mut lines = text.split('\n');
        let head = lines.next().and_then(|line| line.strip_prefix(HEAD_PREFIX)?.strip_suffix(HEAD_SUFFIX));
        let head = head.ok_or(wrong("its first line does not say what HEAD is"))?.to_owned();
        let mut refs = Vec::new();
        for line in lines {
            let pair =
                line.split_once(' ').and_then(|(oid, name)| Some((name.to_owned(), oid.parse().ok()?)));
            refs.push(pair.ok_or(wrong("a line is not `<oid> <name>`"))?);
            if refs.len() > REFS_PER_REPO_MAX {
                return Err(Error::TooLarge { what: "the refs of a ref map", limit: REFS_PER_REPO_MAX });
            }
        }
        if !refs.is_sorted() {
            return Err(wrong("its names are not sorted"));
        }
        Self::new(head, refs)
    }

    /// Its hash, by which events name it.
    pub fn sha256(&self) -> Sha256 {
        sha256(&[self.encode().as_bytes()])
    }

    /// What an event says of it.
    pub fn state(&self) -> State {
        State { refs_sha256: self.sha256(), count: u64::try_from(self.refs.len()).unwrap_or(u64::MAX) }
    }
}

/// Whether git takes `name` for a ref: the rules of git-check-ref-format(1) that need no more than the bytes.
fn is_ref_name(name: &str) -> bool {
    let parts = name.strip_prefix("refs/").is_some_and(|rest| {
        rest.split('/')
            .all(|part| !part.is_empty() && !part.starts_with('.') && !part.as_bytes().ends_with(b".lock"))
    });
    let bytes = |b: u8| b > b' ' && b != 0x7f && !b"~^:?*[\\".contains(&b);
    parts
        && name.len() <= REF_NAME_BYTES_MAX
        && name.bytes().all(bytes)
        && !name.contains("..")
        && !name.contains("@{")
        && !name.ends_with('.')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MAIN: &str = "ref: refs/heads/main HEAD\n";
    const OID: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

    #[test]
    fn a_second_file_for_a_map_is_refused() {
        for text in [
            String::new(),
            format!("{OID} refs/heads/main\n"),
            MAIN.trim_end().to_owned(),
            format!("{MAIN}\n"),
            format!("{MAIN}{OID} refs/heads/b\n{OID} refs/heads/a\n"),
            format!("{MAIN}{OID} refs/heads/a\n{OID} refs/heads/a\n"),
            format!("{MAIN}{} refs/heads/a\n", OID.to_ascii_uppercase()),
            format!("{MAIN}{OID}  refs/heads/a\n"),
            format!("{MAIN}{OID} HEAD\n"),
            format!("{MAIN}{OID} refs/heads/../a\n"),
            format!("{MAIN}{OID} refs/heads/a\r\n"),
            "ref: HEAD\n".to_owned(),
        ] {
            assert!(RefMap::decode(text.as_bytes()).is_err(), "{text:?}");
        }
        assert!(RefMap::decode(MAIN.as_bytes()).unwrap().refs().is_empty());
        // Sorted by bytes, as `LC_ALL=C sort` does.
        let sorted = format!(
            "{MAIN}{OID} refs/heads/B\n{OID} refs/heads/a\n{OID} refs/heads/a-b\n{OID} refs/heads/a/b\n"
        );
        assert_eq!(RefMap::decode(sorted.as_bytes()).unwrap().encode(), sorted);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(names in proptest::collection::btree_map("refs/[a-z/.@{é-]{1,12}", any::<[u8; 20]>(), 0..20)) {
            let refs = names.into_iter().map(|(name, oid)| (name, ObjectId::new(oid))).collect();
            if let Ok(map) = RefMap::new("refs/heads/main".to_owned(), refs) {
                prop_assert_eq!(RefMap::decode(map.encode().as_bytes()), Ok(map));
            }
        }
    }
}
