use polder_types::{AccountId, RepoId, Role, Sha256, TokenId, UnixMillis};

use super::{Home, sha};
use crate::{
    DEVICE_LOGINS_PER_ADDRESS_MAX, DeviceApproval, DeviceChange, DeviceFound, DeviceIssued, DeviceState,
    Error, GUESS_WINDOW_SECONDS, GUESSES_MAX, NewDeviceLogin, NewRefresh, NewToken, Refreshed,
};

const CLIENT: &str = "a-client";
const DEVICE: u8 = 1;
const USER: u8 = 2;

fn waiting(home: &Home, device: u8, user: u8) -> NewDeviceLogin {
    NewDeviceLogin {
        device_hash: sha(device),
        user_hash: sha(user),
        client: CLIENT.to_owned(),
        agent: "hf_hub/2.4.0".to_owned(),
        address: Some("192.0.2.1".to_owned()),
        expires: home.now().plus_seconds(900),
    }
}

fn approval(account: AccountId) -> DeviceApproval {
    DeviceApproval { account, scope: Role::Write, repos: None, ends: None, approver: None }
}

/// Secrets made of `of`, the family's of 100.
fn secrets(home: &Home, of: u8) -> NewRefresh {
    NewRefresh {
        token_hash: sha(of),
        token_expires: home.now().plus_seconds(1000),
        family: sha(100),
        latest: sha(of + 1),
        expires: home.now().plus_seconds(5000),
    }
}

async fn change(home: &Home, user: u8, by: Option<AccountId>, change: DeviceChange) -> DeviceFound {
    home.db.change_device_login(sha(user), by, change).await.unwrap()
}

async fn state(home: &Home) -> DeviceState {
    home.db.device_login(sha(DEVICE), CLIENT).await.unwrap().unwrap().state
}

/// A client that waits, to which somebody agreed.
async fn approved(home: &Home, approval: DeviceApproval) -> i64 {
    assert!(home.db.add_device_login(waiting(home, DEVICE, USER)).await.unwrap());
    let approved = change(home, USER, None, DeviceChange::Approve(approval)).await;
    let DeviceFound::Login(login) = approved else { panic!("{approved:?}") };
    login.id
}

/// The same with its token.
async fn logged_in(home: &Home, approval: DeviceApproval) -> TokenId {
    let id = approved(home, approval).await;
    let issued = home.db.finish_device_login(id, secrets(home, 10)).await.unwrap();
    let DeviceIssued::Token(token, _) = issued else { panic!("{issued:?}") };
    token
}

async fn refresh(home: &Home, shown: Sha256, new: NewRefresh) -> Refreshed {
    home.db.refresh_token(shown, CLIENT.to_owned(), new).await.unwrap()
}

