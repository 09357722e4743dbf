//! Typed reading of CBOR maps and arrays.

use std::collections::BTreeMap;

use polder_types::Sha256;

use crate::cbor::Value;
use crate::error::{Error, Result, malformed};

pub(crate) const WHAT: &str = "a body";

/// A map with integer keys, of which what is known is taken and the rest kept.
pub(crate) struct Fields(BTreeMap<u64, Value>);

impl Fields {
    pub(crate) fn new(value: Value) -> Result<Self> {
        let Value::Map(pairs) = value else { return Err(malformed(WHAT, "a map is something else")) };
        let pairs = pairs.into_iter().map(|(key, value)| match key {
            Value::Uint(key) => Ok((key, value)),
            _ => Err(malformed(WHAT, "a key is no integer")),
        });
        pairs.collect::<Result<_>>().map(Self)
    }

    /// What stands under `key`, as `read` reads it.
    pub(crate) fn optional<T>(
        &mut self,
        key: u64,
        read: impl FnOnce(Value) -> Result<T>,
    ) -> Result<Option<T>> {
        self.0.remove(&key).map(read).transpose()
    }

    pub(crate) fn required<T>(&mut self, key: u64, read: impl FnOnce(Value) -> Result<T>) -> Result<T> {
        self.optional(key, read)?.ok_or(malformed(WHAT, "a field is missing"))
    }

    /// What nobody took.
    pub(crate) fn rest(self) -> Vec<(u64, Value)> {
        self.0.into_iter().collect()
    }
}

/// Puts a map together, in the order of its keys.
#[derive(Default)]
pub(crate) struct MapWriter(BTreeMap<u64, Value>);

impl MapWriter {
    pub(crate) fn put(&mut self, key: u64, value: Value) {
        self.0.insert(key, value);
    }

    pub(crate) fn put_some(&mut self, key: u64, value: Option<Value>) {
        if let Some(value) = value {
            self.put(key, value);
        }
    }

    /// The map with `rest`, which has no key in common with it.
    pub(crate) fn finish(mut self, rest: &[(u64, Value)]) -> Value {
        self.0.extend(rest.iter().cloned());
        Value::Map(self.0.into_iter().map(|(key, value)| (Value::Uint(key), value)).collect())
    }
}

/// An array of exactly `N`.
pub(crate) fn array<const N: usize>(value: Value) -> Result<[Value; N]> {
    items(value, N)?.try_into().map_err(|_other: Vec<Value>| malformed(WHAT, "an array has another length"))
}

/// An array of at most `limit`.
pub(crate) fn items(value: Value, limit: usize) -> Result<Vec<Value>> {
    match value {
        Value::Array(items) if items.len() <= limit => Ok(items),
        Value::Array(_) => Err(Error::TooLarge { what: "an array in a body", limit }),
        _ => Err(malformed(WHAT, "an array is something else")),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it reads as all the others do")]
pub(crate) fn uint(value: Value) -> Result<u64> {
    if let Value::Uint(number) = value {
        Ok(number)
    } else {
        Err(malformed(WHAT, "a number is something else"))
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it reads as all the others do")]
pub(crate) fn boolean(value: Value) -> Result<bool> {
    if let Value::Bool(value) = value {
        Ok(value)
    } else {
        Err(malformed(WHAT, "a boolean is something else"))
    }
}

/// Text of at most `limit` bytes.
pub(crate) fn text(value: Value, limit: usize) -> Result<String> {
    match value {
        Value::Text(text) if text.len() <= limit => Ok(text),
        Value::Text(_) => Err(Error::TooLarge { what: "a text in a body", limit }),
        _ => Err(malformed(WHAT, "a text is something else")),
    }
}

pub(crate) fn bytes<const N: usize>(value: Value) -> Result<[u8; N]> {
    let bytes = if let Value::Bytes(bytes) = value { bytes.try_into().ok() } else { None };
    bytes.ok_or(malformed(WHAT, "a byte string has another length, or is something else"))
}

pub(crate) fn hash(value: Value) -> Result<Sha256> {
    bytes(value).map(Sha256::new)
}

pub(crate) fn nullable<T>(value: Value, read: impl FnOnce(Value) -> Result<T>) -> Result<Option<T>> {
    if value == Value::Null { Ok(None) } else { read(value).map(Some) }
}
