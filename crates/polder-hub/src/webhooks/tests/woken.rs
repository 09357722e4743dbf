use std::time::Duration;

use polder_db::WEBHOOK_JOB;

use super::*;

async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let reached = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(30), reached).await;
    assert!(in_time.is_ok(), "{what}: not within half a minute");
}

/// By itself the hub would look again in an hour.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_in_a_discussion_and_what_is_pushed_wake_those_who_tell_of_it() {
    let place = Place::new().await;
    place.hook(&[("org", "acme")]).await;
    let hub = place.hub.clone();
    let telling = tokio::spawn(async move { hub.keep_telling_every(Duration::from_hours(1)).await });
    let grant = place.hub.read(&place.alice, &repo("acme/open")).await.unwrap();
    // What follows at once may be found by the look that follows each telling; not ten times in a row.
    for round in 1..=10 {
        place.hub.open_discussion(&grant, "a word", "text").await.unwrap();
        until(&format!("discussion {round}"), async || !place.receiver.take().is_empty()).await;
        until("all told", async || place.hub.db.next_job_due(WEBHOOK_JOB).await.unwrap().is_none()).await;
        place.commit("acme/open").await;
        until(&format!("push {round}"), async || !place.receiver.take().is_empty()).await;
        until("all told", async || place.hub.db.next_job_due(WEBHOOK_JOB).await.unwrap().is_none()).await;
    }
    telling.abort();
}
