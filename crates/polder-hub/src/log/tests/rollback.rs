//! A hub that is behind what it signed.

use std::sync::Arc;

use polder_types::{Clock, Visibility};

use super::{begun, follow, kinds};
use crate::tests::{name, options_in, repo};
use crate::{Hub, Kind};

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_was_rolled_back_signs_nothing() {
    let dir = tempfile::tempdir().expect("tempdir");
    let millis = Arc::new(std::sync::atomic::AtomicI64::new(crate::tests::START));
    let options = || options_in(dir.path(), Clock::Manual(Arc::clone(&millis)));
    let data = dir.path().join("data");
    let hub = Hub::open(options()).await.expect("opens");
    hub.begin_log().await.expect("begun");
    hub.add_user(&name("alice"), false).await.expect("added");
    hub.sequence_once().await.expect("sequenced");
    hub.close().await;
    drop(hub);
    std::fs::copy(data.join("polder.db"), dir.path().join("older.db")).expect("copied");

    let hub = Hub::open(options()).await.expect("opens");
    hub.add_repo(&repo("alice/m"), Visibility::Public).await.expect("added");
    assert_eq!(kinds(&follow(&hub).await), ["hub.key", "ns.create", "repo.create"]);
    hub.close().await;
    drop(hub);
    std::fs::copy(dir.path().join("older.db"), data.join("polder.db")).expect("restored");

    let hub = Hub::open(options()).await.expect("opens");
    hub.begin_log().await.expect("there");
    hub.add_repo(&repo("alice/other"), Visibility::Public).await.expect("added");
    let refused = hub.sequence_once().await.expect_err("it is behind");
    assert_eq!(refused.kind(), Kind::Conflict, "{}", refused.chain());
    let log = hub.db.own_log().await.expect("read").expect("there");
    assert_eq!((log.tree.size(), log.checkpoint_size), (1, 1), "nothing was appended");
    assert_eq!(hub.own_log_tip().expect("what was signed before").size, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_out_of_a_backup_signs_nothing_until_it_knows_what_it_signed_last() {
    let place = begun().await;
    follow(&place.hub).await;
    let file = place.hub.keys.dir.join("log.checkpoint");
    let kept = std::fs::read(&file).expect("signed");
    std::fs::remove_file(&file).expect("no backup has it");
    *place.hub.own_log.lead.lock().await = None;
    let refused = place.hub.sequence_once().await.expect_err("it may be behind");
    assert!(
        refused.kind() == Kind::Conflict && refused.chain().contains("log.checkpoint"),
        "{}",
        refused.chain()
    );
    std::fs::write(&file, kept).expect("put back");
    place.hub.sequence_once().await.expect("it is what was signed last");
}
