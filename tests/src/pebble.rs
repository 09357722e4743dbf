//! An ACME authority on this machine: pebble, with a DNS server that knows every name as 127.0.0.1.

use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::json;
use tempfile::TempDir;

use crate::{Authority, program, run, until};

const START_SECONDS_MAX: u64 = 30;

/// A running authority, which forgets everything when it ends.
#[derive(Debug)]
pub struct Pebble {
    dir: TempDir,
    trust: PathBuf,
    management: u16,
    children: Vec<Child>,
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    listener.local_addr().expect("an address").port()
}

impl Pebble {
    /// The `[tls.acme]` section of a hub that asks the authority at `port`, whose own certificate is of `trust`.
    pub fn config(port: u16, trust: &Authority, domains: &[&str]) -> String {
        let ca = trust.file().display().to_string();
        format!(
            "[tls.acme]\ndomains = {domains:?}\ncontact = \"mailto:ada@example.org\"\naccept-terms = true\n\
             directory = \"https://127.0.0.1:{port}/dir\"\ndirectory-ca = \"{ca}\"\n"
        )
    }

    /// Starts the authority at `port`; it checks names by connecting to `hub_port`.
    pub fn start(port: u16, trust: &Authority, hub_port: u16, lifetime_seconds: u64) -> Self {
        let dir = TempDir::with_prefix("polder-pebble-").expect("a temporary directory");
        let own = trust.issue(&["127.0.0.1"]);
        let (management, dns, dns_management) = (free_port(), free_port(), free_port());
        let config = json!({"pebble": {
            "listenAddress": format!("127.0.0.1:{port}"),
            "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": own.certificate, "privateKey": own.key,
            "httpPort": 1, "tlsPort": hub_port,
            "ocspResponderURL": "", "externalAccountBindingRequired": false,
            "certificateValidityPeriod": lifetime_seconds,
        }});
        let file = dir.path().join("pebble.json");
        std::fs::write(&file, config.to_string()).expect("write pebble's configuration");
        let resolver = format!("127.0.0.1:{dns}");
        let mut names = program("/usr/bin/pebble-challtestsrv");
        names.args(["-defaultIPv4", "127.0.0.1", "-defaultIPv6", "", "-dns01", &resolver]);
        names.args(["-http01", "", "-https01", "", "-tlsalpn01", ""]);
        names.args(["-management", &format!("127.0.0.1:{dns_management}")]);
        let mut server = program("/usr/bin/pebble");
        server.env("PEBBLE_VA_NOSLEEP", "1").env("PEBBLE_WFE_NONCEREJECT", "0");
        server.args(["-dnsserver", &resolver, "-config"]).arg(&file);
        let children =
            vec![spawn(names, &dir.path().join("dns.log")), spawn(server, &dir.path().join("log"))];
        for port in [port, management, dns_management] {
            let listens = || TcpStream::connect(("127.0.0.1", port)).ok().map(drop);
            until("the authority to listen", START_SECONDS_MAX, listens);
        }
        Self { dir, trust: trust.file(), management, children }
    }

    /// The root of what it issues, for those who are to trust it.
    pub fn root(&self) -> PathBuf {
        let file = self.dir.path().join("root.pem");
        let mut curl = program("/usr/bin/curl");
        curl.args(["-sSf", "--cacert"]).arg(&self.trust).arg("-o").arg(&file);
        run(curl.arg(format!("https://127.0.0.1:{}/roots/0", self.management))).ok();
        file
    }

    /// Everything it printed.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _killed = child.kill();
            let _waited = child.wait();
        }
    }
}

fn spawn(mut command: Command, log: &Path) -> Child {
    let log = File::create(log).expect("make a log");
    command.stdout(Stdio::from(log.try_clone().expect("share the log"))).stderr(Stdio::from(log));
    command.spawn().expect("start the authority")
}
