//! The start of a safetensors file: eight bytes of length, little-endian, then names with types and shapes.
//!
//! Source: safetensors README, "Format"; `huggingface_hub` 2.4.0 `hf_api.py`,
//! `parse_safetensors_file_metadata`.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

use crate::error::{Error, Kind, Result};

/// Bytes of the length.
pub(crate) const LENGTH_BYTES: usize = 8;
/// The key that is no tensor.
const METADATA: &str = "__metadata__";

/// The bytes of a file.
pub(crate) enum Source {
    /// Read from git.
    Git(Bytes),
    /// A large object and its length.
    Object(Arc<File>, u64),
}

impl Source {
    pub(crate) fn size_bytes(&self) -> u64 {
        match self {
            Self::Git(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            Self::Object(_, size_bytes) => *size_bytes,
        }
    }

    pub(crate) fn read(&self, at: usize, length: usize) -> io::Result<Vec<u8>> {
        match self {
            Self::Git(bytes) => {
                let part = at.checked_add(length).and_then(|end| bytes.get(at..end));
                part.map(<[u8]>::to_vec).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
            }
            Self::Object(file, _) => {
                let mut bytes = vec![0; length];
                file.read_exact_at(&mut bytes, u64::try_from(at).map_err(io::Error::other)?)?;
                Ok(bytes)
            }
        }
    }
}

/// Reads the header of a file, which `name` names in refusals.
///
/// # Errors
/// [`crate::Kind::Invalid`] when there is none; [`crate::Kind::TooLarge`] when it is longer than
/// `bytes_max`.
pub(crate) fn read_header(name: &str, source: &Source, bytes_max: u64) -> Result<Vec<u8>> {
    let size_bytes = source.size_bytes();
    let first = usize::try_from(size_bytes).unwrap_or(LENGTH_BYTES).min(LENGTH_BYTES);
    let start = source.read(0, first).map_err(Error::internal)?;
    let length = header_length(name, &start, size_bytes, bytes_max)?;
    source.read(LENGTH_BYTES, usize::try_from(length).map_err(Error::internal)?).map_err(Error::internal)
}

/// How long the header of a file of so many bytes is, by its first eight.
///
/// # Errors
/// As [`read_header`].
pub(crate) fn header_length(name: &str, start: &[u8], size_bytes: u64, bytes_max: u64) -> Result<u64> {
    let short = || Error::invalid(format!("`{name}` is too short to be a safetensors file"));
    let Some(rest) = size_bytes.checked_sub(8) else { return Err(short()) };
    let length = u64::from_le_bytes(start.try_into().map_err(|_length| short())?);
    if length > rest {
        let message =
            format!("`{name}` is no safetensors file, or cut short: its header would be {length} bytes");
        return Err(Error::invalid(message));
    }
    if length > bytes_max {
        let message =
            format!("the safetensors header of `{name}` has {length} bytes; {bytes_max} may be read");
        return Err(Error::new(Kind::TooLarge, message));
    }
    Ok(length)
}

/// What a header says of a tensor.
#[derive(Deserialize)]
pub(crate) struct Tensor {
    pub(crate) dtype: String,
    pub(crate) shape: Vec<u64>,
    #[serde(rename = "data_offsets")]
    _data_offsets: [u64; 2],
}

/// Shows each tensor of a header, one after the other; `see` says `None` when it makes no sense.
///
/// # Errors
/// Why the header is none.
pub(crate) fn each_tensor(
    header: &[u8],
    see: &mut dyn FnMut(Tensor) -> Option<()>,
) -> serde_json::Result<()> {
    let mut json = serde_json::Deserializer::from_slice(header);
    Tensors(see).deserialize(&mut json)?;
    json.end()
}

struct Tensors<'f>(&'f mut dyn FnMut(Tensor) -> Option<()>);

impl<'de> DeserializeSeed<'de> for Tensors<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Tensors<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("tensors by their names")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            if name == METADATA {
                map.next_value::<IgnoredAny>()?;
            } else {
                let tensor = map.next_value()?;
                (self.0)(tensor).ok_or_else(|| A::Error::custom("too many parameters"))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(bytes: &[u8], max: u64) -> Result<Vec<u8>, Kind> {
        let of_git = read_header("f", &Source::Git(Bytes::copy_from_slice(bytes)), max);
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(bytes, 0).unwrap();
        let size_bytes = u64::try_from(bytes.len()).unwrap();
        let of_object = read_header("f", &Source::Object(Arc::new(file), size_bytes), max);
        let of_git = of_git.map_err(|error| error.kind());
        assert_eq!(of_git, of_object.map_err(|error| error.kind()));
        of_git
    }

    #[test]
    fn a_header_is_what_its_length_says_within_the_file_and_the_bound() {
        let file = |length: u64| [&length.to_le_bytes()[..], b"{}rest"].concat();
        assert_eq!(header(&file(2), 2), Ok(b"{}".to_vec()));
        assert_eq!(header(&file(0), 2), Ok(Vec::new()));
        assert_eq!(header(&file(3), 2), Err(Kind::TooLarge));
        assert_eq!(header(&file(7), 99), Err(Kind::Invalid), "longer than the file");
        assert_eq!(header(&file(u64::MAX), u64::MAX), Err(Kind::Invalid));
        assert_eq!(header(b"1234567", 99), Err(Kind::Invalid));
    }

    #[test]
    fn only_tensors_with_a_type_a_shape_and_a_place_are_tensors() {
        let count = |text: &str| {
            let mut count = 0;
            each_tensor(text.as_bytes(), &mut |tensor| {
                count += tensor.shape.len();
                Some(())
            })
            .map(|()| count)
            .ok()
        };
        let tensor = r#"{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}"#;
        assert_eq!(
            count(&format!(r#"{{"__metadata__":{{"format":"pt"}},"a":{tensor},"b":{tensor}}}   "#)),
            Some(4)
        );
        assert_eq!(count("{}"), Some(0));
        for bad in ["", "[]", "{\"a\":1}", r#"{"a":{"dtype":"F32","shape":[2]}}"#, "{} {}", "{\"\u{1}\":"] {
            assert_eq!(count(bad), None, "{bad}");
        }
    }
}
