use super::*;

pub(super) fn change(message: &str, changes: Vec<Change>) -> CommitRequest {
    CommitRequest {
        branch: "main".to_owned(),
        parent: None,
        changes,
        author: signature(),
        message: message.to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_can_be_read_back_by_branch_and_by_id() {
    let fixture = fixture().await;
    let grant = fixture.writer("acme/open").await;
    let files = vec![write("README.md", "# Open\n"), write("数据/a b.txt", "one")];
    let first = fixture.hub.commit(&grant, change("begin", files)).await.expect("committed");
    let read = grant.as_read();
    assert_eq!(fixture.hub.resolve_revision(&read, "main").await.expect("a branch"), first);
    let file = fixture.hub.open_file(&read, &first.to_string(), "数据/a b.txt").await.expect("a file");
    assert!(matches!(file.content, FileContent::Git(bytes) if bytes == "one"));
    let page = fixture.hub.list_tree(&read, first, "", true, None, 10).await.expect("a tree");
    let paths: Vec<&str> = page.entries.iter().map(|entry| entry.path.as_str()).collect();
    assert_eq!(paths, ["README.md", "数据", "数据/a b.txt"]);
    let missing = fixture.hub.open_file(&read, "main", "none").await;
    assert!(matches!(missing, Err(OpenError::Entry { commit_id, .. }) if commit_id == first));
    assert!(matches!(fixture.hub.open_file(&read, "no", "README.md").await, Err(OpenError::Revision(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_without_a_parent_are_all_kept_and_a_stale_parent_is_a_conflict() {
    let fixture = fixture().await;
    let grant = fixture.writer("acme/open").await;
    let first = fixture.hub.commit(&grant, change("begin", vec![write("a", "1")])).await.expect("committed");
    let mut tasks = Vec::new();
    for index in 0..8 {
        let (hub, grant) = (fixture.hub.clone(), grant.clone());
        let request = change("parallel", vec![write(&format!("file-{index}"), "x")]);
        tasks.push(tokio::spawn(async move { hub.commit(&grant, request).await }));
    }
    for task in tasks {
        task.await.expect("joined").expect("committed");
    }
    let read = grant.as_read();
    let head = fixture.hub.resolve_revision(&read, "main").await.expect("head");
    let page = fixture.hub.list_tree(&read, head, "", false, None, 100).await.expect("a tree");
    assert_eq!(page.entries.len(), 9);
    let stale = CommitRequest { parent: Some(first), ..change("stale", vec![write("b", "2")]) };
    assert_eq!(fixture.hub.commit(&grant, stale).await.expect_err("stale").kind(), Kind::Conflict);
    let events = fixture.hub.db.list_events(0, 100).await.expect("events");
    let pushes = events.iter().filter(|event| event.kind == "repo.refs").count();
    assert_eq!(pushes, 9, "each commit leaves its fact");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_finds_nothing_wrong_with_what_was_committed_and_names_what_is_lost() {
    let fixture = fixture().await;
    let grant = fixture.writer("acme/open").await;
    fixture.hub.commit(&grant, change("begin", vec![write("a", "1")])).await.expect("committed");
    let silent: Progress = Arc::new(|_| {});
    for deep in [false, true] {
        let report = fixture.hub.fsck(FsckOptions { deep }, Arc::clone(&silent)).await.expect("checked");
        assert_eq!((report.repos, report.packs, report.objects), (2, 1, 3));
        assert_eq!(report.problems, Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_leaves_a_directory_that_it_did_not_make_as_it_is() {
    let fixture = fixture().await;
    large_objects::put(&fixture, "acme/open", b"weights").await;
    let dir = tempfile::tempdir().expect("tempdir");
    std::fs::write(dir.path().join("keep"), "mine").expect("written");
    let silent: Progress = Arc::new(|_| {});
    let refused = fixture.hub.export(&repo("acme/open"), dir.path(), silent).await;
    assert_eq!(refused.expect_err("refused").kind(), Kind::Invalid);
    let names: Vec<_> =
        std::fs::read_dir(dir.path()).expect("listed").map(|e| e.expect("entry").file_name()).collect();
    assert_eq!(names, ["keep"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_old_commit_says_is_read_once() {
    let fixture = fixture().await;
    let grant = fixture.writer("acme/open").await;
    let card = |tag: &str| vec![write("README.md", &format!("---\ntags: [{tag}]\n---\n"))];
    let old = fixture.hub.commit(&grant, change("begin", card("old"))).await.expect("committed");
    let tip = fixture.hub.commit(&grant, change("go on", card("new"))).await.expect("committed");
    let (hub, read) = (&fixture.hub, grant.as_read());
    for _time in 0..2 {
        assert_eq!(hub.facts(&read, tip).await.expect("the tip").0.tags, ["new"]);
        assert_eq!(hub.facts(&read, old).await.expect("the other").0.tags, ["old"]);
    }
    let kept = |commit_id| hub.figures.facts.get(&(read.repo_id(), commit_id));
    assert!(kept(tip).is_none(), "the catalogue has the tip");
    let json = kept(old).expect("kept").replace("\"old\"", "\"kept\"");
    hub.figures.facts.insert((read.repo_id(), old), json.into());
    assert_eq!(hub.facts(&read, old).await.expect("the other").0.tags, ["kept"], "files are not read again");
}
