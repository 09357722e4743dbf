use super::content::change;
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
