//! A repository as one moment saw it.

use std::sync::Arc;

use polder_types::{ObjectId, limits};

use crate::{Object, ObjectKind, Pack, Result};

/// Refs under this prefix are never shown and prove nothing reachable.
pub const HIDDEN_PREFIX: &str = "refs/polder/";
/// Hidden refs under this prefix are tips that a source no longer has and the operator kept; exports have them.
pub const KEPT_PREFIX: &str = "refs/polder/kept/";

/// One ref.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ref {
    /// Full name, such as `refs/heads/main`.
    pub name: String,
    /// What it points at.
    pub oid: ObjectId,
    /// What an annotated tag stands for in the end; `None` for everything else.
    pub peeled: Option<ObjectId>,
}

impl Ref {
    /// Whether clients may know of it.
    pub fn is_visible(&self) -> bool {
        !self.name.starts_with(HIDDEN_PREFIX)
    }
}

/// Refs and packs of one repository at one generation.
///
/// Every read works on one of these. It never changes; a push makes a new one. Keep it behind an
/// `Arc`.
#[derive(Debug)]
pub struct Snapshot {
    generation: i64,
    head: String,
    refs: Arc<[Ref]>,
    packs: Vec<Arc<Pack>>,
    object_bytes_max: u64,
}

impl Snapshot {
    /// Puts a snapshot together.
    ///
    /// `head` is the full name of the default branch, which may not exist yet. `refs` may come in any
    /// order. The earlier pack wins where two hold the same object.
    ///
    /// ```
    /// use polder_git::{Ref, Snapshot};
    /// let oid = "4b825dc642cb6eb9a060e54bf8d69288fbee4904".parse().unwrap();
    /// let refs = ["refs/polder/keep", "refs/heads/main"].map(|name| Ref { name: name.to_owned(), oid, peeled: None });
    /// let snapshot = Snapshot::new(7, "refs/heads/main".to_owned(), refs.to_vec(), Vec::new());
    /// assert_eq!(snapshot.visible_refs().count(), 1);
    /// assert!(snapshot.find_ref("refs/polder/keep").is_some());
    /// assert!(!snapshot.contains(&oid));
    /// ```
    pub fn new(generation: i64, head: String, mut refs: Vec<Ref>, packs: Vec<Arc<Pack>>) -> Self {
        refs.sort_unstable_by(|a, b| a.name.as_bytes().cmp(b.name.as_bytes()));
        Self { generation, head, refs: refs.into(), packs, object_bytes_max: limits::GIT_OBJECT_BYTES_MAX }
    }

    /// The same snapshot with another bound on inflated objects, in bytes.
    ///
    /// Import reads what other servers accepted.
    #[must_use]
    pub fn with_object_bytes_max(mut self, bytes_max: u64) -> Self {
        self.object_bytes_max = bytes_max;
        self
    }

    /// The repository's generation when this was taken.
    pub fn generation(&self) -> i64 {
        self.generation
    }

    /// The full name of the default branch; it may be unborn.
    pub fn head(&self) -> &str {
        &self.head
    }

    /// All refs in byte order of their names, hidden ones too.
    pub fn refs(&self) -> &[Ref] {
        &self.refs
    }

    /// The refs that clients may know of, in byte order.
    pub fn visible_refs(&self) -> impl Iterator<Item = &Ref> {
        self.refs.iter().filter(|r| r.is_visible())
    }

    /// The visible refs whose names start with `prefix`, in byte order; found without a look at the others.
    pub fn visible_refs_below<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a Ref> {
        let first = self.refs.partition_point(|r| r.name.as_bytes() < prefix.as_bytes());
        let from = self.refs.get(first..).unwrap_or_default();
        from.iter().take_while(move |r| r.name.starts_with(prefix)).filter(|r| r.is_visible())
    }

    /// The ref of exactly this full name.
    pub fn find_ref(&self, name: &str) -> Option<&Ref> {
        let at = self.refs.binary_search_by(|r| r.name.as_bytes().cmp(name.as_bytes())).ok()?;
        self.refs.get(at)
    }

    /// The ref that `HEAD` stands for, unless it is unborn or hidden.
    pub fn head_ref(&self) -> Option<&Ref> {
        self.find_ref(&self.head).filter(|r| r.is_visible())
    }

    /// The packs.
    pub fn packs(&self) -> &[Arc<Pack>] {
        &self.packs
    }

    /// The same refs with one more pack: what a push sees before it is accepted.
    #[must_use]
    pub fn with_pack(&self, pack: Arc<Pack>) -> Self {
        let mut packs = self.packs.clone();
        packs.push(pack);
        Self {
            generation: self.generation,
            head: self.head.clone(),
            refs: Arc::clone(&self.refs),
            packs,
            object_bytes_max: self.object_bytes_max,
        }
    }

    /// Whether any pack holds the object. Says nothing about whether a client may have it.
    pub fn contains(&self, id: &ObjectId) -> bool {
        self.packs.iter().any(|pack| pack.contains(id))
    }

    /// Which pack holds the object, and at which position of its index.
    pub(crate) fn locate(&self, id: &ObjectId) -> Option<(usize, u32)> {
        self.packs.iter().enumerate().find_map(|(at, pack)| Some((at, pack.position(id)?)))
    }

    /// Largest inflated object that may be read, in bytes.
    pub(crate) fn object_bytes_max(&self) -> u64 {
        self.object_bytes_max
    }

    /// Kind and inflated size in bytes, without inflating the object.
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt) when the pack is damaged there.
    pub fn header(&self, id: &ObjectId) -> Result<Option<(ObjectKind, u64)>> {
        let Some((pack, position)) = self.find(id) else { return Ok(None) };
        pack.header(position).map(Some)
    }

    /// The object, inflated; `None` if no pack holds it.
    ///
    /// # Errors
    /// [`Error::Corrupt`](crate::Error::Corrupt) when the pack is damaged there;
    /// [`Error::TooLarge`](crate::Error::TooLarge) over [`limits::GIT_OBJECT_BYTES_MAX`].
    pub fn read(&self, id: &ObjectId) -> Result<Option<Object>> {
        let Some((pack, position)) = self.find(id) else { return Ok(None) };
        pack.read(position, self.object_bytes_max).map(Some)
    }

    fn find(&self, id: &ObjectId) -> Option<(&Pack, u32)> {
        let (at, position) = self.locate(id)?;
        Some((self.packs.get(at)?, position))
    }
}
