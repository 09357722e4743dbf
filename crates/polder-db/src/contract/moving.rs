//! Namespaces that move between hubs.

use polder_log::{SecretKey, VerifierKey};
use polder_types::{Sha256, UnixMillis};

use super::{Home, follow, missing, sha};
use crate::{
    Appended, CarriedRule, Error, FollowRule, FollowedMove, LogHeadRow, LogOp, MirrorMode, MirrorState, Move,
    MoveAway, MoveElsewhere, MoveHere, MoveState, Published, PublishedNamespace, PublishedState, Repo,
    SnapshotRows,
};

const NEW_URL: &str = "https://new.example.org";

async fn log(home: &Home, origin: &str, is_own: bool) -> i64 {
    let key = VerifierKey::new(origin, SecretKey::new(&[8; 32]).public()).unwrap();
    home.db.open_log(format!("{origin}/polder/1").parse().unwrap(), key, is_own).await.unwrap().id
}

/// A hub that is followed, and the repository of it that is here whole.
async fn ready(home: &Home) -> (i64, Repo) {
    let old = follow::upstream(home).await;
    let repo = follow::mirrored(home, old).await;
    assert!(home.db.adopt_repo(repo.id, sha(1), old).await.unwrap());
    follow::target(home, old, 1, None).await;
    let mirror = home.db.claim_mirrors(old, 60, 10).await.unwrap().pop().unwrap();
    assert!(home.db.set_mirror_repo(&mirror, repo.id).await.unwrap());
    assert!(home.db.publish_mirror(follow::publish(&mirror, &repo)).await.unwrap());
    (old, repo)
}

fn which(home: &Home, old: i64, new_log: i64, op: u8) -> Move {
    let (state, held_at) = (MoveState::Followed, home.now());
    Move { nsid: sha(2), seq: 2, op: sha(op), old_log: Some(old), cut: 5, new_log, state, held_at }
}

fn followed(which: &Move, from: Option<i64>) -> FollowedMove {
    let home = NEW_URL.to_owned();
    FollowedMove { which: which.clone(), from, home, rids: vec![sha(1)], carried: Vec::new() }
}

async fn now(home: &Home, repo: &Repo) -> Repo {
    home.db.repo(repo.id).await.unwrap().unwrap()
}

#[tokio::test]
async fn the_mirrors_of_a_namespace_pass_to_the_log_of_its_new_home() {
    let home = Home::open().await;
    let (old, repo) = ready(&home).await;
    let new = log(&home, "new.example.org", false).await;
    let rules = vec![FollowRule { pattern: "*".to_owned(), mode: MirrorMode::Full }];
    home.db.set_upstream(new, NEW_URL.to_owned(), rules.clone()).await.unwrap();
    let rival = Move { state: MoveState::Rival, ..which(&home, old, new, 8) };
    home.db.put_move(rival.clone()).await.unwrap();
    let which = which(&home, old, new, 7);
    let rule = FollowRule { pattern: "acme/*".to_owned(), mode: MirrorMode::Full };
    let followed = FollowedMove { carried: vec![rule.clone()], ..followed(&which, Some(old)) };
    home.db.follow_move(followed.clone()).await.unwrap();
    home.db.follow_move(followed).await.unwrap();
    let carried = CarriedRule { nsid: sha(2), rule: rule.clone() };
    assert_eq!(home.db.carried_rules(new).await.unwrap(), [carried], "once");
    assert!(home.db.carried_rules(old).await.unwrap().is_empty());
    let refused = Move { state: MoveState::Refused, ..rival };
    let states =
        |moves: Vec<Move>| moves.into_iter().map(|which| (which.op, which.state)).collect::<Vec<_>>();
    for moves in
        [home.db.list_moves(old).await, home.db.list_moves(new).await, home.db.moves_of(sha(2)).await]
    {
        let mut moves = states(moves.unwrap());
        moves.sort_by_key(|(op, _)| *op);
        assert_eq!(moves, states(vec![which.clone(), refused.clone()]));
    }
    assert!(home.db.list_mirrors(old, None, 10).await.unwrap().is_empty());
    let mirror = home.db.list_mirrors(new, None, 10).await.unwrap().pop().unwrap();
    assert_eq!((mirror.state, mirror.repo, mirror.ready_rseq), (MirrorState::Ready, Some(repo.id), 1));
    let moved = now(&home, &repo).await;
    assert_eq!((moved.upstream, moved.withheld.as_deref()), (Some(new), None));
    assert_eq!(moved.home_url().as_deref(), Some("https://new.example.org/acme/m"));
    assert_eq!(
        home.db.name_of_namespace(sha(2)).await.unwrap(),
        Some("acme.hub.example.org".parse().unwrap())
    );
    assert_eq!(home.db.name_of_namespace(sha(3)).await.unwrap(), None);
    home.db.set_upstream(new, NEW_URL.to_owned(), rules).await.unwrap();
    assert_eq!(home.db.carried_rules(new).await.unwrap().len(), 1, "no other word");
    home.db.set_upstream(new, NEW_URL.to_owned(), vec![rule]).await.unwrap();
    assert!(home.db.carried_rules(new).await.unwrap().is_empty(), "the operator's newest word holds");
}

