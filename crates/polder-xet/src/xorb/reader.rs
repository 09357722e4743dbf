//! Reads an xorb as its bytes come, and proves each chunk before it hands it on.

use super::footer::{MAGIC, footer_bytes, is_footer_of};
use super::frame::{FRAME_HEADER_BYTES, FrameHeader};
use super::{XORB_BODY_BYTES_MAX, XORB_BYTES_MAX, XORB_CHUNKS_MAX, XorbError};
use crate::hash::{Chunk, ChunkHash, XorbHash};
use crate::merkle::xorb_hash;

/// A chunk of an xorb, and where in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// The chunk.
    pub chunk: Chunk,
    /// The byte of the body after its data; the header of the next chunk is there.
    pub body_end: u32,
}

/// An xorb that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Xorb {
    /// The hash of its chunks.
    pub hash: XorbHash,
    /// Its chunks in turn.
    pub frames: Vec<Frame>,
}

/// What the next bytes are.
#[derive(Debug)]
enum Next {
    Header,
    Data(FrameHeader),
    Footer,
    Nothing,
}

/// Reads an xorb, or a range of one, that comes in pieces of any size, with or without footer.
///
/// Keeps one packed chunk and one unpacked chunk in memory, and 40 bytes for every chunk.
///
/// ```
/// use polder_xet::{FrameHeader, XorbReader};
/// let (mut reader, mut chunks) = (XorbReader::default(), Vec::new());
/// reader.push(&FrameHeader::raw(5).encode(), &mut |_, _| {})?;
/// reader.push(b"hello", &mut |bytes, chunk| chunks.push((bytes.to_vec(), chunk)))?;
/// let xorb = reader.finish()?;
/// assert_eq!((chunks[0].0.as_slice(), chunks[0].1), (&b"hello"[..], xorb.frames[0].chunk));
/// # Ok::<(), polder_xet::XorbError>(())
/// ```
#[derive(Debug)]
pub struct XorbReader {
    next: Next,
    /// The bytes there are of what is next.
    waiting: Vec<u8>,
    scratch: Vec<u8>,
    raw: Vec<u8>,
    frames: Vec<Frame>,
    body_bytes: u32,
    size_bytes: u32,
}

impl Default for XorbReader {
    fn default() -> Self {
        Self {
            next: Next::Header,
            waiting: Vec::new(),
            scratch: Vec::new(),
            raw: Vec::new(),
            frames: Vec::new(),
            body_bytes: 0,
            size_bytes: 0,
        }
    }
}

impl XorbReader {
    /// Appends `bytes`, handing every chunk that ends in them, unpacked, to `take`.
    ///
    /// # Errors
    /// [`XorbError`] as soon as it can no longer be an xorb. Nothing must be pushed after that.
    pub fn push(&mut self, mut bytes: &[u8], take: &mut impl FnMut(&[u8], Chunk)) -> Result<(), XorbError> {
        while !bytes.is_empty() {
            let wanted = match &self.next {
                Next::Header => FRAME_HEADER_BYTES,
                Next::Data(header) => header.packed_bytes,
                Next::Footer => footer_bytes(self.frames.len()),
                Next::Nothing => return Err(XorbError::Trailing),
            };
            let missing = wanted.saturating_sub(self.waiting.len());
            let (ours, rest) = bytes.split_at_checked(missing).unwrap_or((bytes, &[]));
            self.waiting.extend_from_slice(ours);
            bytes = rest;
            if self.waiting.len() == wanted {
                self.advance(take)?;
            }
        }
        Ok(())
    }

    /// The xorb that was read.
    ///
    /// # Errors
    /// [`XorbError`] when nothing was, or it is cut short.
    pub fn finish(self) -> Result<Xorb, XorbError> {
        match self.next {
            Next::Header if self.waiting.is_empty() => {}
            Next::Nothing => {}
            _ => return Err(XorbError::CutShort),
        }
        if self.frames.is_empty() {
            return Err(XorbError::Empty);
        }
        Ok(Xorb { hash: self.hash(), frames: self.frames })
    }

    /// The xorb that was read, if it is the one with that hash.
    ///
    /// # Errors
    /// [`XorbError`] as for [`Self::finish`], and when it is another.
    pub fn finish_as(self, hash: XorbHash) -> Result<Xorb, XorbError> {
        let xorb = self.finish()?;
        if xorb.hash == hash { Ok(xorb) } else { Err(XorbError::OtherHash) }
    }

    /// Bytes allocated for chunks.
    #[cfg(test)]
    pub(super) fn held_bytes(&self) -> usize {
        self.waiting.capacity() + self.scratch.capacity() + self.raw.capacity()
    }

    fn hash(&self) -> XorbHash {
        xorb_hash(self.frames.iter().map(|frame| frame.chunk))
    }

    /// Takes what was next, which is all there.
    fn advance(&mut self, take: &mut impl FnMut(&[u8], Chunk)) -> Result<(), XorbError> {
        self.next = match std::mem::replace(&mut self.next, Next::Nothing) {
            // A footer stays waiting from its first bytes on.
            Next::Header if self.waiting == MAGIC => {
                self.next = Next::Footer;
                return Ok(());
            }
            Next::Header => Next::Data(self.header()?),
            Next::Data(header) => {
                self.chunk(header, take)?;
                Next::Header
            }
            Next::Footer if !is_footer_of(&self.waiting, self.hash(), &self.frames) => {
                return Err(XorbError::Footer);
            }
            Next::Footer | Next::Nothing => Next::Nothing,
        };
        self.waiting.clear();
        Ok(())
    }

    /// Reads a header and counts what it announces.
    fn header(&mut self) -> Result<FrameHeader, XorbError> {
        let bytes = self.waiting.as_slice().try_into().or(Err(XorbError::CutShort))?;
        let header = FrameHeader::decode(bytes)?;
        if self.frames.len() == XORB_CHUNKS_MAX {
            return Err(XorbError::TooManyChunks);
        }
        let add = |sum: u32, bytes: usize, max: u32| {
            let sum = sum.checked_add(u32::try_from(bytes).ok()?)?;
            (sum <= max).then_some(sum)
        };
        let frame_bytes = FRAME_HEADER_BYTES + header.packed_bytes;
        self.body_bytes =
            add(self.body_bytes, frame_bytes, XORB_BODY_BYTES_MAX).ok_or(XorbError::TooManyBytes)?;
        self.size_bytes =
            add(self.size_bytes, header.size_bytes, XORB_BYTES_MAX).ok_or(XorbError::TooManyBytes)?;
        Ok(header)
    }

    fn chunk(&mut self, header: FrameHeader, take: &mut impl FnMut(&[u8], Chunk)) -> Result<(), XorbError> {
        header.unpack(&self.waiting, &mut self.scratch, &mut self.raw)?;
        let size_bytes =
            u32::try_from(self.raw.len()).or(Err(XorbError::Header("has an impossible length")))?;
        let chunk = Chunk { hash: ChunkHash::of(&self.raw), size_bytes };
        take(&self.raw, chunk);
        self.frames.push(Frame { chunk, body_end: self.body_bytes });
        Ok(())
    }
}
