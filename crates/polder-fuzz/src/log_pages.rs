//! Pages of events and the files that bodies name, as another hub sends them.

use polder_log::{Cursor, EventsPage, Fault, ObjectsManifest, PAGE_LEAVES_MAX, RefMap, SecretKey, SignerKey};

/// Only one file says what was read, limits hold, and nobody but the origin advances a cursor or freezes it.
pub(crate) fn run(input: &[u8]) {
    if let Ok(map) = RefMap::decode(input) {
        assert_eq!(map.encode().as_bytes(), input);
    }
    if let Ok(manifest) = ObjectsManifest::decode(input) {
        assert_eq!(manifest.encode(), input);
    }
    let Ok(page) = EventsPage::decode(input) else { return };
    assert!(page.leaves.len() <= PAGE_LEAVES_MAX && page.bodies.len() <= page.leaves.len());
    match page.encode() {
        Ok(again) => assert_eq!(again, input),
        Err(error) => panic!("read, but cannot be written: {error}"),
    }
    // The key of nobody who could have signed it.
    let key = SignerKey::new("hub.example.org", SecretKey::new(&[99; 32]));
    let log = "hub.example.org/polder/1".parse();
    let (Ok(key), Ok(log)) = (key, log) else { panic!("a name") };
    match Cursor::start(log).advance(&page, key.verifier()) {
        Err(Fault::Source(_)) => {}
        other => panic!("{other:?}"),
    }
}
