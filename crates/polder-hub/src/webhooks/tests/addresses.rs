//! Where webhooks lead.

use super::{Place, Receiver, watching};
use crate::Kind;

/// Attack A39 with the list of A29: webhooks are how anyone has a hub make requests.
#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_never_reaches_an_address_that_is_not_public() {
    let place = Place::new().await;
    let inside = Receiver::start().await;
    let port = inside.port;
    let refused = [
        format!("http://2130706433:{port}/"),
        format!("http://0x7f000001:{port}/"),
        format!("http://0177.0.0.1:{port}/"),
        format!("http://127.1:{port}/"),
        format!("http://0:{port}/"),
        format!("http://user:password@127.0.0.1:{port}/"),
        format!("http://example.org@127.0.0.1:{port}/"),
        "file:///etc/passwd".to_owned(),
        format!("gopher://127.0.0.1:{port}/"),
        format!("ftp://127.0.0.1:{port}/"),
        format!("ssh://127.0.0.1:{port}/"),
        "ext::sh -c id".to_owned(),
        String::new(),
    ];
    for url in &refused {
        let error = place.hub.add_webhook(&place.alice, watching(url, &[("org", "acme")])).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid, "{url}");
    }
    let reached = [
        format!("http://127.0.0.1:{port}/"),
        format!("http://127.0.0.2:{port}/"),
        format!("http://localhost:{port}/"),
        format!("http://[::1]:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        format!("http://[::ffff:7f00:1]:{port}/"),
        format!("http://[64:ff9b::7f00:1]:{port}/"),
        format!("http://0.0.0.0:{port}/"),
        format!("http://[::]:{port}/"),
        format!("https://127.0.0.1:{port}/"),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "http://10.0.0.1/".to_owned(),
        "http://192.168.1.1/".to_owned(),
        "http://100.64.0.1/".to_owned(),
        "http://[fd00::1]/".to_owned(),
        "http://[fe80::1]/".to_owned(),
    ];
    for url in &reached {
        let hook =
            place.hub.add_webhook(&place.alice, watching(url, &[("model", "acme/open")])).await.unwrap();
        place.commit("acme/open").await;
        place.hub.tell_webhooks_due().await.unwrap();
        let (disabled, error) = place.state(&hook).await;
        assert!(disabled, "{url}: {error:?}");
        assert!(error.unwrap().contains("is not at a public address"), "{url}");
        place.hub.delete_webhook(&place.alice, hook.id).await.unwrap();
    }
    // Nor does a receiver that may be reached lead there.
    let hook = place.hook(&[("model", "acme/open")]).await;
    for status in ["301 M", "302 F", "303 S", "307 T", "308 P"] {
        place.receiver.answer(&format!("{status}\r\nlocation: {}\r\n", inside.url()));
        place.commit("acme/open").await;
        assert!(!place.told().await.is_empty(), "{status}");
        place.pass(86_400 / 4);
        let (_, error) = place.state(&hook).await;
        assert!(error.unwrap().starts_with("it answered with status 30"), "{status}");
    }
    assert_eq!(inside.take(), []);
}
