//! TLS of the hub itself, seen by the clients people have.
#![cfg(test)]

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use polder_tests::{
    Authority, Client, Done, Git, Hub, Issued, LargeObject, Token, Work, have, program, run, until,
};
use rustix::process::{Pid, Signal, kill_process};

struct Place {
    authority: Authority,
    issued: Issued,
    hub: Hub,
    ada: Token,
}

impl Place {
    fn new(more: &str) -> Self {
        let authority = Authority::new();
        let issued = authority.issue(&["127.0.0.1", "hub.example.org"]);
        let hub = Hub::builder().config(&issued.config()).config(more).start();
        let ada = hub.acme();
        hub.repo("acme/m");
        Self { authority, issued, hub, ada }
    }

    fn curl(&self, args: &[&str]) -> Done {
        run(program("/usr/bin/curl").args(["-sS", "--cacert"]).arg(self.authority.file()).args(args))
    }

    /// `git -c http.sslCAInfo=…`, trusting the authority.
    fn trust(&self, git: &Git, home: &Path) -> Git {
        let ca = self.authority.file();
        git.ok(home, &["config", "--global", "http.sslCAInfo", ca.to_str().unwrap()]);
        git.clone()
    }

    /// Uploads an object of that size; the URL to download it from.
    fn object(&self, bytes: usize) -> (LargeObject, String) {
        let object = LargeObject::random(1, bytes);
        let (work, file) = (Work::with_lfs(), "model.bin");
        self.trust(&work.git, &work.path());
        work.commit_file(file, &object.bytes);
        work.ok(&["push", "-q", &self.hub.repo_url_as("acme/m", &self.ada), "main"]);
        (object, self.hub.url("acme/m/resolve/main/model.bin"))
    }
}

/// A download that has begun and stands still until it is to finish.
struct Download {
    curl: Child,
    file: PathBuf,
}

impl Download {
    fn begin(place: &Place, url: &str) -> Self {
        let file = place.hub.beside("downloaded");
        let mut command = program("/usr/bin/curl");
        command.args(["-sS", "--limit-rate", "6M", "-o"]).arg(&file);
        command.arg("--cacert").arg(place.authority.file()).arg(url).stdout(Stdio::null());
        let download = Self { curl: command.spawn().unwrap(), file };
        until("the download to begin", 20, || (download.bytes() > 0).then_some(()));
        download.signal(Signal::STOP);
        download
    }

    fn bytes(&self) -> u64 {
        std::fs::metadata(&self.file).map_or(0, |file| file.len())
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.curl.id()).ok().and_then(Pid::from_raw).unwrap();
        kill_process(pid, signal).unwrap();
    }

    fn finish(mut self, object: &LargeObject) {
        let length = u64::try_from(object.bytes.len()).unwrap();
        assert!(self.bytes() < length / 2, "it was still under way");
        self.signal(Signal::CONT);
        assert!(self.curl.wait().unwrap().success());
        assert!(std::fs::read(&self.file).unwrap() == object.bytes, "the download is whole");
    }
}

#[test]
fn git_and_git_lfs_push_and_clone_over_tls_if_they_trust_the_authority() {
    if !have(&[Client::GitLfs]) {
        return;
    }
    let place = Place::new("");
    assert!(place.hub.log().contains("git clone https://operator:pld_"), "{}", place.hub.log());
    let object = LargeObject::random(7, 3 << 20);
    let work = Work::with_lfs();
    for (round, git) in Git::every(&work.beside("home")).into_iter().enumerate() {
        let (git, label) = (place.trust(&git, &work.path()), git.label());
        work.commit_file("model.bin", &[&object.bytes[..], &[u8::try_from(round).unwrap()]].concat());
        git.ok(&work.path(), &["push", "-q", &place.hub.repo_url_as("acme/m", &place.ada), "main"]);
        let clone = work.beside(&format!("clone{round}"));
        git.ok(
            &work.path(),
            &[
                "-c",
                "filter.lfs.process=git-lfs filter-process",
                "-c",
                "filter.lfs.required=true",
                "-c",
                "filter.lfs.smudge=git-lfs smudge -- %f",
                "clone",
                "-q",
                &place.hub.repo_url("acme/m"),
                clone.to_str().unwrap(),
            ],
        );
        let same = std::fs::read(clone.join("model.bin")).unwrap()
            == std::fs::read(work.path().join("model.bin")).unwrap();
        assert!(same, "{label}");
        git.fsck(&clone);

        git.ok(&work.path(), &["config", "--global", "--unset", "http.sslCAInfo"]);
        let told = git.run(&work.path(), &["ls-remote", &place.hub.repo_url("acme/m")]).fails();
        assert!(told.contains("certificate"), "{label}: {told}");
    }
    place.hub.fsck();
}

