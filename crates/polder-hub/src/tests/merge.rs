use polder_types::{ObjectId, Role};

use super::content::change;
use super::*;

/// Commits to a branch; a new one starts where `main` is.
async fn commit(hub: &Hub, grant: &Grant<Write>, branch: &str, files: Vec<Change>) -> ObjectId {
    if branch != "main" {
        let made = hub.create_branch(grant, branch, "main").await;
        made.or_else(|error| if error.error().kind() == Kind::Conflict { Ok(()) } else { Err(error) })
            .expect("a branch");
    }
    let request = CommitRequest { branch: branch.to_owned(), ..change("change", files) };
    hub.commit(grant, request).await.expect("committed")
}

async fn tip(hub: &Hub, grant: &Grant<Write>) -> ObjectId {
    hub.resolve_revision(&grant.as_read(), "main").await.expect("a branch")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_goes_on_to_what_continues_it_and_to_a_commit_of_both_otherwise() {
    let fixture = fixture().await;
    let (hub, grant) = (&fixture.hub, fixture.writer("acme/open").await);
    let read = grant.as_read();
    let first = commit(hub, &grant, "main", vec![write("a", "1\n2\n3\n4\n5\n"), write("b", "1")]).await;
    let ahead = commit(hub, &grant, "ahead", vec![write("c", "new")]).await;
    let aside = commit(hub, &grant, "aside", vec![write("a", "1\n2\n3\n4\nfive\n")]).await;
    assert_eq!(hub.merge(&grant, first, "main", "m").await.expect("merged"), Merged::UpToDate);
    assert_eq!(hub.merge_conflicts(&read, ahead, first).await.expect("looked"), [""; 0]);
    assert_eq!(hub.merge(&grant, ahead, "main", "m").await.expect("merged"), Merged::FastForward(ahead));
    assert_eq!(tip(hub, &grant).await, ahead);

    let ours = commit(hub, &grant, "main", vec![write("a", "one\n2\n3\n4\n5\n")]).await;
    assert_eq!(hub.merge_base(&read, ours, aside).await.expect("walked"), Some(first));
    assert_eq!(hub.merge_conflicts(&read, aside, ours).await.expect("looked"), [""; 0]);
    let Merged::Merged(merged) = hub.merge(&grant, aside, "main", "Both\n\nof them").await.expect("merged")
    else {
        panic!("a commit of both")
    };
    assert_eq!(tip(hub, &grant).await, merged);
    let info = hub.commit_info(&read, merged).await.expect("read");
    assert_eq!((info.parents.as_slice(), info.title()), ([ours, aside].as_slice(), "Both"));
    let file = hub.open_file(&read, "main", "a").await.expect("a file");
    assert!(matches!(file.content, FileContent::Git(bytes) if bytes == "one\n2\n3\n4\nfive\n"));
    assert_eq!(hub.merge(&grant, aside, "main", "m").await.expect("merged"), Merged::UpToDate);
}

#[tokio::test(flavor = "multi_thread")]
async fn conflicts_are_named_and_change_nothing() {
    let fixture = fixture().await;
    let (hub, grant) = (&fixture.hub, fixture.writer("acme/open").await);
    let files = ["d/z", "a", "é"];
    let with = |content: &str| files.map(|path| write(path, content)).to_vec();
    commit(hub, &grant, "main", with("1\n")).await;
    let theirs = commit(hub, &grant, "aside", with("2\n")).await;
    let ours = commit(hub, &grant, "main", with("3\n")).await;
    let conflicts = ["a", "d/z", "é"].map(str::to_owned).to_vec();
    assert_eq!(hub.merge_conflicts(&grant.as_read(), theirs, ours).await.expect("looked"), conflicts);
    assert_eq!(hub.merge(&grant, theirs, "main", "m").await.expect("tried"), Merged::Conflicts(conflicts));
    assert_eq!(tip(hub, &grant).await, ours);
    for (source, branch, kind) in [
        (theirs, "none", Kind::NotFound),
        (theirs, "a..b", Kind::Invalid),
        (ObjectId::ZERO, "main", Kind::NotFound),
    ] {
        let refused = hub.merge(&grant, source, branch, "m").await.expect_err("refused");
        assert_eq!(refused.kind(), kind, "{branch}: {refused}");
    }
    hub.squash(&grant, "aside", "apart").await.expect("squashed");
    let apart = hub.resolve_revision(&grant.as_read(), "aside").await.expect("a branch");
    assert_eq!(hub.merge(&grant, apart, "main", "m").await.expect_err("unrelated").kind(), Kind::Invalid);
    assert_eq!(hub.merge_base(&grant.as_read(), apart, ours).await.expect("walked"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_protected_branch_refuses_a_merge_as_it_refuses_a_push() {
    let fixture = fixture().await;
    let hub = &fixture.hub;
    let at = repo("acme/open");
    hub.set_member(&name("acme"), &name("bob"), Role::Write).await.expect("set");
    let alice = fixture.writer("acme/open").await;
    let bob = hub.write(&fixture.login(token("bob")).await, &at).await.expect("may write");
    commit(hub, &alice, "main", vec![write("a", "1")]).await;
    let ahead = commit(hub, &alice, "ahead", vec![write("a", "2")]).await;
    let rule = ProtectionRule {
        pattern: "main".to_owned(),
        allow_force: false,
        allow_delete: false,
        push_role: Some(Role::Admin),
        push_accounts: Vec::new(),
    };
    hub.protect(&at, rule).await.expect("protected");
    let refused = hub.merge(&bob, ahead, "main", "m").await.expect_err("a writer is no admin");
    assert_eq!(refused.kind(), Kind::Forbidden);
    assert_eq!(hub.merge(&alice, ahead, "main", "m").await.expect("merged"), Merged::FastForward(ahead));
}

#[tokio::test(flavor = "multi_thread")]
async fn merges_and_commits_at_once_are_all_kept() {
    let fixture = fixture().await;
    let (hub, grant) = (&fixture.hub, fixture.writer("acme/open").await);
    commit(hub, &grant, "main", vec![write("a", "1")]).await;
    let mut tasks = Vec::new();
    for number in 0..4 {
        let file = format!("file-{number}");
        let source = commit(hub, &grant, &file, vec![write(&file, "x")]).await;
        let (merging, committing) = ((hub.clone(), grant.clone()), (hub.clone(), grant.clone()));
        tasks.push(tokio::spawn(
            async move { merging.0.merge(&merging.1, source, "main", "m").await.map(drop) },
        ));
        tasks.push(tokio::spawn(async move {
            let request = change("meanwhile", vec![write(&format!("other-{number}"), "x")]);
            committing.0.commit(&committing.1, request).await.map(drop)
        }));
    }
    for task in tasks {
        task.await.expect("joined").expect("merged or committed");
    }
    let head = tip(hub, &grant).await;
    let page = hub.list_tree(&grant.as_read(), head, "", false, None, 100).await.expect("a tree");
    assert_eq!(page.entries.len(), 9);
}
