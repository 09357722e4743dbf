//! Where a response goes, piece by piece.

use bytes::Bytes;

/// Takes a response in chunks, in order.
///
/// An error means that nobody listens any more; the writer stops at once.
pub trait Sink {
    /// Hands over the next chunk; may block until there is room.
    ///
    /// # Errors
    /// When the receiver is gone.
    fn send(&mut self, chunk: Bytes) -> std::io::Result<()>;
}

impl Sink for Vec<u8> {
    fn send(&mut self, chunk: Bytes) -> std::io::Result<()> {
        self.extend_from_slice(&chunk);
        Ok(())
    }
}
