//! Discussions and pull requests (checks 19 and 20).

use polder_tests::HubClient;

use crate::Place;

const DISCUSSIONS: &str = include_str!("discussions.py");

#[test]
fn discussions_are_opened_and_led_by_those_who_may() {
    let place = Place::new();
    let (bob, carl) = (place.hub.user("bob", "write"), place.hub.user("carl", "write"));
    for version in ["2.4.0", "0.36.2"] {
        let Some(client) = HubClient::of(version) else { return };
        let others = [bob.secret.as_str(), carl.secret.as_str()];
        let done = client.script(&place.hub, &place.ada, place.dir.path(), DISCUSSIONS, &others).ok();
        assert!(done.ends_with(&format!("done with {version}")), "{done}");
    }
    place.hub.fsck();
}
