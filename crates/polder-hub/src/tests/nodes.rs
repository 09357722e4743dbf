//! Two hubs on one database and one store, in one process.

use polder_cluster::Database;

use super::*;
use crate::snapshots::Held;

struct Nodes {
    here: Hub,
    there: Hub,
    database: Database,
    _dir: tempfile::TempDir,
}

/// Two nodes with alice and the repository `alice/m`; nothing where there is no PostgreSQL.
async fn nodes() -> Option<Nodes> {
    let database = Database::create()?;
    let dir = tempfile::tempdir().expect("tempdir");
    let open = |name: &str| {
        Hub::open(HubOptions {
            data_dir: dir.path().join(name),
            shared: Shared {
                database_url: Some(Secret::new(database.url())),
                store_dir: Some(dir.path().join("store")),
            },
            public_url: "http://hub.example".to_owned(),
            hooks: HookOptions::default(),
            lfs_part_bytes: 1 << 20,
            push_options: false,
            egress_ca_file: None,
            webhook_hosts: Vec::new(),
            hugging_face_endpoint: "https://hub.example".to_owned(),
            scrub: ScrubOptions::default(),
            federation: FederationOptions::default(),
            limits: Limits::default(),
            namespace_bytes_max: None,
            audit_keep_days: 365,
            clock: Clock::System,
        })
    };
    let (here, there) = tokio::join!(open("here"), open("there"));
    let (here, there) = (here.expect("opens"), there.expect("opens"));
    here.add_user(&name("alice"), false).await.expect("added");
    there.add_repo(&repo("alice/m"), Visibility::Public).await.expect("added");
    Some(Nodes { here, there, database, _dir: dir })
}

async fn grant(hub: &Hub) -> Grant<Write> {
    let secret = hub.add_token(token("alice")).await.expect("a token");
    let alice = hub.authenticate(Credentials::Token(secret), None).await.expect("valid");
    hub.write(&alice, &repo("alice/m")).await.expect("may write")
}

async fn commit(hub: &Hub, grant: &Grant<Write>, path: &str) {
    let request = CommitRequest {
        branch: "main".to_owned(),
        parent: None,
        changes: vec![write(path, path)],
        author: signature(),
        message: path.to_owned(),
    };
    hub.commit(grant, request).await.expect("committed");
}

/// What the database says, loaded anew.
async fn stored(hub: &Hub, grant: &Grant<Write>) -> Held {
    let state = hub.db.load_repo_state(grant.repo_id()).await.expect("read").expect("there");
    crate::snapshots::load(state, &hub.store).expect("loaded")
}

