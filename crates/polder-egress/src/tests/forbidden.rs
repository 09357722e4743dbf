//! Where the hub must not go, and that not one packet goes there.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::TcpListener;

use super::server::{Server, ok, to};
use super::{Scripted, get, local, quick, text, url};
use crate::{Allowance, Egress, Kind, Request, Url};

/// A listener on every address of this machine, of both families, at one port, that counts who comes.
async fn everywhere() -> (u16, Arc<AtomicUsize>) {
    let came = Arc::<AtomicUsize>::default();
    let v4 = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).await.expect("bind");
    let port = v4.local_addr().expect("address").port();
    let v6 = TcpListener::bind(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))).await;
    for listener in [Some(v4), v6.ok()].into_iter().flatten() {
        let came = Arc::clone(&came);
        tokio::spawn(async move {
            while listener.accept().await.is_ok() {
                came.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
    (port, came)
}

/// Every way to spell a place that is not public. `P` is the port that listens on every local address.
const LIST: &[&str] = &[
    // Loopback and this machine.
    "http://127.0.0.1:P/",
    "http://127.0.0.2:P/",
    "http://127.255.255.254:P/",
    "http://0.0.0.0:P/",
    "http://0.1.2.3:P/",
    "https://127.0.0.1:P/",
    "http://[::1]:P/",
    "http://[::]:P/",
    "http://[0:0:0:0:0:0:0:1]:P/",
    "http://[::127.0.0.1]:P/",
    "http://[::ffff:127.0.0.1]:P/",
    "http://[::ffff:7f00:1]:P/",
    "http://[0:0:0:0:0:ffff:127.0.0.1]:P/",
    // Through translators and tunnels.
    "http://[64:ff9b::127.0.0.1]:P/",
    "http://[64:ff9b::7f00:1]:P/",
    "http://[64:ff9b:1::1]:P/",
    "http://[2002:7f00:1::]:P/",
    "http://[2002:7f00:1::1]:P/",
    "http://[2002:a9fe:a9fe::]:P/",
    "http://[2001:0:7f00:1::]:P/",
    "http://[2001:10::1]:P/",
    // Private, shared, link-local, special.
    "http://10.0.0.1:P/",
    "http://10.255.255.255:P/",
    "http://172.16.0.1:P/",
    "http://172.31.255.255:P/",
    "http://192.168.0.1:P/",
    "http://100.64.0.1:P/",
    "http://100.127.255.254:P/",
    "http://169.254.0.1:P/",
    "http://192.0.0.1:P/",
    "http://192.0.2.1:P/",
    "http://198.18.0.1:P/",
    "http://198.51.100.1:P/",
    "http://203.0.113.1:P/",
    "http://192.88.99.1:P/",
    "http://224.0.0.1:P/",
    "http://239.255.255.250:P/",
    "http://240.0.0.1:P/",
    "http://255.255.255.255:P/",
    "http://[fc00::1]:P/",
    "http://[fd12:3456::1]:P/",
    "http://[fe80::1]:P/",
    "http://[fec0::1]:P/",
    "http://[ff02::1]:P/",
    "http://[2001:db8::1]:P/",
    "http://[3fff::1]:P/",
    "http://[100::1]:P/",
    "http://[5f00::1]:P/",
    // Where clouds keep secrets.
    "http://169.254.169.254:P/latest/meta-data/",
    "http://[::ffff:169.254.169.254]:P/",
    "http://[fd00:ec2::254]:P/",
    "http://168.63.129.16:P/",
    "http://100.100.100.200:P/",
    // Other spellings of an address.
    "http://2130706433:P/",
    "http://017700000001:P/",
    "http://0x7f000001:P/",
    "http://0x7f.1:P/",
    "http://127.1:P/",
    "http://127.0.1:P/",
    "http://0177.0.0.1:P/",
    "http://0x7f.0x0.0x0.0x1:P/",
    "http://127.0.0.01:P/",
    "http://127.0.0.1.:P/",
    "http://[::1%25lo]:P/",
    "http://①②⑦.0.0.1:P/",
    "http://127。0。0。1:P/",
    "http://%31%32%37.0.0.1:P/",
    // Names that lead to this machine; every name does here.
    "http://localhost:P/",
    "http://LOCALHOST:P/",
    "http://localhost.:P/",
    "http://sub.localhost:P/",
    "http://127.0.0.1.nip.io:P/",
    "http://169.254.169.254.nip.io:P/",
    "http://metadata.google.internal:P/",
    "https://innocent.example:P/",
    // Hosts that another reader would find in them.
    "http://public.example@127.0.0.1:P/",
    "http://127.0.0.1:P@public.example/",
    "http://a:b@127.0.0.1:P/",
    "http://public.example#@127.0.0.1:P/",
    "http://public.example\\@127.0.0.1:P/",
    "http://127.0.0.1:P\\.public.example/",
    "http:// 127.0.0.1:P/",
    "http://127.0.0.1:P /",
    "http://127.0.0.1\t:P/",
    "http://127.0.0.1:P/\r\nx: y",
    "http://[::1]public.example:P/",
    "http:///127.0.0.1:P/",
    "http:127.0.0.1:P/",
    "//127.0.0.1:P/",
    "http://127.0.0.1:P:80/",
    // Other schemes.
    "file:///etc/passwd",
    "ftp://127.0.0.1:P/",
    "gopher://127.0.0.1:P/_x",
    "ssh://127.0.0.1:P/",
    "git://127.0.0.1:P/x",
    "ext::sh -c true",
    "dict://127.0.0.1:P/",
    "ldap://127.0.0.1:P/",
    "unix:///run/polder.sock",
    "data:,x",
    "javascript:x",
    "ws://127.0.0.1:P/",
    "http+unix://x/",
    "jar:http://127.0.0.1:P/!/",
];

#[tokio::test]
async fn no_packet_goes_to_an_address_that_is_not_public() {
    assert!(LIST.len() >= 80, "{}", LIST.len());
    let (port, came) = everywhere().await;
    let egress = local();
    for entry in LIST {
        let spelled = entry.replace('P', &port.to_string());
        let Ok(target) = spelled.parse::<Url>() else { continue };
        let refused =
            egress.send(Request::get(&target, &Allowance::none())).await.map(|_| ()).expect_err(&spelled);
        assert_eq!(refused.kind(), Kind::Refused, "{spelled}: {refused}");
    }
    assert_eq!(came.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_named_host_cannot_send_the_hub_to_another_private_one() {
    let (port, came) = everywhere().await;
    // Its first answer leads to the next entry of the list, as the path says.
    let named = Server::start(move |head| {
        let index: usize = head.split(['/', ' ']).nth(2).expect("path").parse().expect("number");
        to([301, 302, 303, 307, 308][index % 5], &LIST[index].replace('P', &port.to_string()))
    })
    .await;
    let egress = local();
    for (index, entry) in LIST.iter().enumerate() {
        let target = named.url(&format!("/{index}"));
        let refused = get(&egress, &target).await.map(|_| ()).expect_err(entry);
        assert!(matches!(refused.kind(), Kind::Refused | Kind::BadAnswer), "{entry}: {refused}");
    }
    assert_eq!(came.load(Ordering::SeqCst), 0);
    assert_eq!(named.heads().len(), LIST.len());
}

#[tokio::test]
async fn a_name_that_changes_its_address_between_check_and_connection_gains_nothing() {
    let (port, came) = everywhere().await;
    // Public when it is checked, this machine a moment later.
    let resolver = Scripted::new(&[&["192.0.1.1"], &["127.0.0.1"], &["192.0.1.1", "127.0.0.1"]]);
    let egress = Egress::new(quick(Arc::clone(&resolver))).expect("client");
    let target = url(&format!("http://rebinding.example:{port}/"));
    let ask = || egress.send(Request::get(&target, &Allowance::none()));
    let nobody_there = ask().await.map(|_| ()).expect_err("nobody is at that address");
    assert_ne!(nobody_there.kind(), Kind::Refused, "{nobody_there}");
    assert_eq!(resolver.asked(), 1, "looked up once for one connection");
    assert_eq!(ask().await.map(|_| ()).expect_err("flipped").kind(), Kind::Refused);
    assert_eq!(ask().await.map(|_| ()).expect_err("one of both").kind(), Kind::Refused);
    assert_eq!(came.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_host_the_operator_named_may_be_private_at_that_port_only() {
    let named = Server::start(|_| ok("hello")).await;
    let other = Server::start(|_| ok("secret")).await;
    let egress = local();
    let target = url(&format!("http://inside.example:{}/x", named.port));
    assert_eq!(text(get(&egress, &target).await.expect("answer")).await, "hello");
    let allowance = Allowance::naming(&target);
    let other_port = url(&format!("http://inside.example:{}/x", other.port));
    let other_name = url(&format!("http://elsewhere.example:{}/x", named.port));
    for elsewhere in [other_port, other_name, named.url("/x")] {
        let refused =
            egress.send(Request::get(&elsewhere, &allowance)).await.map(|_| ()).expect_err("refused");
        assert_eq!(refused.kind(), Kind::Refused, "{refused}");
    }
    assert_eq!(other.connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_connection_made_for_the_operator_serves_nobody_else() {
    let server = Server::start(|_| ok("hello")).await;
    let egress = local();
    let target = server.url("/");
    for _ in 0..3 {
        assert_eq!(text(get(&egress, &target).await.expect("answer")).await, "hello");
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 1, "kept and used again");
    let refused =
        egress.send(Request::get(&target, &Allowance::none())).await.map(|_| ()).expect_err("refused");
    assert_eq!(refused.kind(), Kind::Refused);
}

#[tokio::test]
async fn even_a_named_host_is_never_the_keeper_of_this_machines_secrets() {
    let resolver = Scripted::new(&[&["169.254.169.254"]]);
    let egress = Egress::new(quick(resolver)).expect("client");
    let refused = get(&egress, &url("http://inside.example/latest")).await.map(|_| ()).expect_err("refused");
    assert_eq!(refused.kind(), Kind::Refused);
    tokio::time::timeout(Duration::from_secs(1), get(&egress, &url("http://169.254.169.254/")))
        .await
        .expect("at once")
        .map(|_| ())
        .expect_err("refused");
}
