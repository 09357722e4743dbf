use polder_types::AccountId;

use super::Home;
use crate::{COLLECTION_ITEMS_MAX, Collected, Collection, CollectionQuery, CollectionText, Error};

fn text(title: &str) -> CollectionText {
    let (description, private, theme) = (None, false, "orange".to_owned());
    CollectionText { title: title.to_owned(), description, private, theme, place: 0 }
}

async fn add(home: &Home, owner: AccountId, title: &str) -> Collection {
    home.pass_seconds(1);
    home.db.add_collection(owner, text(title)).await.unwrap().unwrap()
}

async fn items(home: &Home, collection: &Collection) -> Vec<(i64, Collected)> {
    let items = home.db.collection_items(collection.id, 1_000).await.unwrap();
    items.into_iter().map(|item| (item.id, item.what)).collect()
}

async fn titles(home: &Home, query: CollectionQuery) -> Vec<String> {
    let listed = home.db.list_collections(&CollectionQuery { limit: 10, ..query }).await.unwrap();
    listed.into_iter().map(|one| one.text.title).collect()
}

#[tokio::test]
async fn a_title_is_one_collections_of_its_namespace() {
    let home = Home::open().await;
    let (ada, eve) = (home.user("ada").await, home.user("eve").await);
    let first = add(&home, ada, "Best").await;
    assert_eq!(home.db.add_collection(ada, text("Best")).await.unwrap(), Err(first.clone()));
    assert_ne!(add(&home, eve, "Best").await.id, first.id);
    let second = add(&home, ada, "Worst").await;
    assert_eq!((first.text.place, second.text.place), (0, 1));
    let refused = home.db.set_collection(second.id, text("Best")).await;
    assert!(matches!(refused, Err(Error::Conflict { .. })));
    let changed =
        CollectionText { description: Some("d".to_owned()), private: true, place: 7, ..text("Worse") };
    home.pass_seconds(1);
    let now = home.db.set_collection(second.id, changed.clone()).await.unwrap();
    assert_eq!((now.text, now.updated), (changed, home.now()));
    home.db.delete_collection(first.id).await.unwrap();
    assert_eq!(home.db.collection(first.id).await.unwrap(), None);
    assert!(matches!(home.db.delete_collection(first.id).await, Err(Error::NotFound { .. })));
}

#[tokio::test]
async fn items_are_in_an_order_that_can_be_changed_each_once_and_go_with_what_they_are() {
    let home = Home::open().await;
    let ada = home.user("ada").await;
    let (best, other) = (add(&home, ada, "Best").await, add(&home, ada, "Other").await);
    let (a, b) = (home.repo("acme/a").await, home.repo("acme/b").await);
    let wanted = [Collected::Repo(a.id), Collected::Repo(b.id), Collected::Collection(other.id)];
    for what in wanted {
        assert!(home.db.add_collection_item(best.id, what, None).await.unwrap());
        assert!(!home.db.add_collection_item(best.id, what, None).await.unwrap(), "once");
    }
    assert!(home.db.add_collection_item(other.id, wanted[0], Some("n".to_owned())).await.unwrap());
    let all = items(&home, &best).await;
    assert_eq!(all.iter().map(|(_, what)| *what).collect::<Vec<_>>(), wanted);
    let ids: Vec<i64> = all.iter().map(|(id, _)| *id).collect();
    home.pass_seconds(1);
    home.db.set_collection_item(best.id, ids[2], None, Some(Some(ids[0]))).await.unwrap();
    let order = async || items(&home, &best).await.into_iter().map(|(id, _)| id).collect::<Vec<i64>>();
    assert_eq!(order().await, [ids[2], ids[0], ids[1]]);
    assert_eq!(home.db.collection(best.id).await.unwrap().unwrap().updated, home.now());
    home.db.set_collection_item(best.id, ids[2], Some("last".to_owned()), Some(None)).await.unwrap();
    assert_eq!(order().await, ids);
    let note = home.db.collection_items(best.id, 10).await.unwrap()[2].note.clone();
    assert_eq!(note.as_deref(), Some("last"));
    let of_other = items(&home, &other).await[0].0;
    let wrong = home.db.set_collection_item(best.id, of_other, None, None).await;
    assert!(matches!(wrong, Err(Error::NotFound { .. })));
    assert!(matches!(home.db.delete_collection_item(best.id, of_other).await, Err(Error::NotFound { .. })));

    home.db.delete_repo(a.id, None).await.unwrap();
    assert_eq!(order().await, ids[1..]);
    assert_eq!(items(&home, &other).await, []);
    home.db.delete_collection(other.id).await.unwrap();
    assert_eq!(order().await, [ids[1]]);
    home.db.delete_collection_item(best.id, ids[1]).await.unwrap();
    assert_eq!(order().await, [0; 0]);
}

#[tokio::test]
async fn a_listing_has_what_its_reader_may_see_of_those_that_fit() {
    let home = Home::open().await;
    let (ada, eve) = (home.user("ada").await, home.user("eve").await);
    let org = home.db.add_org(&"org".parse().unwrap(), ada).await.unwrap();
    let repo = home.repo("acme/a").await;
    let first = add(&home, ada, "First").await;
    let second = add(&home, eve, "Second").await;
    home.pass_seconds(1);
    let hidden = CollectionText { private: true, ..text("Hidden") };
    let hidden = home.db.add_collection(org, hidden).await.unwrap().unwrap();
    for collection in [&first, &hidden] {
        home.pass_seconds(1);
        home.db.add_collection_item(collection.id, Collected::Repo(repo.id), None).await.unwrap();
    }
    let as_account = |account| CollectionQuery { account: Some(account), ..CollectionQuery::default() };
    assert_eq!(titles(&home, CollectionQuery::default()).await, ["First", "Second"]);
    assert_eq!(titles(&home, as_account(eve)).await, ["First", "Second"]);
    assert_eq!(titles(&home, as_account(ada)).await, ["Hidden", "First", "Second"]);
    let all = CollectionQuery { sees_all: true, ..CollectionQuery::default() };
    assert_eq!(titles(&home, all).await.len(), 3);
    let with = CollectionQuery { with: vec![Collected::Repo(repo.id)], ..as_account(ada) };
    assert_eq!(titles(&home, with).await, ["Hidden", "First"]);
    let owners = CollectionQuery { owners: vec![eve, org], ..as_account(ada) };
    assert_eq!(titles(&home, owners).await, ["Hidden", "Second"]);
    let updated = home.db.collection(first.id).await.unwrap().unwrap().updated.0;
    let next = CollectionQuery { after: Some((updated, first.id)), ..as_account(ada) };
    assert_eq!(titles(&home, next).await, ["Second"]);
    assert_eq!(second.owner.as_str(), "eve");
}

#[tokio::test]
async fn a_collection_is_bounded() {
    let home = Home::open().await;
    let ada = home.user("ada").await;
    let best = add(&home, ada, "Best").await;
    for number in 0..COLLECTION_ITEMS_MAX {
        let inside = home.db.add_collection(ada, text(&number.to_string())).await.unwrap().unwrap();
        assert!(home.db.add_collection_item(best.id, Collected::Collection(inside.id), None).await.unwrap());
    }
    let repo = home.repo("acme/a").await;
    let refused = home.db.add_collection_item(best.id, Collected::Repo(repo.id), None).await;
    assert!(matches!(refused, Err(Error::Conflict { .. })));
}
