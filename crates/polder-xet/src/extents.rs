//! Several places of an object that one request asks for: the pieces of a change that is all over a file.
//!
//! Each is `offset u64 | size u32`, big-endian; the answer is their bytes, joined in the order of the request.

use crate::list::ListError;

/// Most places in one request.
pub const EXTENTS_MAX: usize = 1024;
/// Most bytes in one answer.
pub const EXTENTS_BYTES_MAX: u64 = 8 << 20;
/// Bytes of each in a request.
pub const EXTENT_BYTES: usize = 12;

/// A place in an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Extent {
    /// Where it begins, in bytes.
    pub offset: u64,
    /// Its length in bytes.
    pub size_bytes: u32,
}

impl Extent {
    /// The byte after it.
    pub fn end(&self) -> u64 {
        self.offset.saturating_add(u64::from(self.size_bytes))
    }

    /// The bytes of a request.
    ///
    /// ```
    /// use polder_xet::Extent;
    /// let places = [Extent { offset: 5, size_bytes: 3 }, Extent { offset: 1 << 40, size_bytes: 1 }];
    /// assert_eq!(Extent::decode_all(&Extent::encode_all(&places)).as_deref(), Ok(&places[..]));
    /// ```
    pub fn encode_all(extents: &[Self]) -> Vec<u8> {
        let mut out = Vec::with_capacity(extents.len() * EXTENT_BYTES);
        for extent in extents {
            out.extend_from_slice(&extent.offset.to_be_bytes());
            out.extend_from_slice(&extent.size_bytes.to_be_bytes());
        }
        out
    }

    /// Reads a request.
    ///
    /// # Errors
    /// [`ListError`] when it asks for nothing, for too much, or is cut short.
    pub fn decode_all(bytes: &[u8]) -> Result<Vec<Self>, ListError> {
        let (entries, rest) = bytes.as_chunks::<EXTENT_BYTES>();
        if !rest.is_empty() || entries.is_empty() || entries.len() > EXTENTS_MAX {
            return Err(ListError::new("it has not 1 to 1,024 whole extents"));
        }
        let extents: Vec<Self> = entries.iter().filter_map(Self::decode).collect();
        let size_bytes: u64 = extents.iter().map(|extent| u64::from(extent.size_bytes)).sum();
        if size_bytes > EXTENTS_BYTES_MAX || extents.iter().any(|extent| extent.size_bytes == 0) {
            return Err(ListError::new("it asks for nothing, or for more than 8 MiB"));
        }
        Ok(extents)
    }

    fn decode(entry: &[u8; EXTENT_BYTES]) -> Option<Self> {
        let (offset, size) = entry.split_first_chunk::<8>()?;
        let size_bytes = u32::from_be_bytes(*size.first_chunk::<4>()?);
        Some(Self { offset: u64::from_be_bytes(*offset), size_bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_without_bounds_are_refused() {
        let one = Extent { offset: 0, size_bytes: 1 };
        let most = vec![Extent { offset: 7, size_bytes: 8192 }; 1024];
        assert_eq!(Extent::decode_all(&Extent::encode_all(&most)), Ok(most.clone()));
        for bad in [
            vec![],
            vec![one; 1025],
            vec![Extent { offset: 0, size_bytes: 0 }],
            vec![Extent { offset: 0, size_bytes: 8193 }; 1024],
            vec![Extent { offset: 0, size_bytes: u32::MAX }],
        ] {
            assert!(Extent::decode_all(&Extent::encode_all(&bad)).is_err());
        }
        assert!(Extent::decode_all(&[0; 13]).is_err());
    }
}
