use polder_types::Role;

use super::Home;
use crate::{Error, PROTECTIONS_PER_REPO_MAX, Protection};

fn rule(pattern: &str) -> Protection {
    Protection {
        pattern: pattern.to_owned(),
        allow_force: false,
        allow_delete: false,
        push_role: None,
        push_accounts: Vec::new(),
    }
}

#[tokio::test]
async fn a_rule_is_kept_replaced_and_removed_with_those_it_names() {
    let mut home = Home::open().await;
    let repo = home.repo("acme/a").await;
    let other = home.repo("acme/b").await;
    let (zoe, bob) = (home.user("zoe").await, home.user("bob").await);
    let name = |text: &str| text.parse().unwrap();
    let named = Protection {
        allow_force: true,
        push_role: Some(Role::Admin),
        push_accounts: vec![(bob, name("bob")), (zoe, name("zoe"))],
        ..rule("main")
    };
    home.db.set_protection(repo.id, named.clone()).await.unwrap();
    home.db.set_protection(repo.id, rule("release/*")).await.unwrap();
    home.reopen().await;
    assert_eq!(home.db.protections(repo.id).await.unwrap(), [named, rule("release/*")]);
    assert_eq!(home.db.protections(other.id).await.unwrap(), []);

    let again = Protection { allow_delete: true, push_accounts: vec![(zoe, name("zoe"))], ..rule("main") };
    home.db.set_protection(repo.id, again.clone()).await.unwrap();
    assert_eq!(home.db.protections(repo.id).await.unwrap(), [again, rule("release/*")]);
    home.db.remove_protection(repo.id, "main".to_owned()).await.unwrap();
    let gone = home.db.remove_protection(repo.id, "main".to_owned()).await;
    assert!(matches!(gone, Err(Error::NotFound { .. })), "{gone:?}");
    assert_eq!(home.db.protections(repo.id).await.unwrap(), [rule("release/*")]);
    home.db.delete_repo(repo.id, None).await.unwrap();
    assert_eq!(home.db.protections(repo.id).await.unwrap(), []);
    let gone = home.db.set_protection(repo.id, rule("main")).await;
    assert!(matches!(gone, Err(Error::NotFound { .. })), "{gone:?}");
}

#[tokio::test]
async fn a_repository_has_only_so_many_rules() {
    let home = Home::open().await;
    let repo = home.repo("acme/a").await;
    for number in 0..PROTECTIONS_PER_REPO_MAX {
        home.db.set_protection(repo.id, rule(&format!("b{number}"))).await.unwrap();
    }
    let more = home.db.set_protection(repo.id, rule("one-more")).await;
    assert!(matches!(more, Err(Error::Conflict { .. })), "{more:?}");
    home.db.set_protection(repo.id, Protection { allow_force: true, ..rule("b7") }).await.unwrap();
    assert_eq!(home.db.protections(repo.id).await.unwrap().len(), PROTECTIONS_PER_REPO_MAX);
}
