use polder_types::{AccountId, RepoId, Role, TokenId};

use super::{Home, sha};
use crate::{
    Error, Given, NewPublisher, NewToken, PUBLISHERS_PER_TARGET_MAX, Publisher, PublisherTarget,
    TOKENS_PER_PUBLISHER_MAX, Token,
};

fn trusted(repo: Option<RepoId>, account: AccountId) -> NewPublisher {
    NewPublisher {
        repo,
        account,
        issuer: "https://issuer.example".to_owned(),
        subject: "repo:acme/ci:*".to_owned(),
        claims: [("environment".to_owned(), "release \"1\"".to_owned())].into(),
    }
}

fn token(home: &Home, account: AccountId, of: u8) -> NewToken {
    NewToken {
        account,
        hash: sha(of),
        scope: Role::Write,
        repos: Some(vec![RepoId(1)]),
        expires: Some(home.now().plus_seconds(3600)),
        name: Some("ci".to_owned()),
    }
}

async fn find(home: &Home, of: u8) -> Option<Token> {
    home.db.find_token(&sha(of)).await.unwrap()
}

async fn all(home: &Home) -> Vec<Publisher> {
    home.db.list_publishers(None, 1_000).await.unwrap()
}

#[tokio::test]
async fn a_publisher_is_read_back_as_it_was_trusted() {
    let mut home = Home::open().await;
    let (repo, ada) = (home.repo("acme/m").await, home.user("ada").await);
    let of_repo = home.db.add_publisher(trusted(Some(repo.id), ada)).await.unwrap();
    let plain = NewPublisher { claims: [].into(), subject: "x".to_owned(), ..trusted(None, ada) };
    let of_user = home.db.add_publisher(plain).await.unwrap();
    home.reopen().await;
    let found = home.db.publishers_of(PublisherTarget::Repo(repo.id)).await.unwrap();
    let [first] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((first.id, first.repo, first.account.id), (of_repo, Some(repo.id), ada));
    assert_eq!((first.issuer.as_str(), first.subject.as_str()), ("https://issuer.example", "repo:acme/ci:*"));
    assert_eq!(first.claims["environment"], "release \"1\"");
    let found = home.db.publishers_of(PublisherTarget::User(ada)).await.unwrap();
    let [second] = found.as_slice() else { panic!("those of repositories are others: {found:?}") };
    assert_eq!((second.id, second.repo, second.claims.len()), (of_user, None, 0));
    assert_eq!(all(&home).await.len(), 2);
    assert_eq!(home.db.list_publishers(Some(of_repo), 1).await.unwrap(), found);
    let gone = home.db.add_publisher(trusted(Some(RepoId(1)), ada)).await;
    assert!(matches!(gone, Err(Error::NotFound { .. })), "{gone:?}");
}

#[tokio::test]
async fn its_tokens_end_when_it_is_trusted_no_longer_and_no_others() {
    let home = Home::open().await;
    let (repo, ada) = (home.repo("acme/m").await, home.user("ada").await);
    let first = home.db.add_publisher(trusted(Some(repo.id), ada)).await.unwrap();
    let second = home.db.add_publisher(trusted(Some(repo.id), ada)).await.unwrap();
    let given = home.db.give_token(first, token(&home, ada, 1)).await.unwrap();
    home.db.give_token(second, token(&home, ada, 2)).await.unwrap();
    let own = home.db.add_token(token(&home, ada, 3)).await.unwrap();
    let kept = find(&home, 1).await.unwrap();
    assert_eq!((Given::Token(kept.id), kept.publisher, kept.revoked), (given, Some(first), false));
    assert_eq!(home.db.token(own).await.unwrap().unwrap().publisher, None);

    home.db.remove_publisher(first).await.unwrap();
    let revoked = |token: Option<Token>| token.unwrap().revoked;
    assert!(
        revoked(find(&home, 1).await) && !revoked(find(&home, 2).await) && !revoked(find(&home, 3).await)
    );
    assert_eq!(home.db.give_token(first, token(&home, ada, 4)).await.unwrap(), Given::Untrusted);
    assert_eq!(find(&home, 4).await, None);
    let again = home.db.remove_publisher(first).await;
    assert!(matches!(again, Err(Error::NotFound { .. })), "{again:?}");

    home.db.delete_repo(repo.id, None).await.unwrap();
    assert!(revoked(find(&home, 2).await) && !revoked(find(&home, 3).await));
    assert_eq!(all(&home).await, Vec::new());
    assert_eq!(home.db.give_token(second, token(&home, ada, 5)).await.unwrap(), Given::Untrusted);
}

#[tokio::test]
async fn tokens_of_publishers_are_forgotten_an_hour_after_their_end() {
    let home = Home::open().await;
    let ada = home.user("ada").await;
    let publisher = home.db.add_publisher(trusted(None, ada)).await.unwrap();
    home.db.give_token(publisher, token(&home, ada, 1)).await.unwrap();
    home.db.add_token(token(&home, ada, 2)).await.unwrap();
    home.pass_seconds(2 * 3600 - 1);
    home.db.sweep_logins().await.unwrap();
    assert!(find(&home, 1).await.is_some());
    home.pass_seconds(1);
    home.db.sweep_logins().await.unwrap();
    assert_eq!(find(&home, 1).await, None);
    assert!(find(&home, 2).await.is_some(), "those of people stay");
}

#[tokio::test]
async fn only_so_many_are_trusted_and_only_so_many_of_their_tokens_work() {
    let home = Home::open().await;
    let ada = home.user("ada").await;
    let publisher = home.db.add_publisher(trusted(None, ada)).await.unwrap();
    for _ in 1..PUBLISHERS_PER_TARGET_MAX {
        home.db.add_publisher(trusted(None, ada)).await.unwrap();
    }
    let more = home.db.add_publisher(trusted(None, ada)).await;
    assert!(matches!(more, Err(Error::Conflict { .. })), "{more:?}");

    let of = |n: i64| {
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&n.to_le_bytes());
        NewToken { hash: polder_types::Sha256::new(hash), ..token(&home, ada, 0) }
    };
    let mut last = TokenId(0);
    for n in 0..TOKENS_PER_PUBLISHER_MAX {
        let given = home.db.give_token(publisher, of(n)).await.unwrap();
        let Given::Token(id) = given else { panic!("{n}: {given:?}") };
        last = id;
    }
    assert_eq!(home.db.give_token(publisher, of(-1)).await.unwrap(), Given::TooMany);
    home.db.revoke_token(last).await.unwrap();
    assert!(matches!(home.db.give_token(publisher, of(-1)).await.unwrap(), Given::Token(_)));
    home.pass_seconds(3600);
    assert!(
        matches!(home.db.give_token(publisher, of(-2)).await.unwrap(), Given::Token(_)),
        "others are over"
    );
}
