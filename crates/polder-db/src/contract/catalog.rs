use polder_types::{ObjectId, RepoId, RepoKind, Role, UnixMillis, Visibility};

use super::{Home, oid, push_of, update};
use crate::tx::Verdict;
use crate::value::args;
use crate::{Activity, CatalogOrder, CatalogQuery, CatalogTag, Liked, NewCatalogEntry, PushOutcome, Reader};

fn all() -> CatalogQuery {
    CatalogQuery {
        kind: RepoKind::Model,
        sees_all: false,
        account: None,
        author: None,
        texts: Vec::new(),
        tags: Vec::new(),
        linked: false,
        parameters: (None, None),
        gated: None,
        order: CatalogOrder::Changed,
        ascending: false,
        since_day: 0,
        after: None,
        limit: 10,
    }
}

/// `type=tag`, or a tag of the type `other`.
fn tag(text: &str) -> CatalogTag {
    let (kind, tag) = text.split_once('=').unwrap_or(("other", text));
    CatalogTag { tag: tag.to_owned(), kind: kind.to_owned() }
}

fn described(commit: u8, tags: &[&str], parameters: Option<i64>) -> NewCatalogEntry {
    NewCatalogEntry {
        commit: oid(commit),
        changed: UnixMillis(super::NOW + i64::from(commit)),
        parameters,
        tags: tags.iter().map(|text| tag(text)).collect(),
        facts: format!("{{\"n\":{commit}}}"),
    }
}

async fn names(home: &Home, query: &CatalogQuery) -> Vec<String> {
    let found = home.db.search_catalog(query).await.unwrap();
    found.into_iter().map(|found| found.repo.name.to_string()).collect()
}

async fn entry(home: &Home, repo: RepoId) -> (Option<ObjectId>, String) {
    let entry = home.db.catalog_entry(repo).await.unwrap().unwrap();
    (entry.commit, entry.facts)
}

#[tokio::test]
async fn an_entry_changes_with_the_push_that_moves_the_default_branch() {
    let home = Home::open().await;
    let repo = home.repo("acme/m").await;
    assert_eq!(entry(&home, repo.id).await, (None, "{}".to_owned()));
    let mut push = push_of(&repo, vec![update("refs/heads/main", 0, 1), update("refs/heads/dev", 0, 2)]);
    push.catalog = Some(described(1, &["a", "b"], None));
    assert!(matches!(home.push(push.clone()).await, PushOutcome::Done { changed: true, .. }));
    assert_eq!(entry(&home, repo.id).await, (Some(oid(1)), "{\"n\":1}".to_owned()));
    // A push that is refused, and one of another branch, leave it.
    push.updates = vec![update("refs/heads/main", 9, 3)];
    push.catalog = Some(described(3, &["c"], None));
    home.push(push.clone()).await;
    push.updates = vec![update("refs/heads/dev", 2, 3)];
    home.push(push).await;
    assert_eq!(entry(&home, repo.id).await.0, Some(oid(1)));
    assert_eq!(home.number("SELECT COUNT(*) FROM catalog_tag").await, 2);
    assert_eq!(home.db.stale_catalog(None, 10).await.unwrap(), []);

    // What no push described is found, and described only while it is the tip.
    home.push(push_of(&repo, vec![update("refs/heads/main", 1, 4)])).await;
    assert_eq!(home.db.stale_catalog(None, 10).await.unwrap(), [(repo.id, oid(4))]);
    assert!(!home.db.describe_repo(repo.id, described(5, &[], None)).await.unwrap());
    assert!(home.db.describe_repo(repo.id, described(4, &["d"], None)).await.unwrap());
    assert_eq!(home.db.stale_catalog(None, 10).await.unwrap(), []);
    // So is what an older build read, which may know less of the same files.
    home.db
        .write(|tx| {
            Box::pin(async move {
                tx.execute("UPDATE catalog SET reading = reading - 1", args![]).await?;
                Ok(Verdict::Keep(()))
            })
        })
        .await
        .unwrap();
    assert_eq!(home.db.stale_catalog(None, 10).await.unwrap(), [(repo.id, oid(4))]);
    assert!(home.db.describe_repo(repo.id, described(4, &["e"], None)).await.unwrap());
    assert_eq!(home.db.stale_catalog(None, 10).await.unwrap(), []);
    home.db.delete_repo(repo.id, None).await.unwrap();
    assert_eq!(home.db.catalog_entry(repo.id).await.unwrap(), None);
    assert_eq!(home.number("SELECT COUNT(*) FROM catalog_tag").await, 0);
}

async fn tagged(home: &Home, name: &str, n: u8, tags: &[&str], parameters: Option<i64>) -> RepoId {
    home.pass_seconds(1);
    let repo = home.repo(name).await;
    let mut push = push_of(&repo, vec![update("refs/heads/main", 0, n)]);
    push.catalog = Some(described(n, tags, parameters));
    home.push(push).await;
    repo.id
}

