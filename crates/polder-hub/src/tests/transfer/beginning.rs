//! The first bytes of an object, without the rest.

use super::*;

/// Asks for eight bytes, then for as many as the first of them says, in thousands.
async fn begin(fixture: &Fixture, wanted: &Wanted, sources: &[&Arc<Source>]) -> Result<Vec<u8>> {
    let whole_of = |start: &[u8]| Ok(u64::from(start[0]) * 1000);
    fixture.hub.read_beginning(wanted, &all(sources), &patience_for(sources), 8, &whole_of).await
}

/// An object whose beginning has so many bytes, in thousands.
fn object(thousands: u8, len: usize) -> Object {
    let mut content = noise(50, len);
    content[0] = thousands;
    Object::new(content)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_beginning_comes_by_itself_and_leaves_nothing() {
    let fixture = fixture().await;
    for (thousands, len, expected) in
        [(200, 20 * MIB, 200_000), (0, MIB, 0), (1, MIB, 1000), (250, 100_000, 100_000), (3, 5, 5)]
    {
        let object = object(thousands, len);
        let honest = object.source("honest", Honest);
        let wanted = object.wanted(fixture.open_repo().await);
        let bytes = begin(&fixture, &wanted, &[&honest]).await.expect("there");
        assert!(bytes == object.content[..expected], "{thousands} {len}");
        assert!(
            honest.sent() <= u64::try_from(expected + 2 * (128 << 10)).expect("small"),
            "{}",
            honest.sent()
        );
    }
    assert_eq!(fixture.hub.store.transfers().expect("listed"), []);
    assert_eq!(fixture.hub.db.list_blobs(None, 9).await.expect("rows").len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_that_lie_or_fail_in_any_way_give_no_beginning_and_the_next_does() {
    let (fixture, object) = (fixture().await, object(200, 3 * MIB));
    let wanted = object.wanted(fixture.open_repo().await);
    let honest = object.source("honest", Honest);
    for (kind, why) in [
        (Lying(0), "wrong bytes at 0"),
        (Lying(199_999), "wrong bytes"),
        (LyingList, "lied"),
        (ForgedList, "lied"),
        (Truncated, "cut short"),
        (Dead, "in time"),
        (Stops(1000), "in time"),
        (Broken, "500"),
        (Plain, "does not have it"),
    ] {
        let bad = object.source("bad", kind);
        let error = begin(&fixture, &wanted, &[&bad]).await.expect_err("nobody else");
        assert!(error.kind() == Kind::Unavailable && error.message().contains(why), "{kind:?}: {error}");
        let bytes = begin(&fixture, &wanted, &[&bad, &honest]).await.expect("there");
        assert!(bytes == object.content[..200_000], "{kind:?}");
    }
    // Who goes on sending is not listened to.
    let endless = object.source("endless", Endless);
    assert!(begin(&fixture, &wanted, &[&endless]).await.expect("there") == object.content[..200_000]);
    // A lie further on is nothing to the beginning.
    let lying = object.source("lying", Lying(2_900_000));
    assert!(begin(&fixture, &wanted, &[&lying]).await.expect("there") == object.content[..200_000]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_checked_or_is_refused_is_not_asked_for() {
    let (fixture, object) = (fixture().await, object(200, MIB));
    let (wanted, honest) = (object.wanted(fixture.open_repo().await), object.source("honest", Honest));
    let unsigned = Wanted { xet: None, ..wanted };
    let error = begin(&fixture, &unsigned, &[&honest]).await.expect_err("by its whole alone");
    assert_eq!((error.kind(), honest.sent()), (Kind::Conflict, 0));
    let error = begin(&fixture, &wanted, &[]).await.expect_err("nobody");
    assert_eq!(error.kind(), Kind::Unavailable);
    let refuse = |_start: &[u8]| Err(Error::new(Kind::TooLarge, "too long"));
    let both = [&honest, &object.source("other", Honest)];
    let refused = fixture.hub.read_beginning(&wanted, &all(&both), &patient(), 8, &refuse).await;
    assert_eq!(refused.expect_err("refused").kind(), Kind::TooLarge);
    assert_eq!(both[1].sent(), 0, "another says the same");
}

/// A home that is slow to show beginnings must not keep readers of whole objects waiting, nor they those.
#[tokio::test(flavor = "multi_thread")]
async fn beginnings_and_whole_objects_have_places_of_their_own() {
    let (fixture, object) = (fixture().await, object(200, MIB));
    let (hub, honest) = (&fixture.hub, object.source("honest", Honest));
    let wanted = object.wanted(fixture.open_repo().await);
    let whole = hub.transfers.places.available_permits();
    let slow: Vec<_> = (0..whole).map(|_| object.source("slow", Dead)).collect();
    let mut held = tokio::task::JoinSet::new();
    for source in slow {
        let (hub, patient) = (hub.clone(), TransferOptions::default());
        held.spawn(async move {
            hub.read_beginning(&wanted, &all(&[&source]), &patient, 8, &|_start: &[u8]| Ok(0)).await
        });
    }
    let is_taken = async {
        while hub.transfers.beginnings.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), is_taken).await.expect("as many as may");
    assert_eq!(hub.transfers.places.available_permits(), whole);
    held.abort_all();
    while held.join_next().await.is_some() {}

    let all_whole = hub.transfers.places.acquire_many(u32::try_from(whole).expect("few")).await;
    let bytes = begin(&fixture, &wanted, &[&honest]).await.expect("there");
    assert!(bytes == object.content[..200_000]);
    drop(all_whole);
}
