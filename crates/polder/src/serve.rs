//! A running hub: opened, announced, served, ended.

use std::io::{self, Write as _};
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use polder_http::{App, AppBuilder, Ops, Stop, TrustedProxies};
use polder_hub::{Hub, Kind, Secret, storage_failed};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

use crate::admin::{Owner, Server as AdminServer, take};
use crate::config::{Config, PublicUrl};
use crate::door::{Door, Sockets};
use crate::first_start::{FirstLogin, first_login, write_recovery_key};
use crate::{Error, data_dir, metrics};

/// How long running admin commands get after a stop.
const ADMIN_GRACE: Duration = Duration::from_secs(20);

/// A hub that is open and bound but not serving yet.
pub(crate) struct Serving {
    /// The hub.
    pub(crate) hub: Hub,
    /// Where clients reach it.
    pub(crate) url: PublicUrl,
    /// Where it listens, as a URL.
    pub(crate) bound: PublicUrl,
    /// Set if this is the first start.
    pub(crate) login: Option<FirstLogin>,
    /// Set if the hub's log began with this start.
    recovery_key: Option<Secret>,
    door: Door,
    proxies: TrustedProxies,
    record_addresses: bool,
    admin: AdminServer,
    signals: Signals,
    /// Ends it as a signal does.
    pub(crate) stop: Stop,
}

/// `polder serve`.
///
/// # Errors
/// What keeps the hub from starting, or ended it.
pub(crate) async fn serve(config: Config) -> Result<(), Error> {
    let serving = Box::pin(Serving::open(&config)).await?;
    if let Err(error) = serving.announce() {
        tracing::warn!(%error, "cannot write to standard output");
    }
    Box::pin(serving.run(metrics::start()?)).await
}

impl Serving {
    /// Binds the address and opens the data directory; makes the first administrator.
    ///
    /// # Errors
    /// When the address is public without a public URL, or taken; when the data directory is
    /// something else, or another process has it.
    pub(crate) async fn open(config: &Config) -> Result<Self, Error> {
        raise_file_limit();
        for warning in &config.warnings {
            tracing::warn!("{warning}");
        }
        if !config.listen.ip().to_canonical().is_loopback()
            && config.public_url.is_none()
            && config.certified_domain().is_none()
        {
            return Err(Error::plain(format!(
                "{} can be reached from other machines: say under which URL with --public-url, \
                 such as that of the TLS proxy in front",
                config.listen
            )));
        }
        data_dir::check(&config.data, true)?;
        let sockets = Sockets::bind(config).await?;
        let bound = PublicUrl::of_address(config.scheme(), sockets.address());
        let url = config.public_url.clone().unwrap_or_else(|| config.url_at(sockets.address()));
        let hub = match Box::pin(take(config, Some(&url))).await? {
            Owner::Here(hub) => hub,
            Owner::There(_) => {
                let data = config.data.display();
                return Err(Error::plain(format!("a server runs on the data directory `{data}` already")));
            }
        };
        let door = Door::open(sockets, config)?;
        let login = first_login(&hub).await?;
        let recovery_key = match hub.begin_log().await {
            Ok(key) => key,
            Err(error) if error.kind() == Kind::Invalid => {
                tracing::warn!(error = %error.chain(), "other hubs cannot follow this one");
                None
            }
            Err(error) => return Err(error.into()),
        };
        // Before anyone is told that the hub is there: from then on a signal ends it in order.
        let signals = Signals::new()?;
        let admin = AdminServer::bind(&config.data)?;
        let (proxies, record_addresses) = (config.proxies.clone(), config.audit.addresses);
        let stop = Stop::default();
        Ok(Self {
            hub,
            url,
            bound,
            login,
            recovery_key,
            door,
            proxies,
            record_addresses,
            admin,
            signals,
            stop,
        })
    }

    /// Prints how to log in, if this is the first start, and where the hub listens.
    fn announce(&self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if let Some(login) = &self.login {
            login.write(&mut out, &self.url)?;
        }
        if let Some(key) = &self.recovery_key {
            write_recovery_key(&mut out, key)?;
        }
        if let Some(address) = self.door.redirect_address() {
            writeln!(out, "sending browsers from http://{address} to {}", self.url)?;
        }
        writeln!(out, "listening on {}", self.bound)?;
        out.flush()
    }

    /// Serves until a signal or the stop, then ends in order: no new work, running transfers finish.
    ///
    /// # Errors
    /// When storage failed: nothing more may be written by this process.
    pub(crate) async fn run(self, recorder: PrometheusHandle) -> Result<(), Error> {
        let Self { hub, url, door, proxies, record_addresses, admin, mut signals, stop, .. } = self;
        let reload = Notify::new();
        let hangup = door.can_reload().then_some(&reload);
        let app = app(&hub, App::builder().trust(proxies).record_addresses(record_addresses), {
            let recorder = recorder.clone();
            Box::new(move || recorder.render())
        });
        let served = async {
            tokio::join!(
                door.serve(app, &url, &reload, &stop),
                admin.run(hub.clone(), stop.clone(), ADMIN_GRACE),
            )
        };
        let watch = async {
            let reason = tokio::select! {
                () = signals.next(hangup) => None,
                () = stop.pressed() => None,
                reason = storage_failed() => Some(reason),
            };
            tracing::info!("stopping: running transfers finish, new ones are refused");
            stop.press();
            reason
        };
        let background = async { tokio::join!(hub.upkeep(), metrics::upkeep(recorder)) };
        let reason = tokio::select! {
            (_, reason) = async { tokio::join!(served, watch) } => reason,
            _ = background => None,
        };
        hub.close().await;
        match reason {
            None => Ok(()),
            Some(reason) => Err(Error::plain(format!("storage failed, so the hub has stopped: {reason}"))),
        }
    }
}

fn app(hub: &Hub, builder: AppBuilder, metrics: polder_http::MetricsText) -> App {
    let builder = builder
        .mount(Ops::new(hub.clone(), metrics))
        .mount(polder_smart::Smart::new(hub.clone()))
        .mount(polder_hf::cas::Cas::new(hub.clone()))
        .mount(polder_hf::Hf::new(hub.clone()));
    if hub.federates() { builder.mount(polder_federation::Federation::new(hub.clone())) } else { builder }
        .build()
}

/// The signals that end a server, and the one that makes it read its certificate again.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> Result<Self, Error> {
        let failed = |error| Error::caused_by("cannot listen for signals", error);
        Ok(Self {
            terminate: signal(SignalKind::terminate()).map_err(failed)?,
            interrupt: signal(SignalKind::interrupt()).map_err(failed)?,
            hangup: signal(SignalKind::hangup()).map_err(failed)?,
        })
    }

    /// Waits for a signal that ends the server. A hangup does, as when its terminal is closed, unless it
    /// is to be told as `reload`.
    async fn next(&mut self, reload: Option<&Notify>) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hangup.recv() => match reload {
                    Some(reload) => reload.notify_one(),
                    None => return,
                },
            }
        }
    }
}

/// Takes as many file descriptors as the system gives: the usual 1024 are fewer than the connections
/// that a hub has, let alone the files behind them.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })
    {
        tracing::warn!(%error, "cannot raise the limit of open files");
    }
}