/// The names of what is found, page by page.
async fn one_by_one(home: &Home, query: &CatalogQuery) -> Vec<String> {
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = CatalogQuery { after, limit: 1, ..query.clone() };
        let page = home.db.search_catalog(&page).await.unwrap();
        let Some(last) = page.last() else { return seen };
        after = Some(last.place);
        seen.push(last.repo.name.to_string());
    }
}

#[tokio::test]
async fn a_search_finds_what_fits_in_its_order_and_in_pages() {
    use CatalogOrder::{Changed, Created, Downloads, Likes, Trend};
    let home = Home::open().await;
    let first = tagged(
        &home,
        "acme/Bert-base",
        9,
        &["library=bert", "en", "license=license:mit", "app=app:x"],
        Some(100),
    )
    .await;
    tagged(&home, "acme/gpt_2", 5, &["gpt", "en"], Some(1_000)).await;
    tagged(&home, "other/bert", 7, &["bert"], None).await;
    tagged(&home, "datasets/acme/d", 8, &["dataset=dataset:x/y", "en"], None).await;
    assert_eq!(names(&home, &all()).await, ["acme/Bert-base", "other/bert", "acme/gpt_2"]);
    let created = CatalogQuery { order: CatalogOrder::Created, ..all() };
    assert_eq!(names(&home, &created).await, ["other/bert", "acme/gpt_2", "acme/Bert-base"]);
    home.db.set_like(first, home.user("ann").await, true).await.unwrap();
    let liked = CatalogQuery { order: CatalogOrder::Likes, limit: 2, ..all() };
    assert_eq!(names(&home, &liked).await, ["acme/Bert-base", "other/bert"]);
    let counted = |times, day| crate::Downloads { repo: first, day, times };
    home.db.add_downloads(vec![counted(5, 10), counted(1, 20)]).await.unwrap();
    let downloaded = CatalogQuery { order: CatalogOrder::Downloads, ..all() };
    assert_eq!(names(&home, &downloaded).await[0], "acme/Bert-base");
    let lately = CatalogQuery { since_day: 21, ..downloaded };
    assert_eq!(names(&home, &lately).await[0], "other/bert", "by age among equals");
    let today = home.now().0.div_euclid(24 * 3600 * 1000);
    for (days, expected) in [((20, today), (1, 1)), ((21, today + 1), (0, 0)), ((0, 20), (6, 2))] {
        let (downloads, trend) = expected;
        let activity = home.db.activity(first, days.0, days.1).await.unwrap();
        assert_eq!(activity, Activity { downloads, downloads_ever: 6, trend }, "{days:?}");
    }
    let trending = CatalogQuery { order: CatalogOrder::Trend, since_day: today, limit: 1, ..all() };
    assert_eq!(names(&home, &trending).await, ["acme/Bert-base"], "one likes it");
    let tags = home.db.public_tags(RepoKind::Model, 100).await.unwrap();
    let expected = ["en", "library=bert", "bert", "gpt", "license=license:mit"].map(tag);
    assert_eq!(tags, expected, "the most frequent first, and none that is only looked for");
    assert_eq!(home.db.public_tags(RepoKind::Space, 100).await.unwrap(), []);
    let text = |text: &str| Some(text.to_owned());
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    for (query, expected) in [
        (CatalogQuery { author: text("acme"), ..all() }, vec!["acme/Bert-base", "acme/gpt_2"]),
        (CatalogQuery { texts: texts(&["bert"]), ..all() }, vec!["acme/Bert-base", "other/bert"]),
        (CatalogQuery { texts: texts(&["bert", "er/b"]), ..all() }, vec!["other/bert"]),
        (CatalogQuery { texts: texts(&["t_2"]), ..all() }, vec!["acme/gpt_2"]),
        (CatalogQuery { texts: texts(&["e_t"]), ..all() }, vec![]),
        (CatalogQuery { tags: vec!["bert".to_owned(), "en".to_owned()], ..all() }, vec!["acme/Bert-base"]),
        (CatalogQuery { tags: vec!["never".to_owned()], ..all() }, vec![]),
        (CatalogQuery { parameters: (Some(500), None), ..all() }, vec!["acme/gpt_2"]),
        (CatalogQuery { parameters: (None, Some(500)), ..all() }, vec!["acme/Bert-base"]),
        (CatalogQuery { tags: texts(&["app:x"]), ..all() }, vec!["acme/Bert-base"]),
        (CatalogQuery { linked: true, ..all() }, vec![]),
        (CatalogQuery { kind: RepoKind::Dataset, linked: true, ..all() }, vec!["datasets/acme/d"]),
        (CatalogQuery { kind: RepoKind::Dataset, ..all() }, vec!["datasets/acme/d"]),
    ] {
        assert_eq!(names(&home, &query).await, expected, "{query:?}");
    }
    for order in [Changed, Created, Likes, Downloads, Trend] {
        let mut found = Vec::new();
        for ascending in [false, true] {
            let query = CatalogQuery { order, ascending, ..all() };
            let seen = one_by_one(&home, &query).await;
            assert_eq!(seen, names(&home, &query).await);
            found.push(seen);
        }
        found[1].reverse();
        assert_eq!(found[0], found[1], "{order:?}");
    }
}