#[tokio::test]
async fn what_the_new_home_never_told_of_is_hidden_once_and_comes_back_when_it_does() {
    for kept in [false, true] {
        let home = Home::open().await;
        let (old, repo) = ready(&home).await;
        let new = log(&home, "new.example.org", false).await;
        assert!(home.db.list_unknown(new, None, 10).await.unwrap().is_empty());
        home.db.follow_move(followed(&which(&home, old, new, 7), Some(old))).await.unwrap();
        let unknown = home.db.list_unknown(new, None, 10).await.unwrap();
        assert_eq!((unknown.len(), unknown[0].rid, unknown[0].repo), (1, sha(1), Some(repo.id)));
        assert!(home.db.list_unknown(new, Some(sha(1)), 10).await.unwrap().is_empty());
        assert!(home.db.hide_unknown(new, sha(1), kept).await.unwrap());
        assert!(!home.db.hide_unknown(new, sha(1), kept).await.unwrap());
        assert!(home.db.list_unknown(new, None, 10).await.unwrap().is_empty());
        assert_eq!(now(&home, &repo).await.withheld.as_deref(), Some("moved"));
        let purgeable = home.db.list_purgeable(new, home.now(), 10).await.unwrap();
        let mode = if kept { MirrorMode::Archive } else { MirrorMode::Full };
        assert_eq!((purgeable[0].state, purgeable[0].mode), (MirrorState::Hidden, mode));

        follow::target(&home, new, 2, None).await;
        let mirror = home.db.claim_mirrors(new, 60, 10).await.unwrap().pop().unwrap();
        assert!(home.db.publish_mirror(follow::publish(&mirror, &repo)).await.unwrap());
        assert_eq!(now(&home, &repo).await.withheld, None);
        let head = LogHeadRow { rid: sha(1), index: 1, leaf: missing::leaf() };
        let rows = SnapshotRows { log: new, heads: vec![head], ..SnapshotRows::default() };
        home.db.load_snapshot_rows(rows).await.unwrap();
        assert!(home.db.list_unknown(new, None, 10).await.unwrap().is_empty(), "it is known now");
        assert!(!home.db.hide_unknown(new, sha(1), kept).await.unwrap());
    }
}

#[tokio::test]
async fn a_mirror_of_which_the_new_home_has_told_already_gets_what_is_here() {
    let home = Home::open().await;
    let (old, repo) = ready(&home).await;
    let new = log(&home, "new.example.org", false).await;
    follow::target(&home, old, 3, None).await;
    follow::target(&home, new, 4, None).await;
    let which = which(&home, old, new, 7);
    home.db.follow_move(followed(&which, Some(old))).await.unwrap();
    assert!(home.db.list_mirrors(old, None, 10).await.unwrap().is_empty());
    let mirror = home.db.claim_mirrors(new, 60, 10).await.unwrap().pop().unwrap();
    assert_eq!((mirror.rseq, mirror.repo), (4, Some(repo.id)));
    let since = home.db.mirror_standings(new).await.unwrap()[0].behind_since;
    assert_eq!(since, Some(UnixMillis(3)), "as far behind as both were");
}

