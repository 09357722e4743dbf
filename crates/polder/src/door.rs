//! Where connections come in: plain, or TLS with a plain port beside it that sends browsers on.

use std::net::SocketAddr;
use std::time::Duration;

use polder_http::{App, ServerLimits, Stop};
use polder_tls::{Acme, CertificateFiles, Pair, Served, TlsListener};
use polder_types::Clock;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::Error;
use crate::config::{CertificateSource, Config, PublicUrl};

/// How often the files of the certificate are looked at.
const CERTIFICATE_PERIOD: Duration = Duration::from_mins(1);
/// Most connections to the plain port beside the TLS one.
const REDIRECT_CONNECTIONS_MAX: usize = 256;
/// Where in the data directory an ACME account and its certificate are.
const ACME_DIR: &str = "acme";

/// The addresses that the hub is bound to.
pub(crate) struct Sockets {
    main: TcpListener,
    redirect: Option<TcpListener>,
    address: SocketAddr,
}

/// The sockets with what is spoken on them.
pub(crate) struct Door {
    entrance: Entrance,
    redirect: Option<TcpListener>,
}

enum Entrance {
    Plain(TcpListener),
    Tls { listener: Box<TlsListener>, served: Served, upkeep: Box<Upkeep> },
}

/// Where the certificate comes from, and comes from again.
enum Upkeep {
    Files(CertificateFiles, Pair),
    Acme(Acme),
}

impl Sockets {
    /// Binds the addresses.
    ///
    /// # Errors
    /// When one is taken.
    pub(crate) async fn bind(config: &Config) -> Result<Self, Error> {
        let (main, address) = bind(config.listen).await?;
        let redirect = match config.tls.as_ref().and_then(|tls| tls.redirect_listen) {
            Some(address) => Some(bind(address).await?.0),
            None => None,
        };
        Ok(Self { main, redirect, address })
    }

    /// Where the hub takes requests.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Door {
    /// Reads the certificate, if there is to be one. The data directory must be there.
    ///
    /// # Errors
    /// When the certificate cannot be served, or an authority cannot be asked.
    pub(crate) fn open(sockets: Sockets, config: &Config) -> Result<Self, Error> {
        let Sockets { main, redirect, .. } = sockets;
        let failed = |error: polder_tls::Error| Error::plain(format!("TLS: {}", error.chain()));
        let Some(tls) = &config.tls else { return Ok(Self { entrance: Entrance::Plain(main), redirect }) };
        let (served, upkeep) = match &tls.source {
            CertificateSource::Files(files) => {
                let (pair, certificate) = files.load(&Clock::System).map_err(failed)?;
                if let Some(warning) = files.warning() {
                    tracing::warn!("{warning}");
                }
                (Served::new(certificate), Upkeep::Files(files.clone(), pair))
            }
            CertificateSource::Acme(options) => {
                let dir = config.data.join(ACME_DIR);
                let acme = Acme::open(options.clone(), &dir, Clock::System).map_err(failed)?;
                (acme.served(), Upkeep::Acme(acme))
            }
        };
        let listener = Box::new(TlsListener::new(main, &served).map_err(failed)?);
        Ok(Self { entrance: Entrance::Tls { listener, served, upkeep: Box::new(upkeep) }, redirect })
    }

    /// Where it only sends browsers on.
    pub(crate) fn redirect_address(&self) -> Option<SocketAddr> {
        self.redirect.as_ref()?.local_addr().ok()
    }

    /// Whether there is something to read again on request.
    pub(crate) fn can_reload(&self) -> bool {
        matches!(self.entrance, Entrance::Tls { .. })
    }

    /// Serves `app`, which clients reach at `url`, until `stop`; on `reload`, sees to its certificate at once.
    pub(crate) async fn serve(self, app: App, url: &PublicUrl, reload: &Notify, stop: &Stop) {
        let (answer, limits) = (move |request| app.call(request), ServerLimits::default());
        match self.entrance {
            Entrance::Plain(listener) => {
                polder_http::serve(listener, answer, limits, stop.clone()).await;
            }
            Entrance::Tls { listener, served, upkeep } => {
                let serving = async {
                    tokio::join!(
                        polder_http::serve(*listener, answer, limits, stop.clone()),
                        serve_redirect(self.redirect, url, stop),
                    )
                };
                tokio::select! {
                    _ = serving => {}
                    () = upkeep.keep(&served, reload) => {}
                }
            }
        }
    }
}

impl Upkeep {
    async fn keep(self, served: &Served, asked: &Notify) {
        match self {
            Self::Files(files, pair) => {
                files.follow(pair, served, CERTIFICATE_PERIOD, asked, &Clock::System).await;
            }
            Self::Acme(acme) => acme.keep(served, asked).await,
        }
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
