use polder_types::{AccountId, RepoId, Role, TokenId};

use super::{Home, sha};
use crate::{Account, AccountKind, Error, Member, NewToken};

#[tokio::test]
async fn an_account_name_is_taken_whatever_its_case_and_kind() {
    let home = Home::open().await;
    let ada = home.db.add_user(&"Ada".parse().unwrap(), true).await.unwrap();
    let again = home.db.add_user(&"aDA".parse().unwrap(), false).await;
    assert!(matches!(again, Err(Error::Conflict { .. })), "{again:?}");
    let org = home.db.add_org(&"ADA".parse().unwrap(), ada).await;
    assert!(matches!(org, Err(Error::Conflict { .. })), "{org:?}");

    let found = home.db.find_account("ada").await.unwrap();
    let expected = Account { id: ada, name: "Ada".parse().unwrap(), kind: AccountKind::User, is_admin: true };
    assert_eq!(found, Some(expected.clone()));
    assert_eq!(home.db.account(ada).await.unwrap(), Some(expected));
    assert_eq!(home.db.find_account("bob").await.unwrap(), None);
    assert_eq!(home.db.count_accounts().await.unwrap(), 1);
}

#[tokio::test]
async fn an_organisation_starts_with_its_owner_and_takes_users_only() {
    let home = Home::open().await;
    let (ada, bob) = (home.user("ada").await, home.user("bob").await);
    let org = home.db.add_org(&"acme".parse().unwrap(), ada).await.unwrap();
    assert_eq!(home.db.member_role(org, ada).await.unwrap(), Some(Role::Admin));
    assert_eq!(home.db.member_role(org, bob).await.unwrap(), None);
    home.db.set_member(org, bob, Role::Read).await.unwrap();
    home.db.set_member(org, bob, Role::Write).await.unwrap();
    assert_eq!(home.db.member_role(org, bob).await.unwrap(), Some(Role::Write));

    for (group, user) in [(ada, bob), (org, org), (AccountId(1), bob), (org, AccountId(1))] {
        let refused = home.db.set_member(group, user, Role::Read).await;
        assert!(matches!(refused, Err(Error::NotFound { .. })), "{group} {user} {refused:?}");
    }
    let orphan = home.db.add_org(&"other".parse().unwrap(), org).await;
    assert!(matches!(orphan, Err(Error::NotFound { .. })), "{orphan:?}");
    assert_eq!(home.db.find_account("other").await.unwrap(), None);
}

#[tokio::test]
async fn a_token_is_found_by_its_hash_with_all_its_limits() {
    let mut home = Home::open().await;
    let ada = home.user("ada").await;
    let expires = Some(home.now().plus_seconds(60));
    let repos = Some(vec![RepoId(4), RepoId(5)]);
    let narrow =
        NewToken { account: ada, hash: sha(1), scope: Role::Read, repos: repos.clone(), expires, name: None };
    let wide =
        NewToken { account: ada, hash: sha(2), scope: Role::Admin, repos: None, expires: None, name: None };
    let id = home.db.add_token(narrow.clone()).await.unwrap();
    home.db.add_token(wide).await.unwrap();
    home.reopen().await;

    let found = home.db.find_token(&sha(1)).await.unwrap().unwrap();
    assert_eq!((found.id, found.account.id, found.scope), (id, ada, Role::Read));
    assert_eq!((found.repos, found.expires, found.revoked), (repos, expires, false));
    let found = home.db.find_token(&sha(2)).await.unwrap().unwrap();
    assert_eq!((found.scope, found.repos, found.expires), (Role::Admin, None, None));
    assert_eq!(home.db.find_token(&sha(3)).await.unwrap(), None);

    assert!(matches!(home.db.add_token(narrow).await, Err(Error::Conflict { .. })));
    home.db.revoke_token(id).await.unwrap();
    assert!(home.db.find_token(&sha(1)).await.unwrap().unwrap().revoked);
    assert!(matches!(home.db.revoke_token(TokenId(1)).await, Err(Error::NotFound { .. })));
}