#[test]
fn tls_1_2_and_1_3_with_http_1_1_are_spoken_and_nothing_else() {
    if !have(&[Client::Curl, Client::Openssl]) {
        return;
    }
    let place = Place::new("");
    let url = place.hub.url("healthz");
    for version in ["1.2", "1.3"] {
        let flags =
            [&format!("--tlsv{version}"), "--tls-max", version, "--http2", "-w", "%{http_version}", &url];
        assert_eq!(place.curl(&flags).ok(), "ok\n1.1", "TLS {version}");
    }
    for version in ["1.0", "1.1"] {
        let old =
            [&format!("--tlsv{version}"), "--tls-max", version, "--ciphers", "DEFAULT@SECLEVEL=0", &url];
        let told = place.curl(&old).fails();
        assert!(told.contains(" alert "), "TLS {version}: {told}");
    }
    let port = place.hub.address().port();
    let elsewhere = format!("other.example.org:{port}:127.0.0.1");
    let told =
        place.curl(&["--resolve", &elsewhere, &format!("https://other.example.org:{port}/healthz")]).fails();
    assert!(told.contains("no alternative certificate subject name matches"), "{told}");
    let named = format!("hub.example.org:{port}:127.0.0.1");
    let url = format!("https://hub.example.org:{port}/healthz");
    assert_eq!(place.curl(&["--resolve", &named, &url]).ok(), "ok");

    let openssl = |flags: &[&str]| {
        let mut command = program("/usr/bin/openssl");
        command.args(["s_client", "-connect", &place.hub.address().to_string(), "-CAfile"]);
        run(command.arg(place.authority.file()).args(flags))
    };
    let told = openssl(&["-alpn", "h2"]).fails();
    assert!(told.contains("alert no application protocol"), "{told}");
    let told = openssl(&["-alpn", "acme-tls/1"]).fails();
    assert!(told.contains("alert no application protocol"), "{told}");
    let resumed = openssl(&["-tls1_2", "-reconnect"]).ok();
    assert_eq!(resumed.matches("Reused, TLSv1.2").count(), 5, "{resumed}");
}

#[test]
fn who_speaks_plain_http_to_the_tls_port_is_told_so() {
    let place = Place::new("");
    let answer = place.hub.http().get("/acme/m").bearer(&place.ada.secret).send().expect(400);
    assert!(answer.text().contains("This port speaks HTTPS"), "{}", answer.text());
}

#[test]
fn connections_that_say_nothing_keep_nobody_out() {
    if !have(&[Client::Curl]) {
        return;
    }
    let place = Place::new("");
    let silent: Vec<TcpStream> =
        (0..1_500).map(|_| TcpStream::connect(place.hub.address()).unwrap()).collect();
    assert_eq!(place.curl(&["--max-time", "5", &place.hub.url("healthz")]).ok(), "ok");
    drop(silent);
}

#[test]
fn a_hangup_loads_the_new_certificate_and_cuts_no_download() {
    if !have(&[Client::Curl, Client::GitLfs]) {
        return;
    }
    let place = Place::new("");
    let (object, url) = place.object(24 << 20);
    let download = Download::begin(&place, &url);

    let port = place.hub.address().port();
    let get = |name: &str| {
        let to = format!("{name}:{port}:127.0.0.1");
        place.curl(&["--resolve", &to, &format!("https://{name}:{port}/healthz")])
    };
    // A key that does not belong: the old certificate stays, and the log says why.
    let renewed = place.authority.issue(&["127.0.0.1", "renewed.example.org"]);
    std::fs::copy(&renewed.certificate, &place.issued.certificate).unwrap();
    place.hub.signal(Signal::HUP);
    until("the refusal in the log", 10, || place.hub.log().contains("is not the key of").then_some(()));
    get("hub.example.org").ok();

    place.issued.replace_with(&renewed);
    place.hub.signal(Signal::HUP);
    until("the new certificate", 10, || get("renewed.example.org").success().then_some(()));
    get("hub.example.org").fails();

    download.finish(&object);
}

