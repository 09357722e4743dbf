use polder_types::RepoKind;

use super::{Home, new_repo, sha};
use crate::{Error, NameState, NewRepo, RemoteNamespace, Repo};

fn acme(nsid: u8) -> RemoteNamespace {
    RemoteNamespace {
        name: "acme.hub.example.org".parse().unwrap(),
        nsid: sha(nsid),
        home: "https://hub.example.org".to_owned(),
    }
}

async fn mirror(home: &Home, name: &str) -> crate::Result<Repo> {
    home.db.create_repo(NewRepo { upstream: Some(7), ..new_repo(name.parse().unwrap(), 9) }).await
}

async fn found(home: &Home, fold: &str) -> Option<String> {
    match home.db.find_repo(RepoKind::Dataset, fold).await.unwrap() {
        Some(NameState::Live(repo)) => Some(repo.name.to_string()),
        _ => None,
    }
}

#[tokio::test]
async fn a_handle_of_another_hub_means_one_namespace_for_ever() {
    let home = Home::open().await;
    let account = home.db.open_remote_namespace(acme(1)).await.unwrap();
    let moved = RemoteNamespace { home: "https://new.example.org".to_owned(), ..acme(1) };
    assert_eq!(home.db.open_remote_namespace(moved).await.unwrap(), account);
    let squatted = home.db.open_remote_namespace(acme(2)).await;
    assert!(matches!(squatted, Err(Error::Conflict { .. })), "{squatted:?}");
    let local = RemoteNamespace { name: "acme".parse().unwrap(), ..acme(3) };
    assert!(matches!(home.db.open_remote_namespace(local).await, Err(Error::Conflict { .. })));
    let user = home.db.add_user(&"bob.hub.example.org".parse().unwrap(), false).await;
    assert!(matches!(user, Err(Error::Conflict { .. })), "{user:?}");
}

#[tokio::test]
async fn only_mirrors_are_in_namespaces_of_other_hubs_and_know_their_home() {
    let home = Home::open().await;
    home.user("acme").await;
    home.db.open_remote_namespace(acme(1)).await.unwrap();
    let own = home.db.create_repo(new_repo("acme.hub.example.org/m".parse().unwrap(), 8)).await;
    assert!(matches!(own, Err(Error::Conflict { .. })), "{own:?}");
    assert!(matches!(mirror(&home, "acme/m").await, Err(Error::Conflict { .. })));
    let repo = mirror(&home, "datasets/acme.hub.example.org/D").await.unwrap();
    assert_eq!((repo.upstream, &repo.withheld), (Some(7), &Some("incoming".to_owned())));
    assert_eq!(repo.home_url().as_deref(), Some("https://hub.example.org/datasets/acme/D"));
    assert_eq!(home.repo("acme/m").await.home_url(), None);
}

#[tokio::test]
async fn a_short_name_yields_to_a_local_account_and_never_passes_to_another() {
    let home = Home::open().await;
    home.db.open_remote_namespace(acme(1)).await.unwrap();
    let other = RemoteNamespace { name: "other.hub.example.org".parse().unwrap(), ..acme(2) };
    home.db.open_remote_namespace(other).await.unwrap();
    mirror(&home, "datasets/acme.hub.example.org/d").await.unwrap();
    assert_eq!(found(&home, "acme/d").await, None);

    let add =
        |alias: &str, of: &str| home.db.add_namespace_alias(alias.parse().unwrap(), of.parse().unwrap());
    add("Acme", "acme.hub.example.org").await.unwrap();
    add("acme", "acme.hub.example.org").await.unwrap();
    assert_eq!(found(&home, "acme/d").await.as_deref(), Some("datasets/acme.hub.example.org/d"));
    let listed = home.db.list_namespace_aliases().await.unwrap();
    assert_eq!(listed, [("Acme".parse().unwrap(), "acme.hub.example.org".parse().unwrap())]);
    let taken = add("acme", "other.hub.example.org").await;
    assert!(matches!(taken, Err(Error::Conflict { .. })), "{taken:?}");

    home.user("acme").await;
    assert_eq!(found(&home, "acme/d").await, None, "a local namespace wins");
    assert_eq!(
        found(&home, "acme.hub.example.org/d").await.as_deref(),
        Some("datasets/acme.hub.example.org/d")
    );
    assert!(matches!(add("acme", "nobody.hub.example.org").await, Err(Error::NotFound { .. })));
    assert!(matches!(add("mine", "acme").await, Err(Error::NotFound { .. })));
}

#[tokio::test]
async fn what_is_withheld_is_so_until_it_is_given_back() {
    let home = Home::open().await;
    let repo = home.repo("acme/m").await;
    home.db.withhold_repo(repo.id, Some("takedown".to_owned())).await.unwrap();
    let withheld = home.db.repo(repo.id).await.unwrap().unwrap();
    assert_eq!(withheld.withheld.as_deref(), Some("takedown"));
    assert!(withheld.cache_epoch > repo.cache_epoch && withheld.rewind_gen > repo.rewind_gen);
    home.db.withhold_repo(repo.id, Some("takedown".to_owned())).await.unwrap();
    assert_eq!(home.db.repo(repo.id).await.unwrap().unwrap(), withheld, "once is enough");
    home.db.withhold_repo(repo.id, None).await.unwrap();
    assert_eq!(home.db.repo(repo.id).await.unwrap().unwrap().withheld, None);
}