#[tokio::test]
async fn a_token_needs_a_user() {
    let home = Home::open().await;
    let ada = home.user("ada").await;
    let org = home.db.add_org(&"acme".parse().unwrap(), ada).await.unwrap();
    for account in [org, AccountId(1)] {
        let token =
            NewToken { account, hash: sha(1), scope: Role::Read, repos: None, expires: None, name: None };
        assert!(matches!(home.db.add_token(token).await, Err(Error::NotFound { .. })));
    }
    assert_eq!(home.db.find_token(&sha(1)).await.unwrap(), None);
}

#[tokio::test]
async fn accounts_and_members_are_listed_by_name_page_by_page() {
    let home = Home::open().await;
    let (zoe, ada) = (home.user("Zoe").await, home.user("ada").await);
    home.user("bob").await;
    let org = home.db.add_org(&"acme".parse().unwrap(), zoe).await.unwrap();
    home.db.set_member(org, ada, Role::Read).await.unwrap();

    let page = home.db.list_accounts(AccountKind::User, "", 2).await.unwrap();
    let names: Vec<_> = page.iter().map(|listed| listed.account.name.as_str()).collect();
    assert_eq!(names, ["ada", "bob"]);
    assert!(page.iter().all(|listed| listed.created == home.now()));
    let rest = home.db.list_accounts(AccountKind::User, "bob", 2).await.unwrap();
    assert_eq!(rest.iter().map(|listed| listed.account.id).collect::<Vec<_>>(), [zoe]);
    let orgs = home.db.list_accounts(AccountKind::Org, "", 9).await.unwrap();
    assert_eq!(orgs.iter().map(|listed| listed.account.id).collect::<Vec<_>>(), [org]);

    let member = |user: &str, role| Member { user: user.parse().unwrap(), role };
    assert_eq!(home.db.list_members(org, "", 1).await.unwrap(), [member("ada", Role::Read)]);
    assert_eq!(home.db.list_members(org, "ada", 9).await.unwrap(), [member("Zoe", Role::Admin)]);
    assert_eq!(home.db.list_members(ada, "", 9).await.unwrap(), []);
}

#[tokio::test]
async fn an_administrator_is_seen_among_others() {
    let home = Home::open().await;
    let ada = home.user("ada").await;
    home.db.add_org(&"acme".parse().unwrap(), ada).await.unwrap();
    assert!(!home.db.has_any_admin().await.unwrap(), "an organisation's admin is not the hub's");
    let taken = home.db.add_first_admin(&"ADA".parse().unwrap()).await;
    assert!(matches!(taken, Err(Error::Conflict { .. })), "{taken:?}");
    let name = "root1".parse().unwrap();
    let (one, two) = tokio::join!(home.db.add_first_admin(&name), home.db.add_first_admin(&name));
    assert_eq!((one.unwrap(), two.unwrap()), (true, false));
    assert!(home.db.has_any_admin().await.unwrap());
}

#[tokio::test]
async fn tokens_are_listed_until_they_are_revoked() {
    let home = Home::open().await;
    let (ada, bob) = (home.user("ada").await, home.user("bob").await);
    let new = |account, hash, repos| NewToken {
        account,
        hash,
        scope: Role::Write,
        repos,
        expires: None,
        name: None,
    };
    let first = home.db.add_token(new(ada, sha(1), Some(vec![RepoId(4)]))).await.unwrap();
    let second = home.db.add_token(new(bob, sha(2), None)).await.unwrap();
    let third = home.db.add_token(new(ada, sha(3), None)).await.unwrap();
    let ids = |tokens: Vec<crate::Token>| tokens.into_iter().map(|token| token.id).collect::<Vec<_>>();

    let page = home.db.list_tokens(None, None, 2).await.unwrap();
    assert_eq!((page[0].repos.clone(), page[0].created), (Some(vec![RepoId(4)]), home.now()));
    assert_eq!(ids(page), [first, second]);
    assert_eq!(ids(home.db.list_tokens(None, Some(second), 2).await.unwrap()), [third]);
    assert_eq!(ids(home.db.list_tokens(Some(ada), None, 9).await.unwrap()), [first, third]);
    home.db.revoke_token(first).await.unwrap();
    assert_eq!(ids(home.db.list_tokens(Some(ada), None, 9).await.unwrap()), [third]);
    assert_eq!(ids(home.db.list_tokens(None, None, 9).await.unwrap()), [second, third]);
}
