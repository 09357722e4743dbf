//! A hub dies between what it tells webhooks and noting that it told them.

use polder_tests::{Hub, Posted, Receiver, until};
use serde_json::json;

use crate::Place;

/// Where what webhooks are told is there and they are not told, or that is not noted.
pub(crate) const WEBHOOK: &[&str] = &["webhook.told", "discussion.opened"];

/// A push that was acknowledged is told, whenever the hub dies on the way; what is told twice has one name.
#[test]
fn a_webhook_is_told_of_every_push_although_the_hub_dies_after_the_push_and_while_telling() {
    let receiver = Receiver::start();
    let config = format!("[webhooks]\nhosts = [\"{}\"]", receiver.url(""));
    let mut place = Place::new(Hub::builder().config(&config).start());
    let work = place.work("acme/m");
    let hook = json!({"url": receiver.url("/"), "watched": [{"type": "org", "name": "acme"}]}).to_string();
    let path = "/api/settings/webhooks";
    place.hub.http().post(path, hook).bearer(&place.token.secret).send().expect(200);
    let delivery = |posted: &Posted| posted.header("x-polder-delivery").unwrap().to_owned();
    let mut expected = Vec::new();
    for (n, point) in ["push.committed", "webhook.told"].iter().enumerate() {
        place.hub.kill();
        place.arm(point);
        expected.push(work.commit_file("weights", &[u8::try_from(n).unwrap(); 10]));
        work.run(&["push", "-q", &place.url("acme/m"), "main"]);
        place.hub.wait_crash();
        place.hub.serve(None);
        let told = || receiver.posted().iter().filter(|one| told_of(one) == expected[n]).count();
        let times = if *point == "webhook.told" { 2 } else { 1 };
        until("the push is told", 30, || (told() >= times).then_some(()));
    }
    // The kill of the next round may come between an answer and its note, so any may come twice, under its one name.
    let mut named: Vec<(String, String)> =
        receiver.posted().iter().map(|one| (told_of(one), delivery(one))).collect();
    named.dedup();
    let new: Vec<&str> = named.iter().map(|(push, _)| push.as_str()).collect();
    assert_eq!(new, [&expected[0], &expected[1]]);
    assert_ne!(named[0].1, named[1].1);
    place.hub.fsck();
}

/// The same of what is said: once for each discussion, and none is passed over.
#[test]
fn a_webhook_is_told_of_every_discussion_although_the_hub_dies_when_it_is_just_there() {
    let receiver = Receiver::start();
    let config = format!("[webhooks]\nhosts = [\"{}\"]", receiver.url(""));
    let mut place = Place::new(Hub::builder().config(&config).start());
    place.work("acme/m");
    let secret = place.token.secret.clone();
    let post = |hub: &Hub, path: &str, body: serde_json::Value| {
        hub.http().post(path, body.to_string()).bearer(&secret).try_send()
    };
    let watched = json!({"url": receiver.url("/"), "domains": ["discussion"],
        "watched": [{"type": "org", "name": "acme"}]});
    post(&place.hub, "/api/settings/webhooks", watched).expect("an answer").expect(200);
    for (n, point) in ["discussion.opened", "webhook.told"].iter().enumerate() {
        place.hub.kill();
        place.arm(point);
        let body = json!({"title": format!("About {point}"), "description": "It matters."});
        post(&place.hub, "/api/models/acme/m/discussions", body);
        place.hub.wait_crash();
        place.hub.serve(None);
        let about =
            |posted: &Posted| posted.json()["discussion"]["num"].as_u64() == u64::try_from(n + 1).ok();
        until("the discussion is told", 30, || receiver.posted().iter().any(about).then_some(()));
    }
    let mut told: Vec<(u64, String)> = receiver
        .posted()
        .iter()
        .map(|one| {
            assert_eq!(one.json()["event"], json!({"action": "create", "scope": "discussion"}));
            let num = one.json()["discussion"]["num"].as_u64().unwrap();
            (num, one.header("x-polder-delivery").unwrap().to_owned())
        })
        .collect();
    told.dedup();
    assert_eq!(told.iter().map(|(num, _)| *num).collect::<Vec<_>>(), [1, 2], "each under one name: {told:?}");
    place.hub.fsck();
}

fn told_of(posted: &Posted) -> String {
    posted.json()["updatedRefs"][0]["newSha"].as_str().unwrap().to_owned()
}
