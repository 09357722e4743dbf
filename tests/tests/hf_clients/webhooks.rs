//! Webhooks: set up by the clients, told by the hub.

use polder_tests::{Hub, HubClient, LIBRARIES, Posted, Receiver, Work, until};
use serde_json::{Value, json};

use crate::Place;

/// A hub that may tell a receiver on this machine.
fn place() -> (Place, Receiver) {
    let receiver = Receiver::start();
    let config = format!("[webhooks]\nhosts = [\"{}\"]", receiver.url(""));
    (Place::with(Hub::builder().config(&config).start()), receiver)
}

const SET_UP: &str = r"
import sys
from huggingface_hub import HfApi, WebhookWatchedItem
from huggingface_hub.errors import HfHubHTTPError
endpoint, token, work, url = sys.argv[1:5]
ada = HfApi(endpoint=endpoint, token=token)
watched = [{'type': 'org', 'name': 'acme'}, WebhookWatchedItem(type='user', name='ada')]
hook = ada.create_webhook(url=url + 'first', watched=watched, domains=['repo'], secret='s3cret')
assert hook.url == url + 'first' and hook.domains == ['repo'] and hook.secret == 's3cret', hook
assert [(item.type, item.name) for item in hook.watched] == [('org', 'acme'), ('user', 'ada')], hook
assert not hook.disabled and ada.get_webhook(hook.id) == hook and ada.list_webhooks() == [hook]
assert ada.disable_webhook(hook.id).disabled and ada.get_webhook(hook.id).disabled
assert not ada.enable_webhook(hook.id).disabled
changed = ada.update_webhook(hook.id, url=url + 'hook', domains=['repo', 'discussions'])
assert changed.url == url + 'hook' and changed.domains == ['repo', 'discussions'], changed
assert changed.watched == hook.watched and changed.secret == 's3cret', changed
other = ada.create_webhook(url='https://example.org/x', watched=[{'type': 'model', 'name': 'acme/m'}])
assert other.domains == ['repo', 'discussions'] and other.secret is None, other
ada.delete_webhook(other.id)
assert ada.list_webhooks() == [changed]
def refused(status, call):
    try:
        call()
    except HfHubHTTPError as error:
        assert error.response.status_code == status, error
    else:
        raise AssertionError(status)
item = [{'type': 'model', 'name': 'acme/m'}]
refused(404, lambda: ada.get_webhook(other.id))
refused(404, lambda: ada.delete_webhook('never'))
refused(404, lambda: ada.create_webhook(url=url, watched=[{'type': 'model', 'name': 'acme/never'}]))
refused(400, lambda: ada.create_webhook(url='gopher://example.org/', watched=item))
refused(400, lambda: ada.create_webhook(url=url, watched=[]))
refused(400, lambda: ada.create_webhook(url=url, watched=item, domains=['weather']))
refused(401, lambda: HfApi(endpoint=endpoint, token=False).list_webhooks())
print(hook.id)
";

/// What a receiver does with the README in hand.
const CHECK: &str = r"
import hashlib, hmac, sys, time
from huggingface_hub import WebhookPayload
signature, delivery, body = sys.argv[4:7]
fields = dict(part.split('=', 1) for part in signature.split(','))
signed = f'{fields[chr(116)]}.{delivery}.{body}'.encode()
assert hmac.compare_digest(hmac.new(b's3cret', signed, hashlib.sha256).hexdigest(), fields['v1'])
assert abs(time.time() - int(fields['t'])) < 300
payload = WebhookPayload.model_validate_json(body)
assert payload.event.scope and payload.webhook.version == 3
";

fn scope(posted: &Posted) -> String {
    let body = posted.json();
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    format!(
        "{} {} {}",
        word(&body["event"]["action"]),
        word(&body["event"]["scope"]),
        word(&body["repo"]["name"])
    )
}

