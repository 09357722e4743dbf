use polder_types::{AccountId, Visibility};

use super::{Home, push_of, update};
use crate::value::args;
use crate::{
    Delivery, DeliveryEnd, DiscussionAt, DiscussionStatus, Error, EventAt, Job, NewDiscussion, Talk, Talked,
    WEBHOOK_JOB, WEBHOOK_WATCHED_MAX, WEBHOOKS_PER_ACCOUNT_MAX, WatchTarget, Watched, WebhookSettings,
};

fn settings(url: &str) -> WebhookSettings {
    let (repo_events, talk_events) = (true, true);
    WebhookSettings { url: url.to_owned(), secret: Some("s".to_owned()), repo_events, talk_events }
}

async fn queue(home: &Home) {
    while home.db.queue_webhooks().await.unwrap() {}
}

/// What a webhook is told, one after another: each is taken.
async fn told(home: &Home, webhook: i64) -> Vec<String> {
    queue(home).await;
    let mut told = Vec::new();
    while let Some(next) = home.db.next_delivery(webhook).await.unwrap() {
        told.push(next.fact.clone().map_or_else(|| next.told.clone().unwrap(), |(kind, _)| kind));
        assert_eq!(home.db.end_delivery(&next, DeliveryEnd::Taken).await.unwrap(), None);
    }
    told
}

async fn next(home: &Home, webhook: i64) -> Delivery {
    home.db.next_delivery(webhook).await.unwrap().expect("something waits")
}

async fn jobs(home: &Home) -> Vec<Job> {
    home.db.claim_jobs(&[WEBHOOK_JOB], 60, 10).await.unwrap()
}

#[tokio::test]
async fn a_webhook_is_told_of_what_it_watches_from_then_on_in_order_and_once() {
    let home = Home::open().await;
    let ada = home.user("ada").await;
    let repo = home.repo("acme/a").await;
    let watched = vec![WatchTarget::Repo(repo.id), WatchTarget::Account(repo.namespace)];
    let hook = home.db.add_webhook(ada, settings("https://a.example"), watched).await.unwrap();
    let only = vec![WatchTarget::Repo(home.repo("acme/b").await.id)];
    let other = home.db.add_webhook(ada, settings("https://b.example"), only).await.unwrap();
    home.push(push_of(&repo, vec![update("refs/heads/main", 0, 1)])).await;
    home.repo("elsewhere/c").await;
    home.db.rename_repo(repo.id, "acme/n".parse().unwrap(), None).await.unwrap();
    home.db.set_visibility(repo.id, Visibility::Private, None).await.unwrap();
    home.db.set_head(repo.id, "refs/heads/dev".to_owned(), None).await.unwrap();
    home.db.delete_repo(repo.id, None).await.unwrap();
    assert_eq!(
        told(&home, hook.id).await,
        // The first is `acme/b`, made between the two.
        ["repo.create", "repo.refs", "repo.rename", "repo.visibility", "repo.delete"]
    );
    assert_eq!(told(&home, hook.id).await, [""; 0]);
    assert_eq!(told(&home, other.id).await, [""; 0]);
    assert_eq!(jobs(&home).await.len(), 1, "one job for all that a webhook is told");
}

#[tokio::test]
async fn what_is_queued_and_where_the_queue_goes_on_outlive_the_process() {
    let mut home = Home::open().await;
    let ada = home.user("ada").await;
    let repo = home.repo("acme/a").await;
    let hook = home
        .db
        .add_webhook(ada, settings("https://a.example"), vec![WatchTarget::Account(repo.namespace)])
        .await
        .unwrap();
    home.push(push_of(&repo, vec![update("refs/heads/main", 0, 1)])).await;
    home.reopen().await;
    queue(&home).await;
    let first = next(&home, hook.id).await;
    home.push(push_of(&repo, vec![update("refs/heads/main", 1, 2)])).await;
    home.reopen().await;
    let again = next(&home, hook.id).await;
    assert_eq!((again.id, again.fact, again.attempts), (first.id, first.fact, 0));
    assert_eq!(told(&home, hook.id).await, ["repo.refs", "repo.refs"]);
}

#[tokio::test]
async fn a_deleted_repository_is_known_to_its_delivery() {
    let home = Home::open().await;
    let ada = home.user("ada").await;
    let repo = home.repo("acme/a").await;
    let hook = home
        .db
        .add_webhook(ada, settings("https://a.example"), vec![WatchTarget::Repo(repo.id)])
        .await
        .unwrap();
    home.db.delete_repo(repo.id, None).await.unwrap();
    queue(&home).await;
    let delivery = next(&home, hook.id).await;
    assert_eq!((delivery.repo.name.to_string().as_str(), delivery.is_live), ("acme/a", false));
    assert_eq!(delivery.account, ada);
    let watched = home.db.webhook(ada, hook.id).await.unwrap().watched;
    assert_eq!(watched, [Watched::Repo(repo.id, polder_types::RepoKind::Model, "acme/a".to_owned())]);
}