#[tokio::test]
async fn a_client_has_its_token_once_somebody_agreed_and_only_once() {
    let mut home = Home::open().await;
    let ada = home.user("ada").await;
    assert!(home.db.add_device_login(waiting(&home, DEVICE, USER)).await.unwrap());
    assert!(!home.db.add_device_login(waiting(&home, 3, USER)).await.unwrap(), "the user's code is taken");
    assert_eq!(home.db.device_login(sha(DEVICE), "another").await.unwrap(), None, "another client");
    let login = home.db.device_login(sha(DEVICE), CLIENT).await.unwrap().unwrap();
    assert_eq!(
        (login.state, login.agent.as_str(), login.polled),
        (DeviceState::Pending, "hf_hub/2.4.0", None)
    );
    home.db.note_device_poll(login.id).await.unwrap();
    let polled = home.db.device_login(sha(DEVICE), CLIENT).await.unwrap().unwrap().polled;
    assert_eq!(polled, Some(home.now()));
    let none = home.db.finish_device_login(login.id, secrets(&home, 10)).await.unwrap();
    assert_eq!(none, DeviceIssued::Nothing, "nobody agreed");

    let repos = Some(vec![RepoId(4)]);
    let ends = home.now().plus_seconds(60);
    let approval = DeviceApproval { repos: repos.clone(), ends: Some(ends), ..approval(ada) };
    assert!(matches!(change(&home, USER, None, DeviceChange::Look).await, DeviceFound::Login(_)));
    assert_eq!(state(&home).await, DeviceState::Pending);
    change(&home, USER, None, DeviceChange::Approve(approval)).await;
    assert_eq!(change(&home, USER, None, DeviceChange::Deny).await, DeviceFound::Unknown, "it is decided");
    home.reopen().await;
    assert_eq!(state(&home).await, DeviceState::Approved);

    let issued = home.db.finish_device_login(login.id, secrets(&home, 10)).await.unwrap();
    let token = home.db.find_token(&sha(10)).await.unwrap().unwrap();
    assert_eq!(issued, DeviceIssued::Token(token.id, ends), "no longer than what agreed to it");
    assert_eq!((token.account.id, token.scope, token.repos), (ada, Role::Write, repos));
    assert_eq!((token.expires, token.name.as_deref()), (Some(ends), Some("hf_hub/2.4.0")));
    let again = home.db.finish_device_login(login.id, secrets(&home, 20)).await.unwrap();
    assert_eq!((again, state(&home).await), (DeviceIssued::Nothing, DeviceState::Done));
}

#[tokio::test]
async fn nothing_is_given_once_it_is_refused_or_over_or_what_agreed_is_revoked() {
    let home = Home::open().await;
    let ada = home.user("ada").await;
    let agrees =
        NewToken { account: ada, hash: sha(9), scope: Role::Write, repos: None, expires: None, name: None };
    let agrees = home.db.add_token(agrees).await.unwrap();
    let id = approved(&home, DeviceApproval { approver: Some(agrees), ..approval(ada) }).await;
    home.db.revoke_token(agrees).await.unwrap();
    let issued = home.db.finish_device_login(id, secrets(&home, 10)).await.unwrap();
    assert_eq!((issued, state(&home).await), (DeviceIssued::Denied, DeviceState::Denied));

    assert!(home.db.add_device_login(waiting(&home, 3, 4)).await.unwrap());
    change(&home, 4, None, DeviceChange::Deny).await;
    let denied = home.db.device_login(sha(3), CLIENT).await.unwrap().unwrap();
    assert_eq!(denied.state, DeviceState::Denied);

    assert!(home.db.add_device_login(waiting(&home, 5, 6)).await.unwrap());
    assert!(home.db.add_device_login(waiting(&home, 7, 8)).await.unwrap());
    let late = change(&home, 8, None, DeviceChange::Approve(approval(ada))).await;
    let DeviceFound::Login(late) = late else { panic!("{late:?}") };
    home.pass_seconds(900);
    let change = change(&home, 6, None, DeviceChange::Approve(approval(ada))).await;
    assert_eq!(change, DeviceFound::Unknown);
    let issued = home.db.finish_device_login(late.id, secrets(&home, 30)).await.unwrap();
    assert_eq!(issued, DeviceIssued::Nothing);
    assert_eq!(home.db.find_token(&sha(30)).await.unwrap(), None);

    home.db.sweep_logins().await.unwrap();
    assert!(home.db.device_login(sha(5), CLIENT).await.unwrap().is_some(), "it is told that it is over");
    home.pass_seconds(3600);
    home.db.sweep_logins().await.unwrap();
    assert_eq!(home.number("SELECT COUNT(*) FROM device_login").await, 0);
}

