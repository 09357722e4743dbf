//! Certificates in files: what is served, what is refused and in which words, what a change does.
#![cfg(test)]

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use polder_http::Listener as _;
use polder_tests::{Authority, Issued};
use polder_tls::{CertificateFiles, Served, TlsListener};
use polder_types::Clock;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::timeout;

/// No step may take longer; reaching it is a failure.
const DEADLINE: Duration = Duration::from_secs(20);
const NEVER: Duration = Duration::from_hours(10);

fn files(issued: &Issued) -> CertificateFiles {
    CertificateFiles { certificate: issued.certificate.clone(), key: issued.key.clone() }
}

fn refused(files: &CertificateFiles) -> String {
    files.load(&Clock::System).err().expect("it cannot be served").chain()
}

#[test]
fn a_pair_that_cannot_be_served_is_told_with_its_file_and_reason() {
    let authority = Authority::new();
    let good = authority.issue(&["hub.example.org", "127.0.0.1"]);
    let (_, certificate) = files(&good).load(&Clock::System).unwrap();
    assert_eq!(certificate.names(), ["hub.example.org", "127.0.0.1"]);

    let other = authority.issue(&["hub.example.org"]);
    let mixed = CertificateFiles { key: other.key.clone(), ..files(&good) };
    let told = refused(&mixed);
    assert!(told.contains(&other.key.display().to_string()) && told.contains("is not the key of"), "{told}");

    for (from, until, words) in [(-7_200, -3_600, "expired at 20"), (3_600, 7_200, "is not valid before 20")]
    {
        let issued = authority.issue_between(&["hub.example.org"], from, until);
        let told = refused(&files(&issued));
        assert!(told.contains(&issued.certificate.display().to_string()) && told.contains(words), "{told}");
    }

    let missing = CertificateFiles { certificate: "/nowhere/hub.pem".into(), ..files(&good) };
    assert!(refused(&missing).contains("`/nowhere/hub.pem`: cannot be read: No such file"));
    let swapped = CertificateFiles { certificate: good.key.clone(), key: good.certificate.clone() };
    assert!(refused(&swapped).contains("has no certificate in it"), "{}", refused(&swapped));
    let keyless = CertificateFiles { key: good.certificate.clone(), ..files(&good) };
    assert!(refused(&keyless).contains("has no unencrypted private key"), "{}", refused(&keyless));
    std::fs::write(&other.certificate, vec![b'x'; (1 << 20) + 1]).unwrap();
    assert!(refused(&files(&other)).contains("too large"));
    std::fs::write(&other.certificate, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        .unwrap();
    assert!(refused(&files(&other)).contains("first certificate cannot be read"));
}

#[test]
fn a_key_that_everyone_can_read_is_a_warning() {
    let authority = Authority::new();
    let issued = authority.issue(&["hub.example.org"]);
    assert_eq!(files(&issued).warning(), None);
    for (mode, warns) in [(0o640, false), (0o644, true)] {
        std::fs::set_permissions(&issued.key, std::fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(files(&issued).warning().is_some(), warns, "{mode:o}");
    }
}

/// Waits until `served` shows a certificate of that name.
async fn shows(served: &Served, name: &str) {
    let shown = async {
        while served.certificate().is_none_or(|certificate| certificate.names() != [name]) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(DEADLINE, shown).await.unwrap_or_else(|_| panic!("{name} is not shown"));
}

#[tokio::test]
async fn a_change_of_the_files_is_seen_and_a_broken_pair_changes_nothing() {
    let authority = Authority::new();
    let [issued, second, third] = ["first", "second", "third"].map(|name| authority.issue(&[name]));
    let files = files(&issued);
    let (pair, certificate) = files.load(&Clock::System).unwrap();
    let served = Served::new(certificate);
    let asked = Notify::new();
    let follow = files.follow(pair, &served, Duration::from_millis(20), &asked, &Clock::System);
    let story = async {
        issued.replace_with(&second);
        shows(&served, "second").await;
        // Half of a renewal: the certificate is new, the key is not.
        std::fs::copy(&third.certificate, &issued.certificate).unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
        shows(&served, "second").await;
        std::fs::copy(&third.key, &issued.key).unwrap();
        shows(&served, "third").await;
        std::fs::remove_file(&issued.certificate).unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
        shows(&served, "third").await;
    };
    tokio::select! {
        () = follow => {}
        () = story => {}
    }
}

#[tokio::test]
async fn who_asks_need_not_wait_for_the_next_look() {
    let authority = Authority::new();
    let [issued, second] = ["first", "second"].map(|name| authority.issue(&[name]));
    let files = files(&issued);
    let (pair, certificate) = files.load(&Clock::System).unwrap();
    let (served, asked) = (Served::new(certificate), Notify::new());
    issued.replace_with(&second);
    asked.notify_one();
    tokio::select! {
        () = files.follow(pair, &served, NEVER, &asked, &Clock::System) => {}
        () = shows(&served, "second") => {}
    }
}

#[tokio::test]
async fn one_handshake_too_many_ends_the_oldest_and_no_newcomer_waits() {
    let authority = Authority::new();
    let issued = authority.issue(&["hub.example.org"]);
    let served = Served::new(files(&issued).load(&Clock::System).unwrap().1);
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    let mut listener = TlsListener::new(tcp, &served).unwrap().handshakes_max(3);
    let story = async {
        let mut silent = Vec::new();
        for _ in 0..5 {
            silent.push(TcpStream::connect(address).await.unwrap());
        }
        // The first two were ended to make room; the last three may still speak.
        for (place, stream) in silent.iter_mut().enumerate() {
            let mut byte = [0];
            let ended = timeout(Duration::from_millis(500), stream.read(&mut byte)).await;
            assert_eq!(ended.is_ok(), place < 2, "connection {place}");
        }
    };
    tokio::select! {
        _ = listener.accept() => panic!("nobody finished a handshake"),
        () = story => {}
    }
}