fn same(one: &Held, other: &Held) -> bool {
    let packs = |held: &Held| held.snapshot.packs().iter().map(|pack| pack.id()).collect::<Vec<_>>();
    let refs = |held: &Held| {
        held.snapshot.refs().iter().map(|r| (r.name.clone(), r.oid, r.peeled)).collect::<Vec<_>>()
    };
    one.snapshot.generation() == other.snapshot.generation()
        && one.snapshot.head() == other.snapshot.head()
        && (refs(one), packs(one), one.gc_epoch) == (refs(other), packs(other), other.gc_epoch)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_that_is_behind_is_given_only_what_has_changed() {
    let Some(nodes) = nodes().await else { return };
    let (here, there) = (grant(&nodes.here).await, grant(&nodes.there).await);
    commit(&nodes.here, &here, "one").await;
    let id = here.repo_id();
    let before = nodes.there.held(id).await.expect("held");
    assert!(Arc::ptr_eq(&before.snapshot, &nodes.there.held(id).await.expect("held").snapshot), "no change");

    commit(&nodes.here, &here, "two").await;
    commit(&nodes.here, &here, "three").await;
    let after = nodes.there.held(id).await.expect("held");
    assert!(same(&after, &stored(&nodes.there, &there).await));
    assert_eq!((before.snapshot.packs().len(), after.snapshot.packs().len()), (1, 3));
    let kept = (&before.snapshot.packs()[0], &after.snapshot.packs()[0]);
    assert!(Arc::ptr_eq(kept.0, kept.1), "the pack that was there was not read again");

    // HEAD, a deletion, and a ref that was deleted and made again.
    let tip = after.snapshot.find_ref("refs/heads/main").expect("main").oid;
    for (name, old, new) in [
        ("refs/heads/gone", None, Some(tip)),
        ("refs/heads/again", None, Some(tip)),
        ("refs/heads/gone", Some(tip), None),
        ("refs/heads/again", Some(tip), None),
        ("refs/heads/again", None, Some(tip)),
    ] {
        let update = polder_db::RefUpdate {
            name: name.to_owned(),
            old,
            new,
            peeled: None,
            rewinds: false,
            forbidden: None,
        };
        let push = polder_db::Push {
            repo: id,
            actor: None,
            expected_gc_epoch: 0,
            expected_lock_gen: None,
            atomic: false,
            updates: vec![update],
            new_head: None,
            exact_head: None,
            pack: None,
            pointers: Vec::new(),
            lazy: Vec::new(),
            catalog: None,
            mirror: None,
            proposal: None,
            proposed: Vec::new(),
        };
        nodes.here.db.commit_push(push).await.expect("pushed");
        let held = nodes.there.held(id).await.expect("held");
        assert!(same(&held, &stored(&nodes.there, &there).await), "{name}");
    }
    nodes.here.db.set_head(id, "refs/heads/again".to_owned(), None).await.expect("set");
    let held = nodes.there.held(id).await.expect("held");
    assert_eq!(held.snapshot.head(), "refs/heads/again");

    // What cannot be told from the history is loaded anew.
    nodes.database.sql("DELETE FROM ref_log; DELETE FROM ref WHERE name = 'refs/heads/again'");
    nodes.database.sql("UPDATE repo SET gen = gen + 1, ref_count = ref_count - 1");
    let held = nodes.there.held(id).await.expect("held");
    assert!(same(&held, &stored(&nodes.there, &there).await));
    nodes.database.sql("UPDATE repo SET gc_epoch = gc_epoch + 1");
    assert_eq!(nodes.there.held(id).await.expect("held").gc_epoch, 1);
    assert_eq!(nodes.here.held(id).await.expect("held").gc_epoch, 1);

    nodes.here.delete_repo(&repo("alice/m")).await.expect("deleted");
    assert_eq!(nodes.there.held(id).await.err().expect("gone").kind(), Kind::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_made_on_two_nodes_at_the_same_time_differ() {
    let Some(nodes) = nodes().await else { return };
    let make =
        |hub: Hub| tokio::spawn(async move { (0..5_000).map(|_| hub.db.next_id()).collect::<Vec<_>>() });
    let (here, there) = (make(nodes.here.clone()), make(nodes.there.clone()));
    let ids: std::collections::HashSet<i64> =
        here.await.expect("made").into_iter().chain(there.await.expect("made")).collect();
    assert_eq!(ids.len(), 10_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_may_start_at_once_and_again_without_holding_the_sweep() {
    let Some(nodes) = nodes().await else { return };
    for hub in [&nodes.here, &nodes.there] {
        hub.upkeep_once().await.expect("swept");
        assert_eq!(hub.store.epoch().expect("read"), Some(hub.sweep_epoch().await.expect("not held")));
    }
    assert_eq!(nodes.here.public_key(), nodes.there.public_key());
}

async fn is_good(hub: &Hub, secret: &Secret) -> bool {
    hub.authenticate(Credentials::Token(secret.clone()), None).await.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_begins_is_agreed_to_ends_and_is_renewed_on_any_node() {
    let Some(Nodes { here, there, database: _database, _dir }) = nodes().await else { return };
    let alice = login(&here, token("alice")).await;
    let start = here.start_device_login("a-client", "a program", None).await.expect("waits");
    let asked = there.device_request(&alice, &start.user_code).await.expect("waits");
    here.approve_device(&alice, &start.user_code, &asked.form_key, Role::Write).await.expect("agreed");
    let both = tokio::join!(
        there.poll_device_login(&start.device_code, "a-client"),
        here.poll_device_login(&start.device_code, "a-client")
    );
    let first = match both {
        (Ok(issued), Err(NoToken::BadGrant(_))) | (Err(NoToken::BadGrant(_)), Ok(issued)) => issued,
        both => panic!("one token: {both:?}"),
    };
    assert!(is_good(&here, &first.token).await && is_good(&there, &first.token).await);
    let refresh = first.refresh.expect("renewable");
    let second = there.refresh_login(&refresh, "a-client").await.expect("renewed");
    assert!(!is_good(&here, &first.token).await && is_good(&here, &second.token).await);
    let again = here.refresh_login(&refresh, "a-client").await;
    assert!(matches!(again, Err(NoToken::BadGrant(_))), "{again:?}");
    assert!(!is_good(&there, &second.token).await, "revoked for all");
}