#[test]
fn a_hub_that_is_told_to_stop_finishes_its_downloads_over_tls() {
    if !have(&[Client::Curl, Client::GitLfs]) {
        return;
    }
    let mut place = Place::new("");
    let (object, url) = place.object(16 << 20);
    let idle = TcpStream::connect(place.hub.address()).unwrap();
    let download = Download::begin(&place, &url);
    place.hub.signal(Signal::TERM);
    let address = place.hub.address();
    until("no new connections", 10, || TcpStream::connect(address).is_err().then_some(()));
    assert!(place.hub.is_running(), "it waits for the download");
    download.finish(&object);
    assert!(place.hub.wait_exit(10).success());
    drop(idle);
}

/// A09. git follows a redirect with its first, anonymous request, is asked for a password behind it, and
/// then sends its token to the address it began with. So git must not be sent on at all.
#[test]
fn the_plain_port_sends_people_on_and_never_invites_a_token() {
    if !have(&[Client::Curl]) {
        return;
    }
    let place = Place::new("redirect-listen = \"127.0.0.1:0\"");
    let log = place.hub.log();
    let plain = log.split("sending browsers from ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
    let page = format!("{plain}/acme/m/raw/main/a?b=c");
    let browser = "Accept: text/html,*/*;q=0.8";
    let ask =
        |args: &[&str]| place.curl(&[&["-w", "\n%{http_code} %{redirect_url}"][..], args].concat()).ok();
    let sent_on = ask(&["-H", browser, &page]);
    assert!(sent_on.ends_with(&format!("308 {}", place.hub.url("acme/m/raw/main/a?b=c"))), "{sent_on}");
    let bearer = format!("Authorization: Bearer {}", place.ada.secret);
    for args in [&["-H", browser, "-H", &bearer, &page][..], &["-H", browser, "-X", "POST", &page], &[&page]]
    {
        let told = ask(args);
        assert!(told.ends_with("403 ") && told.contains("this hub is at https://"), "{told}");
        assert_eq!(told.contains("revoke it"), args.contains(&bearer.as_str()), "{told}");
    }

    let work = Work::new();
    place.trust(&work.git, &work.path());
    let with_token = plain.replace("http://", &format!("http://ada:{}@", place.ada.secret));
    for git in Git::every(&work.beside("home")) {
        let mut command = git.command(&work.path(), &["ls-remote", &format!("{with_token}/acme/m.git")]);
        let told = run(command.env("GIT_CURL_VERBOSE", "1").env("GIT_TRACE_CURL_NO_DATA", "1")).fails();
        assert!(told.contains("403"), "{}: {told}", git.label());
        assert!(!told.to_ascii_lowercase().contains("authorization:"), "{}: {told}", git.label());
    }
}

#[test]
fn a_hub_does_not_start_with_a_certificate_it_cannot_serve() {
    let authority = Authority::new();
    let expired = authority.issue_between(&["127.0.0.1"], -7_200, -3_600);
    let mut hub = Hub::builder().config(&expired.config()).prepare();
    assert!(!hub.try_serve(None).expect_err("it must not start").success());
    let told = hub.log();
    assert!(
        told.contains(&expired.certificate.display().to_string()) && told.contains("expired at"),
        "{told}"
    );

    let issued = authority.issue(&["127.0.0.1"]);
    for (config, words) in [
        (format!("public-url = \"http://hub.example.org\"\n{}", issued.config()), "write it with https://"),
        (issued.config().lines().take(2).collect::<Vec<_>>().join("\n"), "set tls.key"),
        ("[tls]\nredirect-listen = \"127.0.0.1:0\"".to_owned(), "set tls.certificate"),
    ] {
        let mut hub = Hub::builder().config(&config).prepare();
        assert!(!hub.try_serve(None).expect_err("it must not start").success());
        assert!(hub.log().contains(words), "{}", hub.log());
    }
}