#[tokio::test]
async fn a_move_to_where_nothing_is_followed_is_known_until_it_is_followed_or_a_later_one() {
    let home = Home::open().await;
    let (old, _repo) = ready(&home).await;
    let own = log(&home, "own.example.org", true).await;
    let elsewhere = |seq: u64, op: u8| MoveElsewhere {
        nsid: sha(2),
        seq,
        op: sha(op),
        old_log: old,
        handle: "acme".to_owned(),
        origin: "new.example.org".to_owned(),
        voids: true,
        heard_at: home.now(),
    };
    for op in [7, 9] {
        home.db.put_elsewhere(elsewhere(u64::from(op) - 5, op)).await.unwrap();
        home.db.put_elsewhere(MoveElsewhere { voids: false, ..elsewhere(9, op) }).await.unwrap();
    }
    let both = [elsewhere(2, 7), elsewhere(4, 9)];
    assert_eq!(home.db.list_elsewhere(old).await.unwrap(), both);
    assert_eq!(home.db.elsewhere_of(sha(2)).await.unwrap(), both);
    assert!(home.db.list_elsewhere(own).await.unwrap().is_empty());
    assert_eq!(home.db.namespaces_at("https://hub.example.org", None, 9).await.unwrap(), [sha(2)]);
    assert!(home.db.namespaces_at("https://hub.example.org", Some(sha(2)), 9).await.unwrap().is_empty());

    let new = log(&home, "new.example.org", false).await;
    home.db.follow_move(followed(&which(&home, old, new, 7), Some(old))).await.unwrap();
    assert!(home.db.list_elsewhere(old).await.unwrap().is_empty());
    let later = MoveElsewhere { old_log: new, ..elsewhere(4, 9) };
    assert_eq!(home.db.list_elsewhere(new).await.unwrap(), [later], "it leaves from there");

    // The own log tells of a move only where it had told of the namespace, and once.
    let op = |seq: u64, op: u8| LogOp { nsid: sha(2), seq, index: seq, body_sha256: sha(op) };
    let told = |ops| SnapshotRows { log: own, ops, ..SnapshotRows::default() };
    assert!(home.db.untold_moves(own, 9).await.unwrap().is_empty());
    home.db.load_snapshot_rows(told(vec![op(1, 4)])).await.unwrap();
    assert_eq!(home.db.untold_moves(own, 9).await.unwrap(), [(sha(2), sha(7))]);
    assert_eq!(home.db.logs_of_namespace(sha(2)).await.unwrap(), [own]);
    home.db.load_snapshot_rows(told(vec![op(2, 7)])).await.unwrap();
    assert!(home.db.untold_moves(own, 9).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_namespace_comes_to_be_at_home_here_whole_or_not_at_all_and_leaves_again() {
    let home = Home::open().await;
    let (old, repo) = ready(&home).await;
    let (own, elsewhere) =
        (log(&home, "own.example.org", true).await, log(&home, "new.example.org", false).await);
    let ada = home.user("ada").await;
    assert!(!home.db.is_at_home(repo.namespace).await.unwrap());
    let here = |rseq: u64, append| MoveHere {
        append,
        said: PublishedNamespace { nsid: sha(2), seq: 2, head: sha(7) },
        which: which(&home, old, own, 7),
        older: Vec::new(),
        account: "acme.hub.example.org".parse().unwrap(),
        alias: "acme".parse().unwrap(),
        owner: ada,
        repos: vec![Published {
            rid: sha(1),
            rseq,
            prev: sha(6),
            generation: 0,
            state: PublishedState::Open,
            path: "acme/m".to_owned(),
            refs_sha256: Sha256::new([0; 32]),
            open_since: home.now(),
        }],
    };
    let append = home.db.log(own).await.unwrap().unwrap().append(Vec::new());
    let changed = home.db.move_here(here(2, append.clone())).await;
    assert!(matches!(changed, Err(Error::Conflict { .. })), "{changed:?}");
    assert_eq!(now(&home, &repo).await.upstream, Some(old));
    assert!(home.db.list_moves(own).await.unwrap().is_empty());
    assert!(!home.db.is_at_home(repo.namespace).await.unwrap());

    assert!(matches!(home.db.move_here(here(1, append)).await.unwrap(), Appended::Done(_)));
    let moved = now(&home, &repo).await;
    assert_eq!((moved.upstream, moved.home_url()), (None, None));
    assert!(home.db.is_at_home(repo.namespace).await.unwrap());
    assert!(home.db.list_mirrors(old, None, 10).await.unwrap().is_empty());
    assert!(home.db.member_role(repo.namespace, ada).await.unwrap().is_some());
    let is_acme = || async {
        let taken = home.db.add_user(&"Acme".parse().unwrap(), false).await;
        let Err(Error::Conflict { what }) = taken else { panic!("{taken:?}") };
        assert_eq!(what, "the name `Acme` is that of `acme.hub.example.org`, which moved here");
        assert_eq!(
            home.db.namespace_of_alias("acme").await.unwrap().as_deref(),
            Some("acme.hub.example.org")
        );
    };
    is_acme().await;

    let away = Move { seq: 3, ..which(&home, own, elsewhere, 9) };
    let followed = FollowedMove { rids: Vec::new(), ..followed(&away, None) };
    let origin = "own.example.org".to_owned();
    let name = "acme.hub.example.org".parse().unwrap();
    home.db.move_away(MoveAway { followed, account: repo.namespace, name, origin }).await.unwrap();
    let left = now(&home, &repo).await;
    assert_eq!(left.upstream, Some(elsewhere));
    assert_eq!(left.home_url().as_deref(), Some("https://new.example.org/acme/m"));
    let mirror = home.db.list_mirrors(elsewhere, None, 10).await.unwrap().pop().unwrap();
    assert_eq!((mirror.state, mirror.rseq, mirror.body), (MirrorState::Ready, 1, sha(6)));
    assert!(!home.db.is_at_home(repo.namespace).await.unwrap());
    is_acme().await;
}
