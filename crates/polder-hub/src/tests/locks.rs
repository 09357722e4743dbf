use super::*;

fn change(path: &str, content: &str) -> CommitRequest {
    CommitRequest {
        branch: "main".to_owned(),
        parent: None,
        changes: vec![write(path, content)],
        author: signature(),
        message: "Change".to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_through_the_api_obeys_the_locks_of_others() {
    let fixture = fixture().await;
    let alice = fixture.writer("acme/open").await;
    fixture.hub.set_member(&name("acme"), &name("carol"), Role::Write).await.expect("set");
    let carol = fixture.login(token("carol")).await;
    let carol = fixture.hub.write(&carol, &repo("acme/open")).await.expect("may write");
    fixture.hub.commit(&alice, change("weights.bin", "1")).await.expect("committed");
    let locked = fixture.hub.lock_file(&alice, "weights.bin".to_owned(), None).await.expect("locked");
    let Locked::New(lock) = locked else { panic!("{locked:?}") };

    let refused = fixture.hub.commit(&carol, change("weights.bin", "2")).await.expect_err("locked");
    assert_eq!(refused.kind(), Kind::Invalid);
    assert!(refused.message().contains("`weights.bin` is locked by alice"), "{refused}");
    fixture.hub.commit(&carol, change("README.md", "words")).await.expect("not locked");
    fixture.hub.commit(&alice, change("weights.bin", "3")).await.expect("her own lock");
    fixture.hub.unlock_file(&alice, &lock.id.to_string(), false).await.expect("unlocked");
    fixture.hub.commit(&carol, change("weights.bin", "4")).await.expect("free again");
}
