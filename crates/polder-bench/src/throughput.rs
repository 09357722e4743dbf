//! Requests a second by several clients at once: our server against lighttpd with git's CGI.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::Scale;
use crate::figures::{Figures, Goal};
use crate::git_requests::ls_refs;
use crate::http::Client;
use crate::hub::{Hub, require_success};
use crate::tools::{Result, Running, Tools, program};
use crate::world::World;

/// Clients that ask at once.
const CLIENTS: u32 = 8;
/// How long a peer may take to start.
const START: Duration = Duration::from_secs(20);

pub(crate) fn measure(
    tools: &Tools,
    world: &World,
    hub: &Hub,
    scale: Scale,
    figures: &mut Figures,
) -> Result<()> {
    let Some(lighttpd) = &tools.lighttpd else {
        figures.missing("requests/s: needs lighttpd");
        return Ok(());
    };
    let request = ls_refs();
    let address = free_address()?;
    let directory = world.root.join("lighttpd");
    std::fs::create_dir_all(&directory)?;
    let configuration = directory.join("lighttpd.conf");
    std::fs::write(&configuration, lighttpd_configuration(tools, &world.root, address))?;
    let server = program(lighttpd)
        .arg("-D")
        .arg("-f")
        .arg(&configuration)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let _server = Running(server);
    wait_for(address)?;
    let headers = [("git-protocol", "version=2"), ("content-type", "application/x-git-upload-pack-request")];
    let window = Duration::from_secs(u64::from(scale.rounds));
    let ours = rate(window, hub.address, |client| hub.ask(client, "m", &request).map(drop))?;
    let peers = rate(window, address, |client| {
        let target = "/git/m.git/git-upload-pack";
        require_success(target, client.ask("POST", target, &headers, &request.body)?).map(drop)
    })?;
    let shown = |rate: f64| format!("{rate:.0}/s");
    figures.add("ls-refs, 8 clients, lighttpd CGI", shown(ours), shown(peers), ours / peers, Goal::None);
    Ok(())
}

fn lighttpd_configuration(tools: &Tools, root: &Path, address: SocketAddr) -> String {
    let (root, backend) = (root.display(), tools.http_backend.display());
    format!(
        "server.modules = (\"mod_alias\", \"mod_cgi\", \"mod_setenv\")\n\
         server.document-root = \"{root}\"\nserver.bind = \"{}\"\nserver.port = {}\n\
         server.max-keep-alive-requests = 0\n\
         alias.url = (\"/git\" => \"{backend}\")\n\
         $HTTP[\"url\"] =~ \"^/git\" {{\n  cgi.assign = (\"\" => \"\")\n  setenv.set-environment = (\n    \
         \"GIT_PROJECT_ROOT\" => \"{root}\", \"GIT_HTTP_EXPORT_ALL\" => \"1\", \"GIT_PROTOCOL\" => \"version=2\",\n    \
         \"GIT_CONFIG_GLOBAL\" => \"/dev/null\", \"GIT_CONFIG_NOSYSTEM\" => \"1\")\n}}\n",
        address.ip(),
        address.port()
    )
}

/// How many requests a second all clients together get answered.
pub(crate) fn rate(
    window: Duration,
    address: SocketAddr,
    ask: impl Fn(&mut Client) -> Result<()> + Sync,
) -> Result<f64> {
    let answered = AtomicU32::new(0);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let one = || -> Result<()> {
            let mut client = Client::connect(address)?;
            while begun.elapsed() < window {
                if let Err(error) = ask(&mut client) {
                    // A server may close a connection between two requests; asking anew must work.
                    client = Client::connect(address)?;
                    ask(&mut client).map_err(|again| format!("{error}; {again}"))?;
                }
                answered.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        };
        let threads: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(one)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().map_err(|_panic| "a client panicked")?)
    })?;
    Ok(f64::from(answered.load(Ordering::Relaxed)) / begun.elapsed().as_secs_f64())
}

/// An address that nobody listened on a moment ago.
pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// Waits until someone listens.
pub(crate) fn wait_for(address: SocketAddr) -> Result<()> {
    let begun = Instant::now();
    while begun.elapsed() < START {
        if std::net::TcpStream::connect(address).is_ok() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Err(format!("nothing listens on {address}").into())
}
