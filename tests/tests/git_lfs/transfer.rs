//! Uploads and downloads spoken by hand: what is stored is what was named, byte for byte.

use std::io::Write;

use polder_tests::{LargeObject, poll, until};

use crate::place::Place;

/// A05. Mallory may write, and sends other bytes than she announced: altered, cut, too many, none. Nothing of it
/// is ever there. Then she tries to replace an object that is: its file is the same file afterwards, never touched.
#[test]
fn bytes_that_are_not_what_they_claim_are_refused_and_never_seen() {
    let place = Place::new();
    place.hub.repo("acme/m");
    let object = LargeObject::random(40, 300_000);
    let mut wrong = object.bytes.clone();
    wrong[150_000] ^= 1;
    let short = &object.bytes[..299_999];
    let long = [&object.bytes[..], b"!"].concat();
    for (what, bytes) in [("wrong", &wrong[..]), ("short", short), ("long", &long), ("none", b"")] {
        let answer = place.put(&object, "acme/m", bytes);
        assert_eq!(answer.status, 422, "{what}: {}", answer.text());
        assert_eq!(place.refusal(&object, "acme/m", Some(&place.token)), 404, "{what}");
        assert_eq!(object.verify(place.hub.http(), "acme/m", &place.token).status, 404, "{what}");
    }
    assert!(place.quarantine_is_empty(), "{:?}", place.hub.stored_files());

    let href = place.href(&object, "acme/m", "upload");
    place.hub.http().put(&href, object.bytes.clone()).send().expect(200);
    // The same URL, still valid, cannot replace the object.
    let before = place.blob_file();
    assert_eq!(place.hub.http().put(&href, wrong).send().status, 422);
    let download = place.href(&object, "acme/m", "download");
    assert!(place.hub.http().get(&download).send().expect(200).body == object.bytes);
    place.hub.http().put(&href, object.bytes.clone()).send().expect(200);
    assert_eq!(place.blob_file(), before, "inode, time and length");
    place.hub.fsck();
}

#[test]
fn verify_tells_what_is_there() {
    let place = Place::new();
    place.hub.repo("acme/m");
    let object = LargeObject::random(50, 1_000);
    assert_eq!(object.verify(place.hub.http(), "acme/m", &place.token).status, 404);
    object.upload(place.hub.http(), "acme/m", &place.token);
    object.verify(place.hub.http(), "acme/m", &place.token).expect(200);
    let shorter = LargeObject { oid: object.oid.clone(), bytes: vec![0; 999] };
    assert_eq!(shorter.verify(place.hub.http(), "acme/m", &place.token).status, 422);
    assert!(
        object.action(place.hub.http(), "acme/m", "upload", Some(&place.token)).is_none(),
        "no need to upload"
    );
}

#[test]
fn ranges_are_exact() {
    let place = Place::new();
    place.hub.repo("acme/m");
    let object = LargeObject::random(90, 1_000_000);
    object.upload(place.hub.http(), "acme/m", &place.token);
    let href = place.href(&object, "acme/m", "download");
    let get = |range: &str| place.hub.http().get(&href).header("Range", range).send();
    let last = object.bytes.len() - 1;
    for (range, from, to) in [
        ("bytes=0-0", 0, 0),
        ("bytes=0-", 0, last),
        ("bytes=999999-", last, last),
        ("bytes=262143-262145", 262_143, 262_145),
        ("bytes=500000-99999999", 500_000, last),
        ("bytes=-10", last - 9, last),
        ("bytes=-99999999", 0, last),
    ] {
        let answer = get(range).expect(206);
        assert!(answer.body == object.bytes[from..=to], "{range}");
        let expected = format!("bytes {from}-{to}/1000000");
        assert_eq!(answer.header("content-range"), Some(expected.as_str()), "{range}");
    }
    for range in ["bytes=1000000-", "bytes=-0"] {
        let answer = get(range).expect(416);
        assert_eq!(answer.header("content-range"), Some("bytes */1000000"), "{range}");
    }
    for range in ["bytes=5-2", "lines=1-2", "bytes=x", "bytes=0-1,5-6"] {
        let answer = get(range);
        let whole = answer.status == 200 && answer.body == object.bytes;
        assert!(whole || answer.status == 416, "{range}: {}", answer.status);
    }
    let head = place.hub.http().head(&href).send().expect(200);
    assert_eq!(head.header("content-length"), Some("1000000"));
    assert_eq!(head.header("accept-ranges"), Some("bytes"));
    let etag = head.header("etag").expect("an ETag").to_owned();
    assert_eq!(etag, format!("\"{}\"", object.oid));
    let conditional =
        |tag: &str| place.hub.http().get(&href).header("Range", "bytes=10-19").header("If-Range", tag).send();
    assert_eq!(conditional(&etag).expect(206).body, object.bytes[10..20]);
    assert!(conditional("\"another\"").expect(200).body == object.bytes);
    assert!(
        conditional(&format!("W/{etag}")).expect(200).body == object.bytes,
        "a weak tag never matches here"
    );
}

#[test]
fn an_upload_without_a_length_is_told_to_name_one() {
    let place = Place::new();
    place.hub.repo("acme/m");
    let object = LargeObject::random(100, 300_000);
    let href = place.href(&object, "acme/m", "upload");
    let mut body = Vec::new();
    for chunk in object.bytes.chunks(70_000) {
        write!(body, "{:x}\r\n", chunk.len()).unwrap();
        body.extend_from_slice(chunk);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"0\r\n\r\n");
    place.hub.http().put(&href, body).header("Transfer-Encoding", "chunked").send().expect(411);
    assert_eq!(place.refusal(&object, "acme/m", None), 404);
}

#[test]
fn an_upload_that_is_cut_leaves_nothing_and_can_be_tried_again() {
    let place = Place::new();
    place.hub.repo("acme/m");
    let object = LargeObject::random(110, 4 << 20);
    let href = place.href(&object, "acme/m", "upload");
    let bytes = place.hub.http().put(&href, object.bytes.clone()).to_bytes();
    let mut stream = place.hub.http().connect();
    stream.write_all(&bytes[..bytes.len() / 2]).unwrap();
    until("the upload to arrive", 10, || (!place.quarantine_is_empty()).then_some(()));
    drop(stream);
    let gone = poll(20, || place.quarantine_is_empty().then_some(()));
    assert!(gone.is_some(), "{:?}", place.hub.stored_files());
    assert_eq!(place.refusal(&object, "acme/m", None), 404);
    object.upload(place.hub.http(), "acme/m", &place.token);
    assert_eq!(place.refusal(&object, "acme/m", None), 0);
    place.hub.fsck();
}

#[test]
fn one_object_uploaded_by_eight_clients_at_once_is_stored_once() {
    let place = Place::new();
    place.hub.repo("acme/m");
    let object = LargeObject::random(120, 2 << 20);
    let href = place.href(&object, "acme/m", "upload");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| place.hub.http().put(&href, object.bytes.clone()).send().expect(200));
        }
    });
    let download = place.href(&object, "acme/m", "download");
    assert!(place.hub.http().get(&download).send().expect(200).body == object.bytes);
    place.hub.fsck();
}
