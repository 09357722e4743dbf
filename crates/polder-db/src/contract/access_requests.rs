use polder_types::{Gate, RepoId, Visibility};

use super::{Home, new_repo, sha};
use crate::{AccessStatus, Asked, Error, NewRepo, Repo};

const NOBODY_ASKED: &str = "SELECT COUNT(*) FROM access_request";

async fn gated(home: &Home, gate: Gate) -> Repo {
    let repo = home.repo("acme/m").await;
    home.db.set_gate(repo.id, Some(gate), None).await.unwrap()
}

async fn listed(home: &Home, repo: RepoId, status: AccessStatus) -> Vec<String> {
    let found = home.db.access_requests(repo, status, None, 10).await.unwrap();
    found.into_iter().map(|request| request.account.to_string()).collect()
}

#[tokio::test]
async fn a_gate_counts_on_what_is_not_private_and_is_public_for_no_other_hub() {
    let home = Home::open().await;
    let repo = home.repo("acme/m").await;
    let blob = polder_types::BlobId(home.db.next_id());
    home.db.publish_blob(blob, sha(1), 10, repo.id, None).await.unwrap();
    let is_public = async || home.db.public_blob(&sha(1)).await.unwrap().is_some();
    assert!(is_public().await);

    let gated = home.db.set_gate(repo.id, Some(Gate::Manual), None).await.unwrap();
    assert_eq!((gated.visibility, gated.gate), (Visibility::Gated, Some(Gate::Manual)));
    assert_eq!((gated.rewind_gen, gated.cache_epoch), (1, 1), "cached answers are void");
    assert_eq!(home.db.set_gate(repo.id, Some(Gate::Manual), None).await.unwrap(), gated);
    assert!(!is_public().await);

    // A private one keeps its gate, and is gated when it is shown again.
    let hidden = home.db.set_visibility(repo.id, Visibility::Private, None).await.unwrap();
    assert_eq!((hidden.visibility, hidden.gate), (Visibility::Private, Some(Gate::Manual)));
    let hidden = home.db.set_gate(repo.id, Some(Gate::Auto), None).await.unwrap();
    assert_eq!((hidden.visibility, hidden.gate), (Visibility::Private, Some(Gate::Auto)));
    let shown = home.db.set_visibility(repo.id, Visibility::Public, None).await.unwrap();
    assert_eq!((shown.visibility, shown.gate), (Visibility::Gated, Some(Gate::Auto)));
    assert!(!is_public().await);
    let open = home.db.set_gate(repo.id, None, None).await.unwrap();
    assert_eq!((open.visibility, open.gate), (Visibility::Public, None));
    assert!(is_public().await);
}

#[tokio::test]
async fn what_is_made_gated_was_never_public() {
    let home = Home::open().await;
    home.user("acme").await;
    let new = NewRepo { visibility: Visibility::Gated, ..new_repo("acme/m".parse().unwrap(), 1) };
    let repo = home.db.create_repo(new).await.unwrap();
    assert_eq!((repo.visibility, repo.gate), (Visibility::Gated, Some(Gate::Manual)));
    let blob = polder_types::BlobId(home.db.next_id());
    home.db.publish_blob(blob, sha(1), 10, repo.id, None).await.unwrap();
    assert!(home.db.public_blob(&sha(1)).await.unwrap().is_none());
    let open = home.db.set_gate(repo.id, None, None).await.unwrap();
    assert_eq!(open.visibility, Visibility::Public);
    assert!(home.db.public_blob(&sha(1)).await.unwrap().is_some());
}

#[tokio::test]
async fn a_request_waits_until_it_is_decided_and_may_be_decided_otherwise() {
    let mut home = Home::open().await;
    let repo = gated(&home, Gate::Manual).await;
    let (ann, bob) = (home.user("ann").await, home.user("bob").await);
    let first = home.db.ask_access(repo.id, ann, "{\"why\":\"x\"}".to_owned()).await.unwrap();
    assert_eq!((first.status, first.fields.as_str()), (AccessStatus::Pending, "{\"why\":\"x\"}"));
    home.db.ask_access(repo.id, bob, "{}".to_owned()).await.unwrap();
    assert_eq!(home.db.ask_access(repo.id, ann, "{}".to_owned()).await.unwrap(), first, "asked once");
    assert_eq!(listed(&home, repo.id, AccessStatus::Pending).await, ["ann", "bob"]);
    let rest = home.db.access_requests(repo.id, AccessStatus::Pending, Some(first.id), 10).await.unwrap();
    assert_eq!(rest.len(), 1);
    assert!(!home.db.has_access(repo.id, ann).await.unwrap());

    let decide = async |asked, status, reason: Option<&str>| {
        home.db.decide_access(repo.id, asked, status, reason.map(str::to_owned)).await
    };
    decide(Asked::Id(first.id), AccessStatus::Accepted, None).await.unwrap();
    assert!(home.db.has_access(repo.id, ann).await.unwrap());
    let again = decide(Asked::By(ann), AccessStatus::Accepted, None).await;
    assert!(matches!(again, Err(Error::Conflict { .. })), "{again:?}");
    let rejected = decide(Asked::By(ann), AccessStatus::Rejected, Some("no")).await.unwrap();
    assert_eq!(rejected.reason.as_deref(), Some("no"));
    assert!(!home.db.has_access(repo.id, ann).await.unwrap());
    let asked = home.db.ask_access(repo.id, ann, "{}".to_owned()).await.unwrap();
    assert_eq!(asked.status, AccessStatus::Rejected, "asking again changes nothing");
    let pending = decide(Asked::By(ann), AccessStatus::Pending, None).await.unwrap();
    assert_eq!((pending.status, pending.reason), (AccessStatus::Pending, None));

    // Requests are of one repository.
    let other = home.repo("acme/other").await;
    let elsewhere = home.db.decide_access(other.id, Asked::Id(first.id), AccessStatus::Accepted, None).await;
    assert!(matches!(elsewhere, Err(Error::NotFound { .. })), "{elsewhere:?}");
    let open = home.db.ask_access(other.id, ann, "{}".to_owned()).await;
    assert!(matches!(open, Err(Error::Conflict { .. })), "{open:?}");

    home.reopen().await;
    assert_eq!(listed(&home, repo.id, AccessStatus::Pending).await, ["ann", "bob"]);
    home.db.delete_repo(repo.id, None).await.unwrap();
    assert_eq!(home.number(NOBODY_ASKED).await, 0);
}

#[tokio::test]
async fn an_automatic_gate_opens_for_who_asks_but_not_for_who_was_rejected() {
    let home = Home::open().await;
    let repo = gated(&home, Gate::Auto).await;
    let (ann, bob) = (home.user("ann").await, home.user("bob").await);
    let asked = home.db.ask_access(repo.id, ann, "{}".to_owned()).await.unwrap();
    assert_eq!(asked.status, AccessStatus::Accepted);
    home.db.decide_access(repo.id, Asked::By(ann), AccessStatus::Rejected, None).await.unwrap();
    let asked = home.db.ask_access(repo.id, ann, "{}".to_owned()).await.unwrap();
    assert_eq!(asked.status, AccessStatus::Rejected);
    // Given without asking.
    home.db.grant_access(repo.id, bob).await.unwrap();
    assert!(home.db.has_access(repo.id, bob).await.unwrap());
    assert!(matches!(home.db.grant_access(repo.id, bob).await, Err(Error::Conflict { .. })));
    home.db.grant_access(repo.id, ann).await.unwrap();
    assert_eq!(listed(&home, repo.id, AccessStatus::Accepted).await, ["ann", "bob"]);
}
