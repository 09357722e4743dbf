//! Revisions by the ids that they have at the source.

use bytes::Bytes;
use polder_git::{Change, Signature};
use polder_types::ObjectId;

use super::evil::small;
use super::import_tests::{A, B, C, MAIN, Place};
use crate::tests::repo;
use crate::{CommitRequest, Kind, Result};

impl Place {
    async fn meant(&self, at: &str, revision: &str) -> Result<ObjectId> {
        let hub = &self.fixture.hub;
        let id = hub.live_repo(&repo(at)).await.expect("there").id;
        let snapshot = hub.held(id).await.expect("held").snapshot;
        hub.commit_meant(id, &snapshot, revision).await
    }

    async fn missing(&self, at: &str, revision: &str) {
        assert_eq!(self.meant(at, revision).await.expect_err("missing").kind(), Kind::NotFound, "{revision}");
    }

    /// A commit of our own on the branch.
    async fn commit(&self, number: usize) {
        let grant = self.fixture.writer("acme/open").await;
        let content = Bytes::from(number.to_string());
        let author = Signature {
            name: "Ann".to_owned(),
            email: "ann@example.org".to_owned(),
            time: self.fixture.hub.clock.now(),
        };
        let request = CommitRequest {
            branch: "main".to_owned(),
            parent: None,
            changes: vec![Change::Write { path: "own".to_owned(), content, executable: false }],
            author,
            message: "Own".to_owned(),
        };
        self.fixture.hub.commit(&grant, request).await.expect("committed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_is_found_by_the_id_of_the_one_it_stands_for_in_its_own_repository() {
    let place = Place::new(&[("a", small("one\n"))]).await;
    place.evil.set("refs/heads/dev", C, &[("a", small("dev\n"))]);
    place.pull().await.expect("imported");
    let (first, dev) = (place.tip(MAIN).await.commit_id, place.tip("refs/heads/dev").await.commit_id);
    place.evil.set(MAIN, B, &[("a", small("two\n"))]);
    place.pull().await.expect("imported");
    let tip = place.tip(MAIN).await.commit_id;
    for (revision, commit_id) in
        [(A, first), (&A.to_uppercase(), first), (B, tip), (C, dev), (&first.to_string(), first)]
    {
        assert_eq!(place.meant("acme/open", revision).await.expect(revision), commit_id, "{revision}");
    }
    for missing in [&A.replace('a', "d"), &A[..12], "aaaa", ""] {
        place.missing("acme/open", missing).await;
    }
    place.missing("acme/closed", A).await;

    // What no branch reaches any more is not shown by another name either.
    place.evil.drop_ref("refs/heads/dev");
    place.pull().await.expect("imported");
    place.missing("acme/open", C).await;
    // The source goes back to what it was: the newest that stands for it.
    place.fixture.pass_seconds(1);
    place.evil.set(MAIN, A, &[("a", small("one\n"))]);
    place.pull().await.expect("imported");
    let newest = place.tip(MAIN).await.commit_id;
    assert_ne!(newest, first);
    assert_eq!(place.meant("acme/open", A).await.expect("found"), newest);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_search_passes_what_was_added_here_and_ends() {
    let place = Place::new(&[("a", small("one\n"))]).await;
    place.pull().await.expect("imported");
    let first = place.tip(MAIN).await.commit_id;
    for number in 0..99 {
        place.commit(number).await;
    }
    assert_eq!(place.meant("acme/open", A).await.expect("found"), first);
    place.commit(99).await;
    place.missing("acme/open", A).await;
    assert_eq!(place.meant("acme/open", &first.to_string()).await.expect("by its own id"), first);
}

/// A tag with a message is an object of its own, and the only ref that still reaches what it was put on.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_only_an_annotated_tag_reaches_is_found() {
    let place = Place::new(&[("a", small("one\n"))]).await;
    place.pull().await.expect("imported");
    let (hub, first) = (&place.fixture.hub, place.tip(MAIN).await.commit_id);
    let grant = place.fixture.writer("acme/open").await;
    hub.create_tag(&grant, "v1", A, Some("The first")).await.expect("by the id from there");
    hub.squash(&grant, "main", "").await.expect("squashed");
    let snapshot = place.snapshot().await;
    let tag = snapshot.find_ref("refs/tags/v1").expect("there");
    assert_eq!((tag.peeled, place.tip(MAIN).await.parents), (Some(first), vec![]));
    assert_eq!(place.meant("acme/open", A).await.expect("found"), first);
    let opened = hub.open_raw(&grant.as_read(), A, "a").await.expect("opened");
    assert_eq!(opened.commit_id, first);
}