#[tokio::test]
async fn failures_are_counted_until_something_gets_through() {
    let home = Home::open().await;
    let ada = home.user("ada").await;
    let repo = home.repo("acme/a").await;
    let watched = vec![WatchTarget::Account(repo.namespace)];
    let hook = home.db.add_webhook(ada, settings("https://a.example"), watched).await.unwrap();
    for (old, new) in [(0, 1), (1, 2)] {
        home.push(push_of(&repo, vec![update("refs/heads/main", old, new)])).await;
    }
    queue(&home).await;
    let first = next(&home, hook.id).await;
    let since = Some(home.now());
    let end = home.db.end_delivery(&first, DeliveryEnd::Failed("no".to_owned())).await.unwrap();
    assert_eq!(end, since);
    home.pass_seconds(60);
    let again = next(&home, hook.id).await;
    assert_eq!((again.id, again.attempts), (first.id, 1));
    let end = home.db.end_delivery(&again, DeliveryEnd::GivenUp("no more".to_owned())).await.unwrap();
    assert_eq!(end, since, "since the first");
    let error = home.db.webhook(ada, hook.id).await.unwrap().last_error;
    assert_eq!(error.as_deref(), Some("no more"));
    let second = next(&home, hook.id).await;
    assert_ne!(second.id, first.id);
    home.db.end_delivery(&second, DeliveryEnd::Taken).await.unwrap();
    assert_eq!(home.db.webhook(ada, hook.id).await.unwrap().last_error, None);
    assert!(home.db.next_delivery(hook.id).await.unwrap().is_none());
}

#[tokio::test]
async fn a_disabled_webhook_forgets_what_waits_and_is_told_nothing_until_it_is_enabled() {
    let home = Home::open().await;
    let ada = home.user("ada").await;
    let repo = home.repo("acme/a").await;
    let watched = vec![WatchTarget::Account(repo.namespace)];
    let hook = home.db.add_webhook(ada, settings("https://a.example"), watched).await.unwrap();
    home.push(push_of(&repo, vec![update("refs/heads/main", 0, 1)])).await;
    queue(&home).await;
    let delivery = next(&home, hook.id).await;
    home.db.end_delivery(&delivery, DeliveryEnd::Disabled("private".to_owned())).await.unwrap();
    let off = home.db.webhook(ada, hook.id).await.unwrap();
    assert!(off.disabled && off.last_error.as_deref() == Some("private"));
    home.push(push_of(&repo, vec![update("refs/heads/main", 1, 2)])).await;
    assert_eq!(told(&home, hook.id).await, [""; 0]);
    let on = home.db.enable_webhook(ada, hook.id, true).await.unwrap();
    assert!(!on.disabled && on.last_error.is_none());
    assert_eq!(told(&home, hook.id).await, [""; 0], "that was before");
    home.push(push_of(&repo, vec![update("refs/heads/main", 2, 3)])).await;
    assert_eq!(told(&home, hook.id).await, ["repo.refs"]);
    home.push(push_of(&repo, vec![update("refs/heads/main", 3, 4)])).await;
    queue(&home).await;
    assert!(home.db.enable_webhook(ada, hook.id, false).await.unwrap().disabled);
    home.db.enable_webhook(ada, hook.id, true).await.unwrap();
    assert_eq!(told(&home, hook.id).await, [""; 0], "forgotten");
}

#[tokio::test]
async fn webhooks_are_their_accounts_own_and_bounded() {
    let home = Home::open().await;
    let (ada, eve) = (home.user("ada").await, home.user("eve").await);
    let watched = || vec![WatchTarget::Account(ada)];
    let hook = home.db.add_webhook(ada, settings("https://a.example"), watched()).await.unwrap();
    assert_eq!(hook.watched, [Watched::User("ada".to_owned())]);
    assert_eq!(home.db.webhooks(eve).await.unwrap(), []);
    let missing = |result: Result<(), Error>| matches!(result, Err(Error::NotFound { .. }));
    assert!(missing(home.db.webhook(eve, hook.id).await.map(drop)));
    assert!(missing(home.db.set_webhook(eve, hook.id, settings("https://e"), watched()).await.map(drop)));
    assert!(missing(home.db.enable_webhook(eve, hook.id, false).await.map(drop)));
    assert!(missing(home.db.delete_webhook(eve, hook.id).await));
    let quiet = WebhookSettings { repo_events: false, ..settings("https://b.example") };
    let set = home.db.set_webhook(ada, hook.id, quiet.clone(), Vec::new()).await.unwrap();
    assert_eq!((set.settings, set.watched), (quiet, hook.watched));

    for _ in 1..WEBHOOKS_PER_ACCOUNT_MAX {
        home.db.add_webhook(ada, settings("https://a.example"), watched()).await.unwrap();
    }
    let refused = home.db.add_webhook(ada, settings("https://a.example"), watched()).await;
    assert!(matches!(refused, Err(Error::Conflict { .. })));
    let many = (0_i64..).take(WEBHOOK_WATCHED_MAX + 1).map(|id| WatchTarget::Account(AccountId(id)));
    let refused = home.db.set_webhook(ada, hook.id, settings("https://a.example"), many.collect()).await;
    assert!(matches!(refused, Err(Error::Conflict { .. })));
    home.db.delete_webhook(ada, hook.id).await.unwrap();
    assert_eq!(home.db.webhooks(ada).await.unwrap().len(), WEBHOOKS_PER_ACCOUNT_MAX - 1);
}

