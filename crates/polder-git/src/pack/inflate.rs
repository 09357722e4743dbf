//! Inflating exactly one zlib stream of a known size.

use flate2::{Decompress, FlushDecompress, Status};

/// A reusable inflate state.
pub(crate) struct Inflater {
    state: Decompress,
}

impl Default for Inflater {
    fn default() -> Self {
        Self { state: Decompress::new(true) }
    }
}

impl Inflater {
    /// Inflates the stream at the start of `input`, which must hold exactly `size` bytes.
    ///
    /// `None` if it is malformed, cut, longer or shorter.
    pub(crate) fn inflate(&mut self, input: &[u8], size: usize) -> Option<Vec<u8>> {
        let mut out = vec![0; size.max(1)];
        self.state.reset(true);
        let status = self.state.decompress(input, &mut out, FlushDecompress::Finish).ok()?;
        let exact = u64::try_from(size).ok()? == self.state.total_out();
        out.truncate(size);
        (status == Status::StreamEnd && exact).then_some(out)
    }

    /// Inflates at most the first `size` bytes; fewer if the stream ends earlier.
    pub(crate) fn inflate_start(&mut self, input: &[u8], size: usize) -> Option<Vec<u8>> {
        let mut out = vec![0; size];
        self.state.reset(true);
        self.state.decompress(input, &mut out, FlushDecompress::Sync).ok()?;
        out.truncate(usize::try_from(self.state.total_out()).ok()?);
        Some(out)
    }
}