#[test]
fn a_webhook_that_a_client_sets_up_is_told_of_a_push_and_of_what_else_happens() {
    let Some(client) = HubClient::of("2.4.0") else { return };
    // The only one with pydantic, by which receivers read payloads.
    let Some(reader) = HubClient::of(LIBRARIES) else { return };
    let (place, receiver) = place();
    place.hub.repo("acme/m");
    let args = [receiver.url("/")];
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let id = client.script(&place.hub, &place.ada, place.dir.path(), SET_UP, &args).ok();

    let work = Work::new();
    let commit = work.commit_file("README.md", b"# M\n");
    work.ok(&["tag", "v1"]);
    work.ok(&["push", "-q", &place.hub.repo_url_as("acme/m", &place.ada), "main", "v1"]);
    until("the push is told", 60, || (receiver.posted().len() == 1).then_some(()));
    let posted = receiver.posted().remove(0);
    assert_eq!(posted.path, "/hook");
    assert_eq!(posted.header("x-webhook-secret"), Some("s3cret"));
    let body = posted.json();
    assert_eq!(body["event"], json!({"action": "update", "scope": "repo.content"}));
    assert_eq!(body["webhook"], json!({"id": id.trim(), "version": 3}));
    assert_eq!((&body["repo"]["name"], &body["repo"]["headSha"]), (&json!("acme/m"), &json!(commit)));
    let updated = |name: &str| json!({"ref": name, "oldSha": null, "newSha": commit});
    assert_eq!(body["updatedRefs"], json!([updated("refs/heads/main"), updated("refs/tags/v1")]));
    assert_eq!(body["repo"]["url"]["web"], json!(place.hub.url("acme/m")));

    place.create("dataset", "d");
    place.hub.cli(&["repo", "visibility", "acme/m", "private"]).ok();
    place.hub.cli(&["repo", "rename", "acme/m", "acme/n"]).ok();
    place.hub.cli(&["repo", "delete", "acme/n"]).ok();
    until("all is told", 60, || (receiver.posted().len() == 6).then_some(()));
    let scopes: Vec<String> = receiver.posted().iter().map(scope).collect();
    let expected = [
        "update repo.content acme/m",
        "create repo acme/d",
        "update repo.content acme/d",
        "update repo.config acme/m",
        "move repo acme/m",
        "delete repo acme/n",
    ];
    // Each names the repository as it is when it is told, but a move what it was.
    assert_eq!(scopes.len(), expected.len());
    for (scope, expected) in scopes.iter().zip(expected) {
        assert!(scope == expected || *scope == expected.replace("acme/m", "acme/n"), "{scopes:?}");
    }
    for posted in receiver.posted() {
        let header = |name: &str| posted.header(name).unwrap().to_owned();
        let args = [header("x-polder-signature"), header("x-polder-delivery"), posted.body.clone()];
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        reader.script(&place.hub, &place.ada, place.dir.path(), CHECK, &args).ok();
    }
    let log = place.hub.log();
    assert!(!log.contains("s3cret"), "{log}");
}

#[test]
fn a_receiver_on_this_machine_that_the_operator_did_not_name_is_never_reached() {
    let receiver = Receiver::start();
    let place = Place::new();
    place.hub.repo("acme/m");
    let watched = json!([{"type": "model", "name": "acme/m"}]);
    let body = json!({"url": receiver.url("/hook"), "watched": watched, "domains": ["repo"]});
    let answer = place.ask("POST", "/api/settings/webhooks", &body).expect(200).json();
    let id = answer["webhook"]["id"].as_str().unwrap().to_owned();
    let work = Work::new();
    work.commit_file("README.md", b"# M\n");
    work.ok(&["push", "-q", &place.hub.repo_url_as("acme/m", &place.ada), "main"]);
    let path = format!("/api/settings/webhooks/{id}");
    let error = until("it is disabled", 60, || {
        let shown = place.ask("GET", &path, &json!({})).expect(200).json();
        (shown["webhook"]["disabled"] == json!(true)).then(|| shown["webhook"]["lastError"].to_string())
    });
    assert!(error.contains("is not at a public address"), "{error}");
    assert_eq!(receiver.posted(), []);
}

const TALK: &str = r"
import sys
from huggingface_hub import HfApi
endpoint, token, work, url = sys.argv[1:5]
ada = HfApi(endpoint=endpoint, token=token)
ada.create_webhook(url=url, watched=[{'type': 'model', 'name': 'acme/m'}], domains=['discussions'])
opened = ada.create_discussion('acme/m', title='A question', token=token)
ada.comment_discussion('acme/m', opened.num, comment='An answer')
ada.rename_discussion('acme/m', opened.num, new_title='A good question')
ada.change_discussion_status('acme/m', opened.num, new_status='closed')
pull = ada.upload_file(path_or_fileobj=b'x', path_in_repo='x.txt', repo_id='acme/m', create_pr=True)
ada.change_discussion_status('acme/m', pull.pr_num, new_status='open')
ada.merge_pull_request('acme/m', pull.pr_num)
";

#[test]
fn who_watches_discussions_is_told_of_what_is_said_and_becomes_of_them() {
    let Some(client) = HubClient::of("2.4.0") else { return };
    let Some(reader) = HubClient::of(LIBRARIES) else { return };
    let (place, receiver) = place();
    place.create("model", "m");
    let url = receiver.url("/talk");
    client.script(&place.hub, &place.ada, place.dir.path(), TALK, &[&url]).ok();
    let expected = [
        "create discussion acme/m",
        "create discussion.comment acme/m",
        "update discussion acme/m",
        "update discussion acme/m",
        "create discussion acme/m",
        "update discussion acme/m",
        "update discussion acme/m",
    ];
    until("all is told", 60, || (receiver.posted().len() == expected.len()).then_some(()));
    let posted = receiver.posted();
    assert_eq!(posted.iter().map(scope).collect::<Vec<_>>(), expected);
    let said = posted[1].json();
    assert_eq!((&said["comment"]["content"], &said["discussion"]["num"]), (&json!("An answer"), &json!(1)));
    assert_eq!(posted[2].json()["discussion"]["title"], "A good question");
    assert_eq!(posted[3].json()["discussion"]["status"], "closed");
    let merged = posted[6].json();
    assert_eq!(merged["discussion"]["status"], "merged");
    assert!(merged["discussion"]["changes"]["mergeCommitId"].is_string(), "{merged}");
    let read = "import sys\nfrom huggingface_hub import WebhookPayload\nWebhookPayload.model_validate_json(sys.argv[4])";
    for posted in &posted {
        let body = posted.json().to_string();
        reader.script(&place.hub, &place.ada, place.dir.path(), read, &[&body]).ok();
    }
}
