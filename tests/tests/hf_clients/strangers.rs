//! What those who may not write bring with pull requests is bounded, and the client says why.

use polder_tests::{Hub, HubClient};

use crate::Place;

const STRANGERS: &str = include_str!("strangers.py");

#[test]
fn strangers_bring_so_much_and_no_more_and_a_merge_makes_room() {
    let Some(client) = HubClient::of("2.4.0") else { return };
    let place = Place::with(Hub::builder().config("[limits]\ncontributed-bytes = \"1000KB\"").start());
    let bob = place.hub.user("bob", "write");
    let done =
        client.script(&place.hub, &place.ada, place.dir.path(), STRANGERS, &[bob.secret.as_str()]).ok();
    assert!(done.contains("done"), "{done}");
    place.hub.fsck();
}
