use std::future::Future as _;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_check_goes_on_within_a_day_and_begins_anew_after_it() {
    let fixture = fixture().await;
    let last = fixture.hub.list_repos().await.expect("listed").len();
    // As a check leaves it that was ended after its first repository.
    let repos = fixture.hub.db.list_repos(None, 10).await.expect("rows");
    let report = r#"{"repos":1,"packs":0,"objects":0,"blobs":0,"problems":["seen before"]}"#;
    let progress = format!(
        r#"{{"deep":false,"started":{START},"repo":{},"repos_done":false,"blob":null,"report":{report}}}"#,
        repos[0].id
    );
    let path = fixture.hub.data_dir.join("fsck-progress.json");
    for (age_seconds, deep, goes_on) in [(3_600, false, true), (3_600, true, false), (90_000, false, false)] {
        std::fs::write(&path, &progress).expect("written");
        fixture.millis.store(START + age_seconds * 1000, Ordering::Relaxed);
        let report = fixture.hub.fsck(FsckOptions { deep }, silent()).await.expect("checked");
        assert_eq!(report.repos, u64::try_from(last).expect("few"), "{age_seconds} {deep}");
        assert_eq!(!report.problems.is_empty(), goes_on, "{age_seconds} {deep}");
        assert!(!path.exists());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_check_at_the_same_time_is_told_so() {
    let fixture = fixture().await;
    let _running = fixture.hub.checking.lock().await;
    let error = fixture.hub.fsck(FsckOptions::default(), silent()).await.expect_err("refused");
    assert_eq!(error.kind(), Kind::Conflict);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_holds_even_if_nobody_waits_for_its_end() {
    let fixture = fixture().await;
    let open = repo("acme/open");
    fixture.hub.read(&Principal::ANONYMOUS, &open).await.expect("public, and now in memory");
    {
        let hub = fixture.hub.clone();
        let hide = async move { hub.set_visibility(&repo("acme/open"), Visibility::Private).await };
        let mut hide = pin!(hide);
        let first = hide.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(first.is_pending(), "the change is under way when its caller goes");
    }
    let deadline = Instant::now() + Duration::from_secs(20);
    while fixture.hub.read(&Principal::ANONYMOUS, &open).await.is_ok() {
        assert!(Instant::now() < deadline, "the repository is still shown");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_write_that_other_hubs_need_leaves_its_fact() {
    let fixture = fixture().await;
    let hub = &fixture.hub;
    hub.add_repo(&repo("acme/new"), Visibility::Private).await.expect("added");
    hub.set_visibility(&repo("acme/new"), Visibility::Public).await.expect("shown");
    hub.rename_repo(&repo("acme/new"), &repo("acme/newer")).await.expect("renamed");
    let id = hub.live_repo(&repo("acme/newer")).await.expect("there").id;
    let grant = fixture.writer("acme/newer").await;
    let request = CommitRequest {
        branch: "main".to_owned(),
        parent: None,
        changes: vec![write("README.md", "# New\n")],
        author: signature(),
        message: "begin".to_owned(),
    };
    let commit_id = hub.commit(&grant, request).await.expect("committed");
    hub.delete_repo(&repo("acme/newer")).await.expect("deleted");
    let events = hub.db.list_events(0, 100).await.expect("facts");
    let events: Vec<_> = events.into_iter().filter(|event| event.repo == id).collect();
    let kinds: Vec<&str> = events.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["repo.create", "repo.visibility", "repo.rename", "repo.refs", "repo.delete"]);
    let positions: Vec<i64> = events.iter().map(|event| event.rseq).collect();
    assert_eq!(positions, [1, 2, 3, 4, 5]);
    assert!(events[3].facts.contains(&commit_id.to_string()), "{}", events[3].facts);
}
