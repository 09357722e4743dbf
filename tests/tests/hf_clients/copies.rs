//! Files and repositories that are copied without being sent, and large files that are let go.

use polder_tests::HubClient;

use crate::Place;

const COPIES: &str = include_str!("copies.py");

/// Checks 16 and 17.
#[test]
fn huggingface_hub_2_4_copies_and_lets_go() {
    let Some(client) = HubClient::of("2.4.0") else { return };
    let place = Place::new();
    let bob = place.hub.user("bob", "write");
    client.script(&place.hub, &place.ada, place.dir.path(), COPIES, &[&bob.secret]).ok();
    // Nothing is counted twice or lost.
    let found = place.hub.cli(&["fsck", "--deep"]).ok();
    assert!(found.contains("nothing wrong"), "{found}");
}
