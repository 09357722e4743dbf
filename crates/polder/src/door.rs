//! Where connections come in: plain, or TLS with a plain port beside it that sends browsers on.

use std::net::SocketAddr;
use std::time::Duration;

use polder_http::{App, ServerLimits, Stop};
use polder_tls::{CertificateFiles, Pair, Served, TlsListener};
use polder_types::Clock;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::Error;
use crate::config::{Config, PublicUrl, Tls};

/// How often the files of the certificate are looked at.
const CERTIFICATE_PERIOD: Duration = Duration::from_mins(1);
/// Most connections to the plain port beside the TLS one.
const REDIRECT_CONNECTIONS_MAX: usize = 256;

/// The addresses that the hub is bound to.
pub(crate) struct Door {
    address: SocketAddr,
    entrance: Entrance,
}

enum Entrance {
    Plain(TcpListener),
    Tls(Box<TlsEntrance>),
}

struct TlsEntrance {
    listener: TlsListener,
    redirect: Option<TcpListener>,
    served: Served,
    files: CertificateFiles,
    loaded: Pair,
}

impl Door {
    /// Binds the addresses, and reads the certificate if there is to be one.
    ///
    /// # Errors
    /// When an address is taken; when the certificate cannot be served.
    pub(crate) async fn open(config: &Config) -> Result<Self, Error> {
        let (listener, address) = bind(config.listen).await?;
        let entrance = match &config.tls {
            None => Entrance::Plain(listener),
            Some(tls) => Entrance::Tls(Box::new(TlsEntrance::open(tls, listener).await?)),
        };
        Ok(Self { address, entrance })
    }

    /// Where it takes requests.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it only sends browsers on.
    pub(crate) fn redirect_address(&self) -> Option<SocketAddr> {
        match &self.entrance {
            Entrance::Tls(entrance) => entrance.redirect.as_ref()?.local_addr().ok(),
            Entrance::Plain(_) => None,
        }
    }

    /// Whether there is something to read again on request.
    pub(crate) fn can_reload(&self) -> bool {
        matches!(self.entrance, Entrance::Tls(_))
    }

    /// Serves `app`, which clients reach at `url`, until `stop`; reads the certificate again on `reload`.
    pub(crate) async fn serve(self, app: App, url: &PublicUrl, reload: &Notify, stop: &Stop) {
        let (answer, limits) = (move |request| app.call(request), ServerLimits::default());
        match self.entrance {
            Entrance::Plain(listener) => {
                polder_http::serve(listener, answer, limits, stop.clone()).await;
            }
            Entrance::Tls(entrance) => {
                let TlsEntrance { listener, redirect, served, files, loaded } = *entrance;
                let serving = async {
                    tokio::join!(
                        polder_http::serve(listener, answer, limits, stop.clone()),
                        serve_redirect(redirect, url, stop),
                    )
                };
                tokio::select! {
                    _ = serving => {}
                    () = files.follow(loaded, &served, CERTIFICATE_PERIOD, reload, &Clock::System) => {}
                }
            }
        }
    }
}

impl TlsEntrance {
    async fn open(tls: &Tls, listener: TcpListener) -> Result<Self, Error> {
        let failed = |error: polder_tls::Error| Error::plain(format!("TLS: {}", error.chain()));
        let (loaded, certificate) = tls.files.load(&Clock::System).map_err(failed)?;
        if let Some(warning) = tls.files.warning() {
            tracing::warn!("{warning}");
        }
        let served = Served::new(Some(certificate));
        let listener = TlsListener::new(listener, &served).map_err(failed)?;
        let redirect = match tls.redirect_listen {
            Some(address) => Some(bind(address).await?.0),
            None => None,
        };
        Ok(Self { listener, redirect, served, files: tls.files.clone(), loaded })
    }
}

async fn serve_redirect(listener: Option<TcpListener>, url: &PublicUrl, stop: &Stop) {
    let Some(listener) = listener else { return };
    let limits = ServerLimits { connections_max: REDIRECT_CONNECTIONS_MAX, ..ServerLimits::default() };
    polder_http::serve(listener, polder_tls::redirect(url.as_str()), limits, stop.clone()).await;
}

async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Error> {
    let failed = |error| Error::caused_by(format!("cannot listen on {address}"), error);
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}
