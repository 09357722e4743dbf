//! Taking the log back where a namespace has moved here since the backup.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use polder_db::{FollowRule, MirrorMode, MirrorState};
use polder_types::{Clock, Visibility};

use super::checkpoint_file;
use crate::follow::MoveRequest;
use crate::follow::hub_peer::{HubPeer, read_all};
use crate::follow::moving_tests::{HOME, MIRRORED, commit, home, work};
use crate::tests::{START, fixture, name, options_in, repo};
use crate::{Hub, Kind};

async fn open(dir: &Path) -> Hub {
    let hub =
        Hub::open(options_in(dir, Clock::Manual(Arc::new(AtomicI64::new(START))))).await.expect("opens");
    hub.begin_log().await.expect("begun");
    hub
}

/// Lets a hub follow another one, and read and take all that this has.
async fn synced(who: &Hub, whom: &Hub, mode: MirrorMode) -> i64 {
    whom.sequence_once().await.expect("sequenced");
    let own = whom.db.own_log().await.expect("read").expect("begun");
    let url = format!("http://{}", own.name.origin);
    let log = who.db.open_log(own.name, own.key, false).await.expect("opened").id;
    let rules = vec![FollowRule { pattern: "*".to_owned(), mode }];
    who.db.set_upstream(log, url, rules).await.expect("followed");
    let peer = HubPeer::new(whom);
    read_all(who, log, &peer).await.expect("read");
    work(who, log, &peer).await;
    log
}

#[tokio::test(flavor = "multi_thread")]
async fn what_had_moved_here_since_the_backup_is_at_home_here_again() {
    let (a, kit) = home().await;
    a.hub.add_repo(&repo("zeta/unread"), Visibility::Public).await.expect("added");
    let (dir, ahead_at) = (tempfile::tempdir().expect("tempdir"), fixture().await);
    let ahead = &ahead_at.hub;
    let b = open(dir.path()).await;
    b.add_user(&name("ada"), false).await.expect("added");
    synced(&b, &a.hub, MirrorMode::Full).await;
    b.sequence_once().await.expect("sequenced");
    b.close().await;
    drop(b);
    let database = dir.path().join("data/polder.db");
    std::fs::copy(&database, dir.path().join("older.db")).expect("copied");

    let b = open(dir.path()).await;
    commit(&a, "zeta/unread", "one").await;
    synced(&b, &a.hub, MirrorMode::Full).await;
    let request = MoveRequest { name: name("zeta"), from: HOME.to_owned(), kit, owner: name("ada") };
    b.move_namespace_here(request).await.expect("moved");
    let log = synced(ahead, &b, MirrorMode::Metadata).await;
    b.close().await;
    drop(b);
    std::fs::copy(dir.path().join("older.db"), &database).expect("restored");

    let b = open(dir.path()).await;
    assert_eq!(b.sequence_once().await.expect_err("it is behind").kind(), Kind::Conflict);
    let own = b.db.own_log().await.expect("read").expect("begun");
    let lease = b.db.lease_log(own.id, 7, 60, true).await.expect("read").expect("nobody else");
    let (signed, _) = checkpoint_file::read(&b.keys.dir).expect("read").expect("signed");
    let peer = HubPeer { of: Some(own.name.origin.clone()), ..HubPeer::new(ahead) };
    b.refill_from(own.id, lease, &signed, &peer).await.expect("taken back");
    b.sequence_once().await.expect("it goes on");
    for id in [MIRRORED, "zeta/m", "zeta.home.example/unread"] {
        assert_eq!(b.live_repo(&repo(id)).await.expect("here").upstream, None, "{id}");
    }
    read_all(ahead, log, &HubPeer::new(&b)).await.expect("one log, not two");
    let mirrors = ahead.db.list_mirrors(log, None, 10).await.expect("listed");
    let mut states: Vec<_> = mirrors.iter().map(|one| (one.path.as_str(), one.state)).collect();
    states.sort_by_key(|(path, _)| *path);
    assert_eq!(
        states,
        [("zeta/m", MirrorState::Known), ("zeta/unread", MirrorState::Known)],
        "nothing is gone"
    );

    // Its owner has the key that counts, as this log says from the creation on.
    let told =
        b.make_namespace_kit(&name("zeta.home.example"), None, |_| Ok(())).await.expect_err("it has a kit");
    assert_eq!(told.kind(), Kind::Conflict, "{told}");
}
