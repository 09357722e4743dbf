//! Namespaces that move between hubs.

use polder_log::{SecretKey, VerifierKey};
use polder_types::Sha256;

use super::{Home, follow, sha};
use crate::{
    Appended, Error, FollowRule, FollowedMove, MirrorMode, MirrorState, Move, MoveAway, MoveHere, MoveState,
    Published, PublishedNamespace, PublishedState, Repo,
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

async fn now(home: &Home, repo: &Repo) -> Repo {
    home.db.repo(repo.id).await.unwrap().unwrap()
}

#[tokio::test]
async fn the_mirrors_of_a_namespace_pass_to_the_log_of_its_new_home() {
    let home = Home::open().await;
    let (old, repo) = ready(&home).await;
    let new = log(&home, "new.example.org", false).await;
    let rules = vec![FollowRule { pattern: "*".to_owned(), mode: MirrorMode::Full }];
    home.db.set_upstream(new, NEW_URL.to_owned(), rules).await.unwrap();
    let rival = Move { state: MoveState::Rival, ..which(&home, old, new, 8) };
    home.db.put_move(rival.clone()).await.unwrap();
    let which = which(&home, old, new, 7);
    let followed =
        FollowedMove { which: which.clone(), from: Some(old), home: NEW_URL.to_owned(), rids: vec![sha(1)] };
    home.db.follow_move(followed).await.unwrap();
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
}

#[tokio::test]
async fn a_mirror_of_which_the_new_home_has_told_already_gets_what_is_here() {
    let home = Home::open().await;
    let (old, repo) = ready(&home).await;
    let new = log(&home, "new.example.org", false).await;
    follow::target(&home, new, 2, None).await;
    let which = which(&home, old, new, 7);
    let followed = FollowedMove { which, from: Some(old), home: NEW_URL.to_owned(), rids: vec![sha(1)] };
    home.db.follow_move(followed).await.unwrap();
    assert!(home.db.list_mirrors(old, None, 10).await.unwrap().is_empty());
    let mirror = home.db.claim_mirrors(new, 60, 10).await.unwrap().pop().unwrap();
    assert_eq!((mirror.rseq, mirror.repo), (2, Some(repo.id)));
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
    assert_eq!(home.db.namespace_of_alias("acme").await.unwrap().as_deref(), Some("acme.hub.example.org"));

    let away = Move { seq: 3, ..which(&home, own, elsewhere, 9) };
    let followed = FollowedMove { which: away, from: None, home: NEW_URL.to_owned(), rids: Vec::new() };
    let origin = "own.example.org".to_owned();
    let name = "acme.hub.example.org".parse().unwrap();
    home.db.move_away(MoveAway { followed, account: repo.namespace, name, origin }).await.unwrap();
    let left = now(&home, &repo).await;
    assert_eq!(left.upstream, Some(elsewhere));
    assert_eq!(left.home_url().as_deref(), Some("https://new.example.org/acme/m"));
    let mirror = home.db.list_mirrors(elsewhere, None, 10).await.unwrap().pop().unwrap();
    assert_eq!((mirror.state, mirror.rseq, mirror.body), (MirrorState::Ready, 1, sha(6)));
    assert!(!home.db.is_at_home(repo.namespace).await.unwrap());
}
