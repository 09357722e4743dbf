//! Reads fixed big-endian fields, never past the end.

use polder_types::Sha256;

use crate::error::{Result, malformed};

pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8], what: &'static str) -> Self {
        Self { rest: bytes, what }
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let cut = self.rest.split_first_chunk().ok_or(malformed(self.what, "it is cut off"));
        cut.map(|(taken, rest)| {
            self.rest = rest;
            *taken
        })
    }

    pub(crate) fn slice(&mut self, length: usize) -> Result<&'a [u8]> {
        let cut = self.rest.split_at_checked(length).ok_or(malformed(self.what, "it is cut off"));
        cut.map(|(taken, rest)| {
            self.rest = rest;
            taken
        })
    }

    pub(crate) fn u8(&mut self) -> Result<u8> {
        self.array().map(u8::from_be_bytes)
    }

    pub(crate) fn u16(&mut self) -> Result<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_be_bytes)
    }

    pub(crate) fn sha256(&mut self) -> Result<Sha256> {
        self.array().map(Sha256::new)
    }

    /// A 32-bit count of things, of which there may be `limit`.
    pub(crate) fn count(&mut self, things: &'static str, limit: usize) -> Result<usize> {
        let count = usize::try_from(self.u32()?).unwrap_or(usize::MAX);
        if count > limit { Err(crate::Error::TooLarge { what: things, limit }) } else { Ok(count) }
    }

    /// Whether all is read.
    pub(crate) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// Refuses what is left.
    pub(crate) fn end(&self) -> Result<()> {
        if self.rest.is_empty() { Ok(()) } else { Err(malformed(self.what, "bytes after its end")) }
    }
}
