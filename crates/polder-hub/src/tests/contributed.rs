//! What those who may not write bring with their pull requests.

use polder_types::Sha256;
use sha2::Digest as _;

use super::content::change;
use super::*;

const MAX: i64 = 3 << 20;

async fn hub_with_a_limit() -> Fixture {
    let dir = tempfile::tempdir().expect("tempdir");
    let millis = Arc::new(AtomicI64::new(START));
    let mut options = options_in(dir.path(), Clock::Manual(Arc::clone(&millis)));
    options.limits.contributed_bytes_max = Some(MAX);
    let hub = Hub::open(options).await.expect("opens");
    fill(&hub).await;
    Fixture { hub, millis, _dir: dir }
}

async fn stranger(fixture: &Fixture, to: Contribution) -> Grant<Contribute> {
    let carol = fixture.login(token("carol")).await;
    fixture.hub.contribute(&carol, &repo("acme/open"), to).await.expect("may propose")
}

fn object(bytes: &[u8]) -> LfsObject {
    let oid = Sha256::new(sha2::Sha256::digest(bytes).into());
    LfsObject { oid, size_bytes: u64::try_from(bytes.len()).expect("small") }
}

fn query(path: &str) -> String {
    path.split_once('?').expect("a query").1.to_owned()
}

async fn offer(hub: &Hub, grant: &Grant<Contribute>, bytes: &[u8], how: LfsTransfer) -> LfsAnswer {
    hub.lfs_batch_upload(grant, &[object(bytes)], how).await.expect("answered").remove(0)
}

/// Takes an object by a link that was given before.
async fn send(hub: &Hub, link: &LfsAnswer, bytes: &[u8]) -> Result<()> {
    let link = query(&link.action.as_ref().expect("a link").path_and_query);
    hub.lfs_upload(&repo("acme/open"), object(bytes).oid, &link, None, body(&[bytes])).await
}

async fn brought(hub: &Hub, grant: &Grant<Contribute>) -> i64 {
    hub.db.contributed(grant.repo_id(), grant.actor().expect("an account")).await.expect("read").bytes
}

fn told<T: std::fmt::Debug>(refused: Result<T>) -> String {
    let error = refused.expect_err("too much");
    assert_eq!(error.kind(), Kind::OverQuota, "{error}");
    error.message().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn large_objects_of_strangers_are_bounded_however_they_come_and_those_of_writers_are_not() {
    let fixture = hub_with_a_limit().await;
    let (hub, alice) = (&fixture.hub, fixture.writer("acme/open").await.as_contributor());
    let carol = stranger(&fixture, Contribution::NewPull).await;
    let (one, two, large) = (vec![1; 2 << 20], vec![2; 2 << 20], vec![3; 4 << 20]);
    let refused = offer(hub, &carol, &large, LfsTransfer::Basic).await;
    assert_eq!(refused.error.as_ref().map(|(status, _)| *status), Some(507), "{refused:?}");
    assert!(refused.error.expect("told").1.contains("`acme`"));
    // Two links that fit one by one do not both.
    let first = offer(hub, &carol, &one, LfsTransfer::Basic).await;
    let second = offer(hub, &carol, &two, LfsTransfer::Multipart).await;
    send(hub, &first, &one).await.expect("there is room");
    let part = query(&second.parts.expect("parts").paths_and_queries[0]);
    let (oid, bytes) = (object(&two).oid, &two[..1 << 20]);
    let part = hub.lfs_upload_part(&repo("acme/open"), oid, 1, &part, 1 << 20, body(&[bytes])).await;
    assert!(told(part).contains("until a pull request of yours is merged"));
    assert_eq!(brought(hub, &carol).await, 2 << 20);
    // Who may write brings it, and what is there is given again for nothing.
    for bytes in [&large, &two] {
        let link = offer(hub, &alice, bytes, LfsTransfer::Basic).await;
        send(hub, &link, bytes).await.expect("stored");
    }
    assert_eq!(offer(hub, &carol, &large, LfsTransfer::Basic).await.error, None);
    assert_eq!((brought(hub, &carol).await, brought(hub, &alice).await), (2 << 20, 0));
    // She may write now: the same token is bounded no more.
    hub.set_member(&name("acme"), &name("carol"), Role::Write).await.expect("set");
    let (carol, more) = (fixture.login(token("carol")).await, vec![4; 2 << 20]);
    let carol = hub.write(&carol, &repo("acme/open")).await.expect("may write").as_contributor();
    let link = offer(hub, &carol, &more, LfsTransfer::Basic).await;
    send(hub, &link, &more).await.expect("stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_of_strangers_are_bounded_until_one_is_merged() {
    let fixture = hub_with_a_limit().await;
    let (hub, alice) = (&fixture.hub, fixture.writer("acme/open").await);
    let on = |branch: &str, path: &str, seed| {
        let noise = super::transfer::sources::noise(seed, 1_600_000);
        let text: String = noise.iter().map(|byte| char::from(b'!' + byte % 64)).collect();
        CommitRequest { branch: branch.to_owned(), ..change("change", vec![write(path, &text)]) }
    };
    hub.commit(&alice, change("first", vec![write("README.md", "x")])).await.expect("committed");
    let carol = stranger(&fixture, Contribution::NewPull).await;
    let num = hub.open_pull(&carol, "Carol's", "text").await.expect("opened");
    let carol = stranger(&fixture, Contribution::Pull(num)).await;
    hub.commit(&carol, on("refs/pr/1", "a", 1)).await.expect("there is room");
    hub.commit(&carol, on("refs/pr/1", "b", 2)).await.expect("there is room");
    let before = hub.resolve_revision(&carol.as_read(), "refs/pr/1").await.expect("a ref");
    let refused = hub.commit(&carol, on("refs/pr/1", "c", 3)).await;
    assert!(told(refused).contains("until a pull request of yours is merged"));
    assert_eq!(hub.resolve_revision(&carol.as_read(), "refs/pr/1").await.expect("a ref"), before);
    hub.merge_pull(&alice, num, None).await.expect("merged");
    assert_eq!(brought(hub, &carol).await, 0);
    let carol = stranger(&fixture, Contribution::NewPull).await;
    let num = hub.open_pull(&carol, "Carol's next", "text").await.expect("opened");
    let carol = stranger(&fixture, Contribution::Pull(num)).await;
    hub.commit(&carol, on(&format!("refs/pr/{num}"), "c", 3)).await.expect("there is room again");
}
