//! The JSON of git-lfs.
//!
//! Source: git-lfs `docs/api/batch.md` and `docs/api/basic-transfers.md`; the real clients' requests
//! were seen with git-lfs 3.3.0 and `huggingface_hub` 2.4.0.

use std::collections::BTreeMap;

use polder_hub::{Contribution, LfsObject};
use polder_types::limits::LFS_BATCH_OBJECTS_MAX;
use polder_types::without_secrets;
use serde::{Deserialize, Serialize};

use crate::lfs_locks::LockJson;
use crate::lfs_scalar::{Scalar, list_up_to};

/// The media type of every LFS request and answer.
pub const LFS_MEDIA_TYPE: &str = "application/vnd.git-lfs+json";

/// Longest text of a wrong oid that is repeated to the client, in characters.
const SHOWN_CHARS_MAX: usize = 100;

/// Most names of transfers that are read.
const TRANSFERS_MAX: usize = 32;

/// A batch request. What is not listed changes nothing here.
#[derive(Debug, Deserialize)]
pub(crate) struct BatchRequest {
    /// `download` or `upload`.
    pub(crate) operation: String,
    #[serde(deserialize_with = "list_up_to::<LFS_BATCH_OBJECTS_MAX, _, _>")]
    pub(crate) objects: Vec<WireObject>,
    pub(crate) hash_algo: Option<String>,
    /// What the client can; no list means `basic`, which every client can.
    #[serde(default)]
    pub(crate) transfers: Option<Transfers>,
    /// The ref that the objects are for. git-lfs always names one; `huggingface_hub` does but for a commit that
    /// shall open a pull request.
    #[serde(default, rename = "ref")]
    reference: Option<WireRef>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum WireRef {
    Named { name: String },
    Other(serde::de::IgnoredAny),
}

impl BatchRequest {
    /// What somebody who may not write wants the objects for.
    pub(crate) fn contribution(&self) -> Contribution {
        match &self.reference {
            None => Contribution::NewPull,
            Some(WireRef::Named { name }) => Contribution::of_revision(name).unwrap_or(Contribution::AnyPull),
            Some(WireRef::Other(_)) => Contribution::AnyPull,
        }
    }
}

/// Names of transfers, in the client's order.
#[derive(Debug, Deserialize)]
pub(crate) struct Transfers(#[serde(deserialize_with = "list_up_to::<TRANSFERS_MAX, _, _>")] Vec<Scalar>);

impl Transfers {
    /// The names.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|name| match name {
            Scalar::Text(name) => Some(name.as_str()),
            Scalar::Number(_) | Scalar::Other => None,
        })
    }
}

/// The ref that a client works on. It changes no answer: who may write may write to every ref.
#[derive(Debug, Deserialize)]
pub(crate) struct RefName {
    #[serde(default)]
    name: Scalar,
}

impl RefName {
    /// The name, if it is a text that says something.
    pub(crate) fn into_name(self) -> Option<String> {
        match self.name {
            Scalar::Text(name) if !name.is_empty() => Some(name),
            Scalar::Text(_) | Scalar::Number(_) | Scalar::Other => None,
        }
    }
}

/// An object as a client writes it; read leniently, so that one bad entry spoils only itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct WireObject {
    #[serde(default)]
    pub(crate) oid: Scalar,
    #[serde(default)]
    pub(crate) size: Scalar,
}

impl WireObject {
    /// The object, or what is wrong with it.
    pub(crate) fn read(&self) -> Result<LfsObject, &'static str> {
        let oid = match &self.oid {
            Scalar::Text(text) => text.parse().ok(),
            Scalar::Number(_) | Scalar::Other => None,
        };
        let oid = oid.ok_or("`oid` must be 64 lower-case hexadecimal digits")?;
        let size_bytes = match self.size {
            Scalar::Number(size) if i64::try_from(size).is_ok() => size,
            Scalar::Text(_) | Scalar::Number(_) | Scalar::Other => {
                return Err("`size` must be a whole number of bytes, not negative");
            }
        };
        Ok(LfsObject { oid, size_bytes })
    }

    /// The oid as the client wrote it, for the answer.
    pub(crate) fn shown_oid(&self) -> String {
        match &self.oid {
            Scalar::Text(text) => without_secrets(text).chars().take(SHOWN_CHARS_MAX).collect(),
            Scalar::Number(_) | Scalar::Other => String::new(),
        }
    }

    /// The size as the client wrote it, for the answer.
    pub(crate) fn shown_size(&self) -> u64 {
        match self.size {
            Scalar::Number(size) => size,
            Scalar::Text(_) | Scalar::Other => 0,
        }
    }
}

/// A batch answer.
#[derive(Debug, Serialize)]
pub(crate) struct BatchAnswer {
    pub(crate) transfer: &'static str,
    pub(crate) objects: Vec<ObjectAnswer>,
    pub(crate) hash_algo: &'static str,
}

/// The answer for one object: actions, an error, or neither when it is here already.
#[derive(Debug, Serialize)]
pub(crate) struct ObjectAnswer {
    pub(crate) oid: String,
    pub(crate) size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) authenticated: Option<bool>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) actions: BTreeMap<&'static str, Action>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<ObjectError>,
}

/// Where to go next.
#[derive(Debug, Serialize)]
pub(crate) struct Action {
    pub(crate) href: String,
    pub(crate) header: BTreeMap<String, String>,
    pub(crate) expires_in: i64,
}

/// Why one object has no action.
#[derive(Debug, Serialize)]
pub(crate) struct ObjectError {
    pub(crate) code: u16,
    pub(crate) message: String,
}

/// The body of every refusal.
#[derive(Debug, Serialize)]
pub(crate) struct ErrorBody<'a> {
    /// The lock that is in the way, where one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lock: Option<&'a LockJson>,
    pub(crate) message: &'a str,
    pub(crate) documentation_url: &'static str,
    pub(crate) request_id: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_object_is_read_or_refused_by_itself() {
        let oid = "ab".repeat(32);
        let read = |value| serde_json::from_value::<WireObject>(value).expect("an object").read();
        let object = read(json!({ "oid": oid, "size": 12, "extra": {} })).expect("valid");
        assert_eq!((object.oid.to_string(), object.size_bytes), (oid.clone(), 12));
        for bad in [
            json!({ "oid": oid }),
            json!({ "size": 1 }),
            json!({ "oid": oid, "size": -1 }),
            json!({ "oid": oid, "size": 1.5 }),
            json!({ "oid": oid, "size": "1" }),
            json!({ "oid": oid, "size": u64::MAX }),
            json!({ "oid": oid.to_uppercase(), "size": 1 }),
            json!({ "oid": "../../etc/passwd", "size": 1 }),
            json!({ "oid": 7, "size": 1 }),
        ] {
            assert!(read(bad.clone()).is_err(), "{bad}");
        }
    }
}
