use super::content::change;
use polder_types::ObjectId;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_shows_the_last_commit_of_each_entry_also_after_pushes() {
    let fixture = fixture().await;
    let (hub, grant) = (&fixture.hub, fixture.writer("acme/open").await);
    let files = vec![write("a", "1"), write("d/x", "1"), write("d/y", "1")];
    let first = hub.commit(&grant, change("begin", files)).await.expect("committed");
    let second = hub.commit(&grant, change("x again", vec![write("d/x", "2")])).await.expect("committed");
    let paths: Vec<String> = ["a", "d", "d/x", "d/y"].map(str::to_owned).to_vec();
    let read = grant.as_read();
    let titles = async |commit_id| {
        let found = hub.last_commits(&read, commit_id, paths.clone()).await.expect("walked");
        found.into_iter().map(|info| info.expect("known").title().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(titles(second).await, ["begin", "x again", "x again", "begin"]);
    assert_eq!(titles(first).await, ["begin"; 4]);
    let mut tip = second;
    // More commits than answers are held for one folder.
    for round in 0..6 {
        let message = format!("round {round}");
        let changes = vec![write("d/y", &message)];
        tip = hub.commit(&grant, change(&message, changes)).await.expect("committed");
        assert_eq!(titles(tip).await, ["begin", message.as_str(), "x again", message.as_str()]);
        assert_eq!(titles(second).await, ["begin", "x again", "x again", "begin"]);
    }
    let page = hub.path_commits(&read, tip, "d/x", 0, 10).await.expect("walked");
    assert_eq!((page.commit_ids, page.has_more), (vec![second, first], false));
    let page = hub.path_commits(&read, tip, "d", 1, 3).await.expect("walked");
    assert!(page.has_more && page.commit_ids.len() == 3);
    let missing = hub.last_commits(&read, tip, vec!["none/x".to_owned()]).await;
    assert_eq!(missing.expect_err("no such folder").kind(), Kind::NotFound);
    let gone = hub.last_commits(&read, tip, vec!["gone".to_owned()]).await.expect("the folder is there");
    assert_eq!(gone, [None]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_commits_are_compared_with_sizes_and_as_text() {
    let fixture = fixture().await;
    let (hub, grant) = (&fixture.hub, fixture.writer("acme/open").await);
    let first = hub.commit(&grant, change("begin", vec![write("a", "1\n"), write("b", "same\n")])).await;
    let first = first.expect("committed");
    let moved = vec![write("a", "1\n2\n"), Change::Delete { path: "b".to_owned() }, write("d/b", "same\n")];
    let second = hub.commit(&grant, change("change", moved)).await.expect("committed");
    let read = grant.as_read();
    let compared = hub.compare(&read, Some(first), second, 0, 10).await.expect("compared");
    let sizes =
        |entry: &Option<TreeEntry>| entry.as_ref().map(|entry| (entry.path.clone(), entry.size_bytes));
    let shown: Vec<_> = compared.changes.iter().map(|c| (sizes(&c.old), sizes(&c.new))).collect();
    let file = |path: &str, size: u64| Some((path.to_owned(), Some(size)));
    assert_eq!(shown, [(file("a", 2), file("a", 4)), (file("b", 5), file("d/b", 5))]);
    let page = hub.compare(&read, Some(first), second, 1, 1).await.expect("compared");
    assert_eq!((page.total, page.changes.as_slice()), (2, &compared.changes[1..]));
    let text = hub.unified_diff(&read, Some(first), second).await.expect("compared").text;
    assert!(
        text.contains("@@ -1 +1,2 @@\n 1\n+2\n") && text.contains("rename from b\nrename to d/b\n"),
        "{text}"
    );
    assert_eq!(hub.compare(&read, None, first, 0, 10).await.expect("compared").total, 2);
    let unknown = hub.compare(&read, Some(ObjectId::ZERO), first, 0, 10).await;
    assert_eq!(unknown.expect_err("no such commit").kind(), Kind::NotFound);
}
