//! The signed log that hubs follow: how events are written, hashed, proven and believed.
//!
//! Pure: no I/O, no clock, no randomness, no async; every reader is bounded. `FORMATS.md` beside this crate
//! gives every byte, `fixtures/log` examples of each.
//!
//! * A hub writes a [`Statement`], seals it to a [`Body`] and appends the body's [`Leaf`] to its tree, of
//!   which it keeps a [`Frontier`] and [`Tiles`]; it signs the root as a [`Checkpoint`].
//! * A source answers with an [`EventsPage`] whose path a [`Plan`] makes from tiles.
//! * A [`BodyProof`] shows that one body is in a signed log, a [`CloneProof`] what all refs of a repository are.
//! * A follower keeps a [`Cursor`]; [`Cursor::advance`] gives events that the origin has signed, or says who
//!   is to blame. [`HubKeys`] and [`NamespaceChain`] follow the keys.
//! * [`RefMap`], [`ObjectsManifest`] and [`SnapshotRow`]s are files that bodies name by their hashes.
mod body;
mod body_list;
mod body_proof;
mod cbor;
mod checkpoint;
mod clone_proof;
mod contents;
mod cursor;
mod data;
mod download_counts;
mod error;
mod event_type;
mod fault;
mod fields;
mod frontier;
mod hash;
mod hub_keys;
mod key;
mod kit;
mod leaf;
mod manifest;
mod namespace;
mod note;
mod origin;
mod page;
mod proof;
mod reader;
mod ref_map;
mod snapshot;
mod tile;

pub use body::{BODY_BYTES_MAX, Body, BodySignature, Statement};
pub use body_list::{BODIES_BYTES_MAX, BODIES_MAX, bodies_by_hash, push_body, read_bodies};
pub use body_proof::{BODY_PROOF_BYTES_MAX, BodyProof};
pub use cbor::Value;
pub use checkpoint::Checkpoint;
pub use clone_proof::{CLONE_PROOF_BYTES_MAX, CloneProof, SignedRepo};
pub use contents::{
    Meta, NAME_BYTES_MAX, OBJECTS_BYTES_MAX, ObjectEntry, Objects, REASON_BYTES_MAX, REFS_BYTES_MAX,
    RefChange, State, TAGS_MAX,
};
pub use cursor::{Advanced, Content, Cursor, Entry, Misfit, RepoHead, check_next, open_body};
pub use data::{Data, LogHead, Namespace, ROTATION_KEYS_MAX, SnapshotHead, SnapshotPart};
pub use download_counts::{
    COUNT_MIN, COUNT_ROWS_MAX, COUNTED_MAX, COUNTS_BYTES_MAX, DownloadCounts, SignedCounts, sign_counts,
};
pub use error::{Error, Result};
pub use event_type::EventType;
pub use fault::{Evidence, Fault, Lie, Signed};
pub use frontier::Frontier;
pub use hash::leaf_hash;
pub use hub_keys::HubKeys;
pub use key::{PublicKey, SIGNATURE_BYTES, SecretKey, SignerKey, VerifierKey};
pub use kit::{KIT_BYTES_MAX, KitOf, RecoveryKit, read_recovery_key, recovery_text};
pub use leaf::{Hint, Leaf, VERSION};
pub use manifest::{MANIFEST_OBJECTS_MAX, ObjectsManifest};
pub use namespace::{Competition, CutVerdict, NamespaceChain, OP_SETTLED_SECONDS, compete, judge_cut};
pub use note::{NOTE_BYTES_MAX, NamedSignature, open_note, sign_note, split_note};
pub use origin::{LogName, ORIGIN_BYTES_MAX, Origin};
pub use page::{EventsPage, PAGE_BYTES_MAX, PAGE_LEAVES_MAX};
pub use proof::{PROOF_HASHES_MAX, Plan, consistency_roots, inclusion_root};
pub use ref_map::{REF_MAP_BYTES_MAX, RefMap};
pub use snapshot::{PART_ROWS_MAX, SnapshotRow, decode_part, encode_part};
pub use tile::{BundleId, Hashes, Node, TILE_WIDTH, TileId, Tiles, entry_bundle};