#[tokio::test]
async fn who_watches_discussions_is_told_of_them_alone() {
    let home = Home::open().await;
    let ada = home.user("ada").await;
    let repo = home.repo("acme/a").await;
    let watched = || vec![WatchTarget::Repo(repo.id)];
    let talk_only = || WebhookSettings { repo_events: false, ..settings("https://a.example") };
    let talk = home.db.add_webhook(ada, talk_only(), watched()).await.unwrap();
    let pushes = WebhookSettings { talk_events: false, ..settings("https://b.example") };
    let pushes = home.db.add_webhook(ada, pushes, watched()).await.unwrap();
    let new = |title: &str, text: &str| NewDiscussion {
        repo: repo.id,
        author: ada,
        title: title.to_owned(),
        text: text.to_owned(),
    };
    home.db.add_discussion(new("hello", "world")).await.unwrap();
    home.push(push_of(&repo, vec![update("refs/heads/main", 0, 1)])).await;
    let at = DiscussionAt { repo: repo.id, num: 1 };
    let Talked::Done(comment) = home.db.add_comment(at, ada, "what?".to_owned()).await.unwrap() else {
        panic!()
    };
    home.db.set_discussion_status(at, ada, DiscussionStatus::Closed, None).await.unwrap();
    // What was said is told as it was when it was said.
    home.db.hide_comment(EventAt { discussion: at, id: comment.id }).await.unwrap();
    // Nothing is told of what was not done, and nobody of what was before they asked.
    home.db.add_comment(DiscussionAt { num: 9, ..at }, ada, "lost".to_owned()).await.unwrap();
    home.pass_seconds(1);
    let late = home.db.add_webhook(ada, talk_only(), watched()).await.unwrap();
    let said: Vec<(bool, String, Option<Option<String>>)> = told(&home, talk.id)
        .await
        .iter()
        .map(|told| serde_json::from_str::<Talk>(told).unwrap())
        .map(|talk| (talk.is_new, talk.status, talk.comment.map(|comment| comment.text)))
        .collect();
    let expected = [
        (true, "open", None),
        (true, "open", Some(Some("what?".to_owned()))),
        (false, "closed", None),
        (false, "closed", Some(None)),
    ];
    assert_eq!(said, expected.map(|(is_new, status, text)| (is_new, status.to_owned(), text)));
    assert_eq!(told(&home, pushes.id).await, ["repo.refs"]);
    assert_eq!(told(&home, late.id).await, [""; 0]);

    // Those who wait are woken, and by nothing else of it.
    let (mut to_tell, mut facts) = (home.db.to_tell(), home.db.facts());
    let mut rang = || {
        let rang = (to_tell.has_changed().unwrap(), facts.has_changed().unwrap());
        to_tell.mark_unchanged();
        facts.mark_unchanged();
        rang
    };
    home.db.add_comment(at, ada, "well".to_owned()).await.unwrap();
    assert_eq!(rang(), (true, false));
    home.db.add_comment(DiscussionAt { num: 9, ..at }, ada, "lost".to_owned()).await.unwrap();
    assert_eq!(rang(), (false, false), "nothing was said");
    home.db.rename_repo(repo.id, "acme/b".parse().unwrap(), None).await.unwrap();
    assert_eq!(rang(), (true, true));
    queue(&home).await;

    // Where nobody watches, nothing is left.
    for hook in [talk.id, pushes.id, late.id] {
        home.db.delete_webhook(ada, hook).await.unwrap();
    }
    home.db.add_discussion(new("alone", "here")).await.unwrap();
    assert_eq!(rang(), (false, false));
    assert!(home.db.row("SELECT 1 FROM talk", args![]).await.unwrap().is_none());
}
