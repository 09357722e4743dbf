//! One connection: resolve once, check every address, connect to exactly one of those.

use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tower_service::Service;

use crate::address::{is_public, may_be_named};
use crate::error::{Error, Kind, Reason};
use crate::resolve::Resolve;
use crate::url::{Host, Origin, Scheme, Url};

/// Most addresses of one host that are tried.
const ADDRESSES_MAX: usize = 4;

/// Whom the connections of one pool may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Public addresses.
    Public,
    /// The addresses of a host that the operator named.
    Named,
}

/// Makes connections for one pool, so that none is ever used with less right than it was made with.
#[derive(Clone)]
pub(crate) struct Connector {
    pub(crate) resolver: Arc<dyn Resolve>,
    pub(crate) tls: TlsConnector,
    pub(crate) reach: Reach,
    /// Time for all of it: name, connection, TLS.
    pub(crate) connect_max: Duration,
}

impl Connector {
    async fn connect(self, origin: Origin) -> Result<Wire, Error> {
        let place = origin.to_string();
        let connecting = async {
            let addresses = self.addresses(&origin).await?;
            let tcp = self.tcp(&origin, &addresses).await?;
            self.wrap(&origin, tcp).await
        };
        let late = |_late| Error::new(Kind::TimedOut, format!("`{place}` took too long to connect to"));
        let wire = timeout(self.connect_max, connecting).await.map_err(late)??;
        metrics::counter!("polder_egress_connections_total").increment(1);
        Ok(wire)
    }

    /// Every address of the host, all of which may be connected to.
    async fn addresses(&self, origin: &Origin) -> Result<Vec<IpAddr>, Error> {
        let place = origin.to_string();
        let addresses = match origin.host() {
            Host::Address(address) => vec![*address],
            Host::Name(name) => self.resolver.resolve(name).await.map_err(|source| {
                Error::new(Kind::Unreachable, format!("`{place}`: the host's name is not known"))
                    .caused_by(source)
            })?,
        };
        if addresses.is_empty() {
            return Err(Error::new(Kind::Unreachable, format!("`{place}`: the host has no address")));
        }
        let may = match self.reach {
            Reach::Public => is_public,
            Reach::Named => may_be_named,
        };
        if addresses.iter().all(|address| may(*address)) {
            Ok(addresses)
        } else {
            Err(Error::refused(&place, Reason::Address))
        }
    }

    async fn tcp(&self, origin: &Origin, addresses: &[IpAddr]) -> Result<TcpStream, Error> {
        let count = u32::try_from(addresses.len().min(ADDRESSES_MAX)).unwrap_or(1);
        let each = self.connect_max / count.max(1);
        let mut last = io::Error::from(io::ErrorKind::TimedOut);
        for address in addresses.iter().take(ADDRESSES_MAX) {
            match timeout(each, TcpStream::connect(SocketAddr::new(*address, origin.port()))).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => last = error,
                Err(_late) => {}
            }
        }
        Err(Error::new(Kind::Unreachable, format!("`{origin}` cannot be connected to")).caused_by(last))
    }

    async fn wrap(&self, origin: &Origin, tcp: TcpStream) -> Result<Wire, Error> {
        let failed = |source: io::Error| {
            Error::new(Kind::Unreachable, format!("`{origin}`: no secure connection")).caused_by(source)
        };
        tcp.set_nodelay(true).map_err(failed)?;
        match origin.scheme() {
            Scheme::Http => Ok(Wire::Plain(tcp)),
            Scheme::Https => {
                let name = match origin.host() {
                    Host::Name(name) => ServerName::try_from(name.clone())
                        .map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidInput, error)))?,
                    Host::Address(address) => ServerName::from(*address),
                };
                Ok(Wire::Tls(Box::new(self.tls.connect(name, tcp).await.map_err(failed)?)))
            }
        }
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Wire>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<TokioIo<Wire>, Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move {
            let url: Url = uri.to_string().parse()?;
            connector.connect(url.origin().clone()).await.map(TokioIo::new)
        })
    }
}

/// A connection, in clear or not.
pub(crate) enum Wire {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Connection for Wire {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, into),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, into),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, from),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, from),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, from),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, from),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }
}
