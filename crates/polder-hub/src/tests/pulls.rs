use std::path::Path;

use polder_db::DiscussionStatus;
use polder_types::{ObjectId, failpoint};

use super::content::change;
use super::deaths::{die_at, told};
use super::*;

const CHILD: &str = "tests::pulls::child";

async fn may_contribute(hub: &Hub, who: &Principal, to: Contribution) -> Result<Grant<Contribute>> {
    hub.contribute(who, &repo("acme/open"), to).await
}

fn on(branch: &str, path: &str) -> CommitRequest {
    CommitRequest { branch: branch.to_owned(), ..change("change", vec![write(path, "x")]) }
}

async fn status(hub: &Hub, grant: &Grant<Read>, num: i64) -> DiscussionStatus {
    hub.discussion(grant, num).await.expect("there").discussion.status
}

/// Carol has no part in `acme`; she may read its public repositories.
#[tokio::test(flavor = "multi_thread")]
async fn who_may_only_read_changes_the_refs_of_their_own_open_pull_requests_and_nothing_else() {
    let fixture = fixture().await;
    let (hub, alice) = (&fixture.hub, fixture.writer("acme/open").await);
    let read = alice.as_read();
    let (carol, bob) = (fixture.login(token("carol")).await, fixture.login(token("bob")).await);
    assert_eq!(may_contribute(hub, &carol, Contribution::AnyPull).await.unwrap_err().kind(), Kind::Forbidden);
    let proposer = may_contribute(hub, &carol, Contribution::NewPull).await.expect("may propose");
    // Without a commit there is nothing that a change could be proposed to.
    assert_eq!(hub.open_pull(&proposer, "title", "text").await.unwrap_err().kind(), Kind::Conflict);
    let first = hub.commit(&alice, on("main", "a")).await.expect("committed");
    let hers = hub.open_pull(&proposer, "Carol's", "text").await.expect("opened");
    let alices = hub.open_pull(&alice.as_contributor(), "Alice's", "text").await.expect("opened");
    assert_eq!((hers, alices), (1, 2));

    let granted = may_contribute(hub, &carol, Contribution::Pull(1)).await.expect("hers");
    let second = hub.commit(&granted, on("refs/pr/1", "b")).await.expect("committed");
    assert_eq!(hub.resolve_revision(&read, "refs/pr/1").await.expect("a ref"), second);
    // The grant itself opens nothing else: the way in asks again.
    for branch in ["main", "refs/pr/2"] {
        let refused = hub.commit(&granted, on(branch, "c")).await.unwrap_err();
        assert_eq!(refused.kind(), Kind::Forbidden, "{branch}: {refused}");
    }
    for (who, num) in [(&carol, 2), (&carol, 9), (&bob, 1)] {
        let refused = may_contribute(hub, who, Contribution::Pull(num)).await.unwrap_err();
        assert_eq!(refused.kind(), Kind::Forbidden, "{num}");
    }
    assert_eq!(hub.resolve_revision(&read, "main").await.expect("a branch"), first);
    assert_eq!(hub.resolve_revision(&read, "refs/pr/2").await.expect("a ref"), first);

    // A token that may only read, or only elsewhere, proposes nothing; nor does anyone where they may not read.
    let reading = fixture.login(TokenRequest { scope: Role::Read, ..token("carol") }).await;
    let elsewhere = TokenRequest { repos: vec![repo("acme/closed")], ..token("bob") };
    let elsewhere = fixture.login(elsewhere).await;
    for who in [&reading, &elsewhere, &Principal::ANONYMOUS] {
        assert!(may_contribute(hub, who, Contribution::NewPull).await.is_err());
    }
    let hidden = hub.contribute(&carol, &repo("acme/closed"), Contribution::NewPull).await.unwrap_err();
    assert_eq!(hidden.kind(), Kind::NotFound);

    // Closed, it takes nothing, from writers neither.
    hub.close_discussion(&granted.as_read(), 1, true, None).await.expect("closed");
    assert!(may_contribute(hub, &carol, Contribution::AnyPull).await.is_err());
    for grant in [&granted, &alice.as_contributor()] {
        let refused = hub.commit(grant, on("refs/pr/1", "d")).await.unwrap_err();
        assert_eq!(refused.kind(), Kind::Forbidden, "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pull_requests_opened_at_the_same_time_have_numbers_of_their_own() {
    let fixture = fixture().await;
    let (hub, alice) = (&fixture.hub, fixture.writer("acme/open").await);
    hub.commit(&alice, on("main", "a")).await.expect("committed");
    let open = |n: usize| {
        let (hub, grant) = (hub.clone(), alice.clone());
        tokio::spawn(async move {
            if n.is_multiple_of(2) {
                hub.open_pull(&grant.as_contributor(), "a change", "text").await.expect("opened")
            } else {
                hub.open_discussion(&grant.as_read(), "a word", "text").await.expect("opened")
            }
        })
    };
    let mut nums = Vec::new();
    for opened in (0..12).map(open).collect::<Vec<_>>() {
        nums.push(opened.await.expect("ran"));
    }
    nums.sort_unstable();
    assert_eq!(nums, (1..=12).collect::<Vec<i64>>());
    let refs = hub.list_refs(&alice.as_read()).await.expect("read");
    assert_eq!(refs.iter().filter(|named| named.name.starts_with("refs/pr/")).count(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_obeys_the_rules_of_its_branch() {
    let fixture = fixture().await;
    let (hub, alice) = (&fixture.hub, fixture.writer("acme/open").await);
    let first = hub.commit(&alice, on("main", "a")).await.expect("committed");
    let num = hub.open_pull(&alice.as_contributor(), "a change", "text").await.expect("opened");
    assert_eq!(hub.merge_pull(&alice, num, None).await.unwrap_err().kind(), Kind::Conflict, "nothing in it");
    hub.commit(&alice, on("refs/pr/1", "b")).await.expect("committed");
    let rule = ProtectionRule {
        pattern: "main".to_owned(),
        allow_force: false,
        allow_delete: false,
        push_role: None,
        push_accounts: Vec::new(),
    };
    hub.protect(&repo("acme/open"), rule).await.expect("protected");
    assert_eq!(hub.merge_pull(&alice, num, None).await.unwrap_err().kind(), Kind::Forbidden);
    assert_eq!(hub.resolve_revision(&alice.as_read(), "main").await.expect("a branch"), first);
    assert_eq!(status(hub, &alice.as_read(), num).await, DiscussionStatus::Draft);
}

async fn opened(dir: &Path) -> (Hub, Grant<Write>) {
    let hub = Hub::open(options_in(dir, Clock::System)).await.expect("opens");
    if hub.live_repo(&repo("acme/open")).await.is_err() {
        fill(&hub).await;
    }
    let grant = writer(&hub, "acme/open").await;
    (hub, grant)
}

/// The child: runs only when the test below starts this executable again.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "the child process of the other test of this file"]
async fn child() {
    let (point, dir) = told();
    let (hub, alice) = opened(&dir).await;
    hub.commit(&alice, on("main", "a")).await.expect("committed");
    let num = hub.open_pull(&alice.as_contributor(), "a change", "text").await.expect("opened");
    hub.commit(&alice, on("refs/pr/1", "b")).await.expect("committed");
    hub.commit(&alice, on("main", "c")).await.expect("committed");
    failpoint::arm(&point, 1, None);
    hub.merge_pull(&alice, num, Some("thanks")).await.expect("merged");
}

#[tokio::test(flavor = "multi_thread")]
async fn whenever_the_process_dies_a_merge_is_whole_or_none_and_can_be_made_once() {
    for (point, happened) in [
        ("push.received", false),
        ("push.checked", false),
        ("db.before_commit", false),
        ("db.after_commit", true),
        ("push.committed", true),
    ] {
        let dir = tempfile::tempdir().expect("tempdir");
        die_at(CHILD, point, dir.path());
        let (hub, alice) = opened(dir.path()).await;
        let read = alice.as_read();
        let before: ObjectId = hub.resolve_revision(&read, "main").await.expect("a branch");
        let pull = hub.discussion(&read, 1).await.expect("there").discussion;
        let merge_oid = pull.pull.as_ref().and_then(|pull| pull.merge_oid);
        let expected =
            if happened { (DiscussionStatus::Merged, Some(before)) } else { (DiscussionStatus::Draft, None) };
        assert_eq!((pull.status, merge_oid), expected, "{point}");
        let again = hub.merge_pull(&alice, 1, None).await;
        assert_eq!(again.is_ok(), !happened, "{point}: {again:?}");
        let now = hub.resolve_revision(&read, "main").await.expect("a branch");
        let parents = hub.commit_info(&read, now).await.expect("read").parents.len();
        assert_eq!((status(&hub, &read, 1).await, parents), (DiscussionStatus::Merged, 2), "{point}");
        hub.close().await;
    }
}
