//! Bodies of events, as another hub sends them.

use polder_log::{BODY_BYTES_MAX, Body, Leaf};

/// What is read is known by the same hash when it is written again, and its leaf is its own.
pub(crate) fn run(input: &[u8]) {
    let Ok(body) = Body::decode(input) else { return };
    assert!(input.len() <= BODY_BYTES_MAX);
    assert_eq!(body.bytes(), input);
    let leaf = body.leaf();
    assert!(leaf.matches(&body));
    assert_eq!(Leaf::decode(&leaf.encode()), Ok(leaf));
    match (*body).clone().seal(&[]) {
        Ok(again) => assert_eq!((&*again, again.id()), (&*body, body.id())),
        Err(error) => panic!("read, but cannot be written: {error}"),
    }
    if body.signatures().is_empty() {
        assert_eq!(body.id(), body.sha256());
    }
}
