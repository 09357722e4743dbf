use polder_types::{RepoId, UnixMillis, Visibility};

use super::{Home, push_of, update};
use crate::{Error, NameState, NewPullMirror, PullEnd, PullMirror, PushOutcome};

impl Home {
    async fn mirror(&self, repo: RepoId, seconds: i64) {
        let new = NewPullMirror {
            repo,
            url: format!("https://git.example/{repo}"),
            user_name: None,
            token_file: Some("/etc/token".to_owned()),
            every_seconds: 60,
            keeps_tips: true,
            closed_there: None,
            stays_open: false,
            due: self.now().plus_seconds(seconds),
        };
        self.db.set_pull_mirror(new).await.unwrap();
    }

    async fn claimed(&self, limit: i64) -> Vec<PullMirror> {
        self.db.claim_pulls(30, limit).await.unwrap()
    }

    async fn listed(&self) -> Vec<PullMirror> {
        self.db.list_pull_mirrors(None, 10).await.unwrap()
    }
}

#[tokio::test]
async fn what_is_due_is_claimed_once_and_again_when_its_claim_lapses() {
    let home = Home::open().await;
    let (a, b) = (home.repo("acme/a").await.id, home.repo("acme/b").await.id);
    assert_eq!(home.db.next_pull().await.unwrap(), (None, 0));
    home.mirror(a, 0).await;
    home.mirror(b, 10).await;
    assert_eq!(home.db.next_pull().await.unwrap(), (Some(home.now()), 0));
    let first = home.claimed(9).await;
    assert_eq!(first.iter().map(|mirror| mirror.repo).collect::<Vec<_>>(), [a]);
    assert!(first[0].running && first[0].keeps_tips && first[0].token_file.as_deref() == Some("/etc/token"));
    assert!(home.claimed(9).await.is_empty());

    home.pass_seconds(20);
    assert!(home.db.still_pulling(&first[0], 30).await.unwrap(), "kept alive");
    home.pass_seconds(20);
    assert_eq!(home.claimed(9).await.iter().map(|mirror| mirror.repo).collect::<Vec<_>>(), [b]);
    home.pass_seconds(20);
    let second = home.claimed(9).await;
    assert_eq!(second.iter().map(|mirror| mirror.repo).collect::<Vec<_>>(), [a]);
    let next = home.now().plus_seconds(60);
    assert!(!home.db.end_pull(&first[0], PullEnd::Worked("late".to_owned()), next).await.unwrap(), "fenced");
    assert!(!home.db.still_pulling(&first[0], 30).await.unwrap());
    assert!(home.db.end_pull(&second[0], PullEnd::Worked("done".to_owned()), next).await.unwrap());
    assert!(!home.db.end_pull(&second[0], PullEnd::PutOff, next).await.unwrap(), "once");
}

#[tokio::test]
async fn what_is_written_for_a_pull_is_written_while_its_claim_holds() {
    let home = Home::open().await;
    let repo = home.repo("acme/a").await;
    let write = async |mirror: &PullMirror, n: u8| {
        let db = home.db.while_pulling(mirror.claim());
        let pushed = db.commit_push(push_of(&repo, vec![update("refs/heads/main", n - 1, n)])).await;
        let pointed = db.set_head(repo.id, format!("refs/heads/{n}"), None).await;
        (pushed, pointed)
    };
    home.mirror(repo.id, 0).await;
    let mut claim = home.claimed(1).await.remove(0);
    let written = write(&claim, 1).await;
    assert!(matches!(written.0, Ok(PushOutcome::Done { changed: true, .. })), "{written:?}");
    assert_eq!(written.1.unwrap().head, "refs/heads/1");
    let before = home.db.repo(repo.id).await.unwrap();
    for lost in ["ended", "put off", "lapsed", "changed", "stopped"] {
        let next = home.now().plus_seconds(-1);
        match lost {
            "ended" => assert!(home.db.end_pull(&claim, PullEnd::Failed(String::new()), next).await.unwrap()),
            "put off" => assert!(home.db.end_pull(&claim, PullEnd::PutOff, next).await.unwrap()),
            "lapsed" => home.pass_seconds(60),
            "changed" => home.mirror(repo.id, 0).await,
            _ => assert!(home.db.stop_pull_mirror(repo.id).await.unwrap()),
        }
        for _ in 0..2 {
            if lost != "lapsed" {
                let refused = write(&claim, 2).await;
                assert!(matches!(refused.0, Err(Error::Conflict { .. })), "{lost}: {refused:?}");
                assert!(matches!(refused.1, Err(Error::Conflict { .. })), "{lost}");
            }
            if lost == "stopped" {
                home.mirror(repo.id, 0).await;
            }
        }
        let lost_claim = std::mem::replace(&mut claim, home.claimed(1).await.remove(0));
        // Though the clock stands still, no claim is like another.
        assert!(matches!(write(&lost_claim, 2).await.0, Err(Error::Conflict { .. })), "{lost}");
        home.db.set_closed_there(&lost_claim, Some(Visibility::Private)).await.unwrap();
        assert_eq!(home.listed().await[0].closed_there, None, "{lost}");
        assert_eq!(home.db.repo(repo.id).await.unwrap(), before, "{lost}");
        assert!(home.db.still_pulling(&claim, 30).await.unwrap());
    }
}

