//! How long a server is asked that does not give what it has.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::evil::{Said, large, small};
use super::{MAIN, Place, is_file, is_tree, usual};
use crate::Kind;
use crate::tests::name;
use crate::tests::transfer::sources::noise;

#[tokio::test(flavor = "multi_thread")]
async fn the_place_that_a_large_file_is_sent_to_is_asked_until_its_link_expires() {
    let bytes = noise(3, 34 << 20);
    let place = Place::new(&[("weights.bin", large(bytes.clone()))]).await;
    let links = AtomicUsize::new(0);
    let served = AtomicUsize::new(0);
    place.evil.lie(move |asked, said| {
        if is_file(asked) && asked.method == "GET" {
            let link = format!("/cdn/{}", links.fetch_add(1, Ordering::SeqCst));
            return Said::status(302).header("Location", link);
        }
        let (Some(_), Some((from, to))) = (asked.path.strip_prefix("/cdn/"), asked.range) else {
            return said;
        };
        // The third answer is that the link has expired.
        if served.fetch_add(1, Ordering::SeqCst) == 2 {
            return Said::status(403);
        }
        let said = Said { body: bytes[from..=to].to_vec(), ..Said::status(206) };
        said.header("Content-Range", format!("bytes {from}-{to}/{}", bytes.len()))
    });
    place.pull().await.expect("imported");
    let asked = place.evil.seen();
    let count =
        |what: &str| asked.iter().filter(|line| line.starts_with("GET") && line.contains(what)).count();
    // Those that begin at once ask at once.
    assert!(count("/resolve/") < count("/cdn/") && count("/resolve/") >= 2, "{asked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_limits_rates_is_waited_for_and_one_in_trouble_tried_again() {
    let place = Place::new(&usual()).await;
    place.evil.lie(|asked, said| match (asked.before, is_file(asked)) {
        (0, true) if asked.path.ends_with("weights.bin") && asked.method == "GET" => {
            Said::status(429).header("Retry-After", 1)
        }
        (0, _) => Said::status(429).header("RateLimit", "\"api\";r=0;t=1"),
        (1, false) => Said::status(503),
        _ => said,
    });
    place.pull().await.expect("imported");
    assert_eq!(place.files(MAIN).await.len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_wants_to_be_left_alone_for_long_or_fails_for_good_is_not_asked_on() {
    let place = Place::new(&usual()).await;
    place.evil.lie(|_, _| Said::status(429).header("Retry-After", 86_400));
    let error = place.refused().await;
    assert_eq!((error.kind(), error.retry_after_seconds()), (Kind::Throttled, Some(86_400)));
    // Who may read it was asked for first, and once.
    assert_eq!(place.evil.seen().len(), 1);
    place.evil.lie(|asked, said| if asked.path.contains("/api/") { Said::status(500) } else { said });
    let error = place.refused().await;
    assert!(error.message().contains("answers 500"), "{error}");
    assert_eq!(place.evil.seen().len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gated_repository_says_where_to_ask_and_is_asked_for_once() {
    for files in [usual(), vec![("README.md", small("hello\n"))]] {
        let place = Place::new(&files).await;
        place.evil.lie(|asked, said| {
            if is_file(asked) { Said::status(403).header("X-Error-Code", "GatedRepo") } else { said }
        });
        let error = place.refused().await;
        assert_eq!(error.kind(), Kind::Forbidden);
        assert!(
            error.message().contains(&format!("ask for access at {}/acme/m ", place.evil.url)),
            "{error}"
        );
        let asked = place.evil.seen();
        assert_eq!(asked.iter().filter(|line| line.contains("/resolve/")).count(), 1, "{asked:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_drips_is_given_up() {
    let place = Place::new(&usual()).await;
    place.evil.lie(|asked, said| if is_tree(asked) { Said { stops_after: Some(1), ..said } } else { said });
    let begun = std::time::Instant::now();
    let error = place.refused().await;
    assert_eq!(error.kind(), Kind::Unavailable, "{error}");
    assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_namespace_has_no_room_for_is_not_begun() {
    let place = Place::new(&usual()).await;
    place.fixture.hub.set_quota(&name("acme"), polder_db::Limit::Bytes(1 << 20)).await.expect("set");
    let error = place.refused().await;
    assert_eq!(error.kind(), Kind::OverQuota, "{error}");
    assert!(place.evil.seen().iter().all(|line| !line.contains("/resolve/")));
}