#[tokio::test]
async fn only_so_many_clients_wait_and_only_so_many_codes_are_tried() {
    let home = Home::open().await;
    let (ada, bob) = (home.user("ada").await, home.user("bob").await);
    let most = u8::try_from(DEVICE_LOGINS_PER_ADDRESS_MAX).unwrap();
    for of in 0..most {
        assert!(home.db.add_device_login(waiting(&home, of, 100 + of)).await.unwrap());
    }
    let more = home.db.add_device_login(waiting(&home, 99, 99)).await;
    assert!(matches!(more, Err(Error::Conflict { .. })), "{more:?}");
    let elsewhere = NewDeviceLogin { address: Some("192.0.2.2".to_owned()), ..waiting(&home, 98, 98) };
    assert!(home.db.add_device_login(elsewhere).await.unwrap());

    for _ in 0..GUESSES_MAX {
        assert_eq!(change(&home, 250, Some(ada), DeviceChange::Look).await, DeviceFound::Unknown);
    }
    let stopped = change(&home, 100, Some(ada), DeviceChange::Look).await;
    assert_eq!(stopped, DeviceFound::TooManyGuesses, "a right one too");
    assert!(matches!(change(&home, 100, Some(bob), DeviceChange::Look).await, DeviceFound::Login(_)));
    home.pass_seconds(GUESS_WINDOW_SECONDS);
    assert!(home.db.add_device_login(waiting(&home, 97, 97)).await.unwrap(), "those before are over");
    assert!(matches!(change(&home, 97, Some(ada), DeviceChange::Look).await, DeviceFound::Login(_)));
    home.db.sweep_logins().await.unwrap();
    assert_eq!(home.number("SELECT COUNT(*) FROM device_guess").await, 0);
}

#[tokio::test]
async fn a_token_is_renewed_by_its_latest_secret_and_revoked_by_an_older_one() {
    let mut home = Home::open().await;
    let ada = home.user("ada").await;
    let token = logged_in(&home, approval(ada)).await;
    home.reopen().await;
    let other = home.db.refresh_token(sha(11), "another".to_owned(), secrets(&home, 20)).await.unwrap();
    assert_eq!(other, Refreshed::Unknown, "another client");
    let strange = NewRefresh { family: sha(101), ..secrets(&home, 20) };
    assert_eq!(refresh(&home, sha(11), strange).await, Refreshed::Unknown);

    home.pass_seconds(500);
    let new = secrets(&home, 20);
    assert_eq!(refresh(&home, sha(11), new).await, Refreshed::Renewed(new.token_expires));
    assert_eq!(home.db.find_token(&sha(10)).await.unwrap(), None, "the secret before works no longer");
    let renewed = home.db.find_token(&sha(20)).await.unwrap().unwrap();
    assert_eq!((renewed.id, renewed.expires), (token, Some(new.token_expires)));

    assert_eq!(refresh(&home, sha(11), secrets(&home, 30)).await, Refreshed::Reused(token));
    assert!(home.db.token(token).await.unwrap().unwrap().revoked);
    assert_eq!(refresh(&home, sha(21), secrets(&home, 40)).await, Refreshed::Unknown, "the latest neither");
    home.db.sweep_logins().await.unwrap();
    assert_eq!(home.number("SELECT COUNT(*) FROM token_refresh").await, 0);
}

#[tokio::test]
async fn what_is_revoked_or_over_or_past_its_end_is_not_renewed() {
    let home = Home::open().await;
    let ada = home.user("ada").await;
    let ends: UnixMillis = home.now().plus_seconds(1500);
    logged_in(&home, DeviceApproval { ends: Some(ends), ..approval(ada) }).await;
    home.pass_seconds(900);
    assert_eq!(refresh(&home, sha(11), secrets(&home, 20)).await, Refreshed::Renewed(ends));
    home.pass_seconds(600);
    assert_eq!(refresh(&home, sha(21), secrets(&home, 30)).await, Refreshed::Unknown);

    let home = Home::open().await;
    let ada = home.user("ada").await;
    let token = logged_in(&home, approval(ada)).await;
    home.db.revoke_token(token).await.unwrap();
    assert_eq!(refresh(&home, sha(11), secrets(&home, 20)).await, Refreshed::Unknown);
}
