//! Certificates from an ACME authority: a real exchange with pebble, which connects to the hub to check.
#![cfg(test)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use polder_tests::{Authority, Client, Done, Git, Hub, Pebble, Work, free_port, have, program, run, until};
use rustix::process::Signal;

const SERVING: &str = "serving a TLS certificate";
const FAILED: &str = "no new TLS certificate";

struct Place {
    trust: Authority,
    port: u16,
    hub: Hub,
}

impl Place {
    /// A hub for those names, whose authority is not there yet.
    fn new(domains: &[&str]) -> Self {
        let (trust, port) = (Authority::new(), free_port());
        let config =
            format!("[log]\nlevel = \"info,polder_tls=debug\"\n{}", Pebble::config(port, &trust, domains));
        let hub = Hub::builder().config(&config).start();
        Self { trust, port, hub }
    }

    fn authority(&self, lifetime_seconds: u64) -> Pebble {
        Pebble::start(self.port, &self.trust, self.hub.address().port(), lifetime_seconds)
    }

    fn await_log(&self, text: &str, times: usize, seconds: u64) {
        until(text, seconds, || (self.hub.log().matches(text).count() >= times).then_some(()));
    }

    fn curl(&self, root: &Path, name: &str) -> Done {
        let port = self.hub.address().port();
        let mut curl = program("/usr/bin/curl");
        curl.args(["-sS", "--resolve", &format!("{name}:{port}:127.0.0.1"), "--cacert"]).arg(root);
        run(curl.arg(format!("https://{name}:{port}/healthz")))
    }

    /// The certificate that the hub shows, as openssl prints it.
    fn shown(&self, name: &str) -> String {
        let mut openssl = program("/usr/bin/openssl");
        openssl.args(["s_client", "-connect", &self.hub.address().to_string(), "-servername", name]);
        let printed = run(&mut openssl).text();
        let shown = printed.split("-----").skip_while(|part| *part != "BEGIN CERTIFICATE").nth(1);
        shown.expect("a certificate").to_owned()
    }

    fn kept(&self, name: &str) -> PathBuf {
        self.hub.data().join("acme").join(format!("127.0.0.1_{}_dir", self.port)).join(name)
    }
}

#[test]
fn a_hub_gets_its_certificate_by_itself_and_keeps_it_over_a_restart() {
    if !have(&[Client::Pebble, Client::Curl, Client::Openssl]) {
        return;
    }
    let mut place = Place::new(&["hub.example.org", "models.example.org"]);
    let ada = place.hub.acme();
    place.hub.repo("acme/m");
    // The authority cannot be reached: the hub runs, says why it has no certificate, and tries again.
    place.await_log(FAILED, 1, 20);
    assert!(place.hub.log().contains("Connection refused"), "{}", place.hub.log());
    place.curl(&place.trust.file(), "hub.example.org").fails();

    let authority = place.authority(3_600);
    place.hub.signal(Signal::HUP);
    place.await_log(SERVING, 1, 60);
    assert!(
        place.hub.log().contains("answered a challenge of the certificate authority"),
        "{}",
        place.hub.log()
    );
    let root = authority.root();
    for name in ["hub.example.org", "models.example.org"] {
        assert_eq!(place.curl(&root, name).ok(), "ok", "{name}");
    }
    place.curl(&root, "other.example.org").fails();
    let port = place.hub.address().port();
    assert!(place.hub.log().contains(&format!("@hub.example.org:{port}/NAMESPACE")), "{}", place.hub.log());

    let work = Work::new();
    work.commit_file("a", b"a\n");
    for git in Git::every(&work.beside("home")) {
        let to = format!("http.curloptResolve=hub.example.org:{port}:127.0.0.1");
        let ca = format!("http.sslCAInfo={}", root.display());
        let url = format!("https://ada:{}@hub.example.org:{port}/acme/m.git", ada.secret);
        git.ok(&work.path(), &["-c", &to, "-c", &ca, "push", "-q", &url, "main"]);
        let clone = work.beside(&format!("clone{}", git.label().replace(['/', ' '], "-")));
        git.ok(&work.path(), &["-c", &to, "-c", &ca, "clone", "-q", &url, clone.to_str().unwrap()]);
        assert_eq!(std::fs::read(clone.join("a")).unwrap(), b"a\n");
    }

    // Nobody else can read the keys, and a restart needs no authority.
    let mode = |path: PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!([mode(place.kept("account.json")), mode(place.kept("certificate.pem"))], [0o600; 2]);
    assert_eq!([mode(place.kept("")), mode(place.hub.data().join("acme"))], [0o700; 2]);
    let before = place.shown("hub.example.org");
    let saved = std::fs::read(&root).unwrap();
    drop(authority);
    assert!(place.hub.stop().success());
    place.hub.serve(None);
    let root = place.hub.beside("root.pem");
    std::fs::write(&root, saved).unwrap();
    assert_eq!(place.curl(&root, "hub.example.org").ok(), "ok");
    assert!(place.shown("hub.example.org") == before && !place.hub.log().contains(FAILED));
}

#[test]
fn a_certificate_is_renewed_in_time_and_served_on_when_that_fails() {
    if !have(&[Client::Pebble, Client::Curl, Client::Openssl]) {
        return;
    }
    let place = Place::new(&["hub.example.org"]);
    place.await_log(FAILED, 1, 20);
    let authority = place.authority(24);
    place.hub.signal(Signal::HUP);
    place.await_log(SERVING, 1, 60);
    let first = place.shown("hub.example.org");
    place.await_log(SERVING, 2, 60);
    let second = place.shown("hub.example.org");
    assert!(first != second, "another certificate is shown");
    assert_eq!(place.curl(&authority.root(), "hub.example.org").ok(), "ok");

    drop(authority);
    place.await_log(FAILED, 2, 60);
    assert!(place.shown("hub.example.org") == second, "the certificate of before is shown");

    // Another authority at the same address knows nothing of the account: the next try makes a new one.
    let authority = place.authority(3_600);
    place.hub.signal(Signal::HUP);
    place.await_log("the authority does not know our account", 1, 20);
    place.await_log(FAILED, 3, 20);
    place.hub.signal(Signal::HUP);
    place.await_log(SERVING, 3, 60);
    assert_eq!(place.curl(&authority.root(), "hub.example.org").ok(), "ok");
}

#[test]
fn an_authority_that_cannot_reach_the_hub_is_quoted_in_the_log() {
    if !have(&[Client::Pebble]) {
        return;
    }
    let place = Place::new(&["hub.example.org"]);
    place.await_log(FAILED, 1, 20);
    let authority = Pebble::start(place.port, &place.trust, free_port(), 3_600);
    place.hub.signal(Signal::HUP);
    place.await_log(FAILED, 2, 60);
    let log = place.hub.log();
    assert!(
        log.contains("refused the order: hub.example.org: ") && log.contains("retry_seconds=240"),
        "{log}"
    );
    drop(authority);
}