#[tokio::test]
async fn the_results_of_pulls_are_kept_and_failures_are_counted_in_a_row() {
    let home = Home::open().await;
    let repo = home.repo("acme/a").await.id;
    home.mirror(repo, 0).await;
    for (end, failures, result) in [
        (PullEnd::Failed("no\0such host".to_owned()), 1, "nosuch host"),
        (PullEnd::Failed("still".to_owned()), 2, "still"),
        (PullEnd::PutOff, 2, "still"),
        (PullEnd::Worked("3 refs".to_owned()), 0, "3 refs"),
        (PullEnd::Failed("x".repeat(5_000)), 1, &"x".repeat(1_000)),
    ] {
        let claimed = home.claimed(1).await;
        assert!(home.db.end_pull(&claimed[0], end.clone(), home.now()).await.unwrap());
        let listed = home.listed().await;
        assert_eq!(
            (listed[0].failures, listed[0].last_result.as_deref()),
            (failures, Some(result)),
            "{end:?}"
        );
        assert_eq!(home.db.next_pull().await.unwrap(), (Some(home.now()), i64::from(failures > 0)));
    }
    let listed = home.listed().await;
    assert_eq!((listed[0].worked_at, listed[0].tried_at), (Some(home.now()), Some(home.now())));
    // Said again, it begins anew.
    home.mirror(repo, 5).await;
    let listed = home.listed().await;
    assert_eq!((listed[0].failures, listed[0].last_result.as_deref(), listed[0].running), (0, None, false));
    assert_eq!(listed[0].due, UnixMillis(home.now().0 + 5_000));
}

#[tokio::test]
async fn who_may_read_the_source_is_kept_until_it_is_seen_otherwise() {
    let home = Home::open().await;
    let repo = home.repo("acme/a").await.id;
    home.mirror(repo, 0).await;
    let listed = async || home.listed().await[0].closed_there;
    assert_eq!(listed().await, None);
    for closed in [Some(Visibility::Gated), Some(Visibility::Private), None, Some(Visibility::Private)] {
        let claimed = home.claimed(1).await;
        home.db.set_closed_there(&claimed[0], closed).await.unwrap();
        let failed = PullEnd::Failed("later".to_owned());
        assert!(home.db.end_pull(&claimed[0], failed, home.now()).await.unwrap());
        assert_eq!(listed().await, closed);
        home.claimed(1).await;
        home.db.set_closed_there(&claimed[0], None).await.unwrap();
        assert_eq!(listed().await, closed, "fenced");
        home.db.release_pulls().await.unwrap();
    }
}

#[tokio::test]
async fn a_repository_knows_where_it_comes_from_until_that_is_stopped() {
    let home = Home::open().await;
    let repo = home.repo("acme/a").await;
    home.mirror(repo.id, 0).await;
    let source = async || {
        let found = home.db.find_repo(repo.name.kind(), &repo.name.fold()).await.unwrap();
        let Some(NameState::Live(found)) = found else { panic!("gone") };
        assert_eq!(home.db.repo(repo.id).await.unwrap().unwrap().pulls_from, found.pulls_from);
        found.pulls_from
    };
    assert_eq!(source().await, Some(format!("https://git.example/{}", repo.id)));
    assert!(home.db.stop_pull_mirror(repo.id).await.unwrap());
    assert!(!home.db.stop_pull_mirror(repo.id).await.unwrap());
    assert_eq!(source().await, None);
    home.mirror(repo.id, 0).await;
    home.db.delete_repo(repo.id, None).await.unwrap();
    assert!(home.listed().await.is_empty(), "a deleted repository is not pulled");
    let gone = NewPullMirror {
        repo: repo.id,
        url: String::new(),
        user_name: None,
        token_file: None,
        every_seconds: 1,
        keeps_tips: false,
        closed_there: None,
        stays_open: false,
        due: home.now(),
    };
    assert!(matches!(home.db.set_pull_mirror(gone).await, Err(Error::NotFound { .. })));
}
