//! Collections, as the clients make and read them.

use polder_tests::HubClient;
use serde_json::json;

use crate::Place;

const CYCLE: &str = r"
import sys
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError
endpoint, token, work, bob_token = sys.argv[1:5]
ada, bob = HfApi(endpoint=endpoint, token=token), HfApi(endpoint=endpoint, token=bob_token)
stranger = HfApi(endpoint=endpoint, token=False)
def refused(status, call):
    try:
        call()
    except HfHubHTTPError as error:
        assert error.response.status_code == status, error
    else:
        raise AssertionError(status)
made = ada.create_collection('The best: 2026', namespace='acme', description='d')
assert made.slug.startswith('acme/the-best-2026-') and made.title == 'The best: 2026', made
assert made.description == 'd' and not made.private and made.items == [] and made.upvotes == 0, made
refused(409, lambda: ada.create_collection('The best: 2026', namespace='acme'))
assert ada.create_collection('The best: 2026', namespace='acme', exists_ok=True).slug == made.slug
mine = ada.create_collection('Mine', private=True)
assert mine.slug.startswith('ada/mine-') and mine.private, mine
with_items = ada.add_collection_item(made.slug, 'acme/open', 'model', note='first')
with_items = ada.add_collection_item(made.slug, 'acme/hidden', 'model')
with_items = ada.add_collection_item(made.slug, 'acme/d', 'dataset')
with_items = ada.add_collection_item(made.slug, mine.slug, 'collection')
ids = lambda collection: [(item.item_type, item.item_id) for item in collection.items]
everything = [('model', 'acme/open'), ('model', 'acme/hidden'), ('dataset', 'acme/d'), ('collection', mine.slug)]
assert ids(with_items) == everything, with_items
assert with_items.items[0].note == 'first' and with_items.items[0].position == 0, with_items
refused(409, lambda: ada.add_collection_item(made.slug, 'acme/open', 'model'))
assert ids(ada.add_collection_item(made.slug, 'acme/open', 'model', exists_ok=True)) == everything
refused(404, lambda: ada.add_collection_item(made.slug, 'acme/never', 'model'))
refused(400, lambda: ada.add_collection_item(made.slug, '2401.00001', 'paper'))
for who in [bob, stranger]:
    assert ids(who.get_collection(made.slug)) == [('model', 'acme/open'), ('dataset', 'acme/d')]
    refused(404, lambda: who.get_collection(mine.slug))
    assert [one.slug for one in who.list_collections()] == [made.slug]
refused(403, lambda: bob.delete_collection(made.slug))
refused(403, lambda: bob.create_collection('X', namespace='acme'))
refused(401, lambda: stranger.create_collection('X', namespace='acme'))

last = with_items.items[3]
ada.update_collection_item(made.slug, last.item_object_id, position=0, note='now first')
now = ada.get_collection(made.slug)
assert ids(now) == [everything[3], *everything[:3]] and now.items[0].note == 'now first', now
ada.delete_collection_item(made.slug, last.item_object_id)
ada.delete_collection_item(made.slug, last.item_object_id, missing_ok=True)
refused(404, lambda: ada.delete_collection_item(made.slug, last.item_object_id))
assert ids(ada.get_collection(made.slug)) == everything[:3]

changed = ada.update_collection_metadata(made.slug, title='Better', theme='green', position=3)
assert changed.title == 'Better' and changed.theme == 'green' and changed.position == 3, changed
assert changed.slug.startswith('acme/better-') and ids(changed) == everything[:3], changed
assert stranger.get_collection(made.slug).title == 'Better', 'the former slug goes on'
refused(400, lambda: ada.update_collection_metadata(made.slug, theme='beige'))
titles = lambda who, **args: [one.title for one in who.list_collections(**args)]
assert titles(ada) == ['Better', 'Mine'] and titles(ada, limit=1) == ['Better']
assert titles(ada, owner='ada') == ['Mine'] and titles(ada, owner=['ada', 'acme']) == ['Better', 'Mine']
assert titles(ada, item='datasets/acme/d') == ['Better'] and titles(ada, owner='nobody') == []
assert titles(stranger, item='models/acme/hidden') == [] and titles(ada, sort='upvotes') == ['Better', 'Mine']
position = [one.position for one in ada.list_collections()]
assert position == [0, 1], position
ada.update_collection_metadata(made.slug, private=True)
assert titles(stranger) == []
ada.delete_collection(made.slug)
ada.delete_collection(made.slug, missing_ok=True)
refused(404, lambda: ada.delete_collection(made.slug))
";

#[test]
fn collections_are_made_read_changed_and_deleted_and_show_nobody_what_is_private() {
    let Some(client) = HubClient::of("2.4.0") else { return };
    let place = Place::new();
    place.hub.repo("acme/open");
    place.hub.cli(&["repo", "add", "acme/hidden", "--private"]).ok();
    place.hub.repo("datasets/acme/d");
    let bob = place.hub.user("bob", "write");
    client.script(&place.hub, &place.ada, place.dir.path(), CYCLE, &[&bob.secret]).ok();
    let old = HubClient::of("0.36.2").expect("installed with the other");
    client_of_before(&place, &old);
}

/// What 0.36.2 says otherwise, if anything.
fn client_of_before(place: &Place, client: &HubClient) {
    const SHORT: &str = r"
import sys
from huggingface_hub import HfApi
ada = HfApi(endpoint=sys.argv[1], token=sys.argv[2])
made = ada.create_collection('Old', namespace='acme')
ada.add_collection_item(made.slug, 'acme/open', 'model')
assert [item.item_id for item in ada.get_collection(made.slug).items] == ['acme/open']
assert [one.title for one in ada.list_collections(owner='acme')] == ['Old']
";
    client.script(&place.hub, &place.ada, place.dir.path(), SHORT, &[]).ok();
}

#[test]
fn bad_requests_about_collections_are_told_so_in_json() {
    let place = Place::new();
    for (method, path, body, status) in [
        ("POST", "/api/collections", json!({}), 400),
        ("POST", "/api/collections", json!({"title": "x".repeat(101), "namespace": "acme"}), 400),
        ("POST", "/api/collections", json!({"title": "x", "namespace": "nobody"}), 403),
        ("PATCH", "/api/collections/acme/x-1", json!({}), 404),
        ("PATCH", "/api/collections/acme/x-000000000000000000000001", json!({"title": "x"}), 404),
        ("POST", "/api/collections/acme/x-000000000000000000000001/items", json!({}), 400),
        ("PUT", "/api/collections/acme/x-000000000000000000000001", json!({}), 405),
        ("GET", "/api/collections?cursor=x", json!({}), 400),
        ("GET", "/api/collections?unknown=x", json!({}), 200),
    ] {
        let answer = place.ask(method, path, &body);
        assert_eq!(answer.status, status, "{method} {path}");
        if status != 200 {
            assert!(answer.json()["error"].is_string(), "{method} {path}");
        }
    }
}
