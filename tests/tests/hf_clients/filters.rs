//! Every parameter of lists, by the client that sends it (check 36).

use polder_tests::HubClient;

use crate::Place;

const FILTERS: &str = include_str!("filters.py");

#[test]
fn each_parameter_of_a_list_selects_sorts_or_shows_what_it_says() {
    let Some(client) = HubClient::of("2.4.0") else { return };
    let place = Place::new();
    client.script(&place.hub, &place.ada, place.dir.path(), FILTERS, &[]).ok();
    place.hub.fsck();
}
