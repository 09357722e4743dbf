//! What a connection's bytes go over.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustix::io::Errno;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use crate::file_queue::{FileQueue, Stretch, Written};

/// Both directions of a connection.
pub trait Transport: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Where stretches of files are queued, if the connection can send them by itself.
    fn files(&self) -> Option<Arc<FileQueue>> {
        None
    }
}

impl Transport for UnixStream {}

/// A TCP connection that sends stretches of files without copying them through this process.
///
/// From the first stretch to the next flush the system gathers what is written into full segments, whatever the
/// pieces they are put together from: a client reads what it gets in fewer, longer pieces then.
#[derive(Debug)]
pub struct TcpTransport {
    stream: TcpStream,
    files: Arc<FileQueue>,
    gathers: Option<Gathers>,
}

/// How the system is told to gather.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gathers {
    /// Nothing but full segments leaves (`TCP_CORK`).
    Corked,
    /// A segment that is not full waits while others are on their way (RFC 896). For stretches with something
    /// between them that takes the system a quarter less time than a cork does.
    Delayed,
}

/// Stretches up to this many bytes are pieces among others: no chunk of Xet is longer.
const PIECE_BYTES_MAX: usize = 128 << 10;

impl TcpTransport {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self { stream, files: Arc::default(), gathers: None }
    }

    /// Begins to gather, as is best before this stretch.
    fn gather(&mut self, stretch: &Stretch) -> io::Result<()> {
        if self.gathers.is_none() {
            let is_piece = stretch.left_bytes <= PIECE_BYTES_MAX;
            let gathers = if is_piece { Gathers::Delayed } else { Gathers::Corked };
            self.set(gathers, true)?;
            self.gathers = Some(gathers);
        }
        Ok(())
    }

    /// Ends it, and sends what waits.
    fn send_gathered(&mut self) -> io::Result<()> {
        self.gathers.take().map_or(Ok(()), |gathers| self.set(gathers, false))
    }

    fn set(&self, gathers: Gathers, is_on: bool) -> io::Result<()> {
        match gathers {
            Gathers::Corked => Ok(rustix::net::sockopt::set_tcp_cork(&self.stream, is_on)?),
            Gathers::Delayed => self.stream.set_nodelay(!is_on),
        }
    }

    fn poll_send(&self, cx: &mut Context<'_>, stretch: &Stretch) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream.poll_write_ready(cx))?;
            let mut offset = stretch.offset;
            let sent = self.stream.try_io(Interest::WRITABLE, || {
                let count = stretch.left_bytes;
                Ok(rustix::fs::sendfile(&self.stream, &stretch.file, Some(&mut offset), count)?)
            });
            match sent {
                Ok(0) => return Poll::Ready(Err(cut(io::ErrorKind::UnexpectedEof.into()))),
                Ok(sent) => {
                    self.files.sent(sent);
                    return Poll::Ready(Ok(sent));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.raw_os_error() == Some(Errno::INTR.raw_os_error()) => {}
                // Whatever happens to the socket has other names.
                Err(error) if error.raw_os_error() == Some(Errno::IO.raw_os_error()) => {
                    return Poll::Ready(Err(cut(error)));
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

/// Says that a stored file could not be sent: the client only sees its connection end.
fn cut(error: io::Error) -> io::Error {
    tracing::error!(%error, "a stored file could not be read; the response was cut");
    error
}

impl Transport for TcpTransport {
    fn files(&self) -> Option<Arc<FileQueue>> {
        Some(Arc::clone(&self.files))
    }
}

impl AsyncRead for TcpTransport {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for TcpTransport {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        match self.files.next(data)? {
            Written::Memory => Pin::new(&mut self.stream).poll_write(cx, data),
            Written::File(stretch) => {
                self.gather(&stretch)?;
                self.poll_send(cx, &stretch)
            }
        }
    }

    /// Writes what comes before the first placeholder, or sends the stretch if that comes first.
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut memory_end = 0;
        for (at, slice) in slices.iter().enumerate().filter(|(_, slice)| !slice.is_empty()) {
            match self.files.next(slice)? {
                Written::Memory => memory_end = at + 1,
                Written::File(stretch) => {
                    self.gather(&stretch)?;
                    if memory_end == 0 {
                        return self.poll_send(cx, &stretch);
                    }
                    break;
                }
            }
        }
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices.get(..memory_end).unwrap_or_default())
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.send_gathered()?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