#[tokio::test]
async fn a_private_repository_is_found_by_its_own_only() {
    let home = Home::open().await;
    let ann = home.user("ann").await;
    let bob = home.user("bob").await;
    home.db.add_org(&"acme".parse().unwrap(), ann).await.unwrap();
    for (name, n) in [("acme/hidden", 1), ("ann/own", 2)] {
        let id = tagged(&home, name, n, &[], None).await;
        home.db.set_visibility(id, Visibility::Private, None).await.unwrap();
    }
    let seen = |account| CatalogQuery { account, ..all() };
    assert_eq!(names(&home, &seen(None)).await, [""; 0]);
    assert_eq!(names(&home, &seen(Some(bob))).await, [""; 0]);
    assert_eq!(names(&home, &seen(Some(ann))).await, ["ann/own", "acme/hidden"]);
    let acme = home.db.find_account("acme").await.unwrap().unwrap().id;
    home.db.set_member(acme, bob, Role::Read).await.unwrap();
    assert_eq!(names(&home, &seen(Some(bob))).await, ["acme/hidden"]);
    assert_eq!(names(&home, &CatalogQuery { sees_all: true, ..all() }).await.len(), 2);
}

#[tokio::test]
async fn a_like_counts_once() {
    let home = Home::open().await;
    let (ann, bob) = (home.user("ann").await, home.user("bob").await);
    let repo = home.repo("acme/m").await.id;
    for (account, likes, expected) in
        [(ann, true, 1), (ann, true, 1), (bob, true, 2), (ann, false, 1), (ann, false, 1)]
    {
        home.db.set_like(repo, account, likes).await.unwrap();
        assert_eq!(home.db.catalog_entry(repo).await.unwrap().unwrap().likes, expected);
    }
    let likers = home.db.likers(repo, Liked::FIRST, 10).await.unwrap();
    assert_eq!(likers, [("bob".to_owned(), Liked { since: home.now(), id: bob.0 })]);
    let liked = home.db.liked_by(bob, Reader::default(), Liked::FIRST, 10).await.unwrap();
    assert_eq!(liked, [(repo, Liked { since: home.now(), id: repo.0 })]);
    assert_eq!(home.db.liked_by(ann, Reader::default(), Liked::FIRST, 10).await.unwrap(), []);
    home.db.set_visibility(repo, Visibility::Private, None).await.unwrap();
    let owner = home.db.find_account("acme").await.unwrap().unwrap().id;
    for (account, sees_all, is_seen) in
        [(None, false, false), (Some(ann), false, false), (Some(owner), false, true), (Some(ann), true, true)]
    {
        let reader = Reader { account, sees_all };
        let liked = home.db.liked_by(bob, reader, Liked::FIRST, 10).await.unwrap();
        assert_eq!(!liked.is_empty(), is_seen, "{reader:?}");
    }
}

#[tokio::test]
async fn likes_come_page_by_page_and_none_twice() {
    let home = Home::open().await;
    let ann = home.user("ann").await;
    let (mut users, mut repos) = (Vec::new(), Vec::new());
    for n in 0..5 {
        users.push(home.user(&format!("user{n}")).await);
        repos.push(home.repo(&format!("acme/m{n}")).await.id);
        if n == 3 {
            home.pass_seconds(1);
        }
        home.db.set_like(repos[0], users[n], true).await.unwrap();
        home.db.set_like(repos[n], ann, true).await.unwrap();
    }
    let (mut likers, mut liked) = (Vec::new(), Vec::new());
    let (mut at, mut of_ann) = (Liked::FIRST, Liked::FIRST);
    for _ in 0..4 {
        let page = home.db.likers(repos[0], at, 2).await.unwrap();
        at = page.last().map_or(at, |(_, last)| *last);
        likers.extend(page.into_iter().map(|(_, liked)| liked.id));
        let page = home.db.liked_by(ann, Reader::default(), of_ann, 2).await.unwrap();
        of_ann = page.last().map_or(of_ann, |(_, last)| *last);
        liked.extend(page.into_iter().map(|(repo, _)| repo));
    }
    // Ann likes the first, too.
    let mut all: Vec<i64> = users.iter().map(|user| user.0).chain([ann.0]).collect();
    assert_eq!(likers[..2], [users[4].0, users[3].0], "the latest first");
    likers.sort_unstable();
    all.sort_unstable();
    assert_eq!(likers, all);
    assert_eq!(liked[..2], [repos[4], repos[3]]);
    liked.sort_unstable();
    assert_eq!(liked, repos);
}
