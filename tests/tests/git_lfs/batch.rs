//! The batch API: every object is answered for itself.

use polder_tests::{LargeObject, Response, sha256_hex};
use serde_json::{Value, json};

use crate::place::Place;

const LFS_JSON: &str = "application/vnd.git-lfs+json";
const TIB: u64 = 1 << 40;

fn batch(place: &Place, body: &Value) -> Response {
    let request = place.hub.http().post("/acme/m.git/info/lfs/objects/batch", body.to_string());
    let request = request.header("Accept", LFS_JSON).header("Content-Type", LFS_JSON);
    request.basic(&place.token.user, &place.token.secret).send()
}

fn codes(answer: &Value) -> Vec<u64> {
    let objects = answer["objects"].as_array().expect("a list");
    objects.iter().map(|object| object["error"]["code"].as_u64().unwrap_or(0)).collect()
}

#[test]
fn each_object_of_a_batch_is_answered_for_itself() {
    let place = Place::new();
    place.hub.repo("acme/m");
    let here = LargeObject::random(1, 1_000);
    here.upload(place.hub.http(), "acme/m", &place.token);
    let absent = sha256_hex(b"absent");
    let objects = json!([
        {"oid": here.oid, "size": 1_000},
        {"oid": absent, "size": 5},
        {"oid": here.oid, "size": 999},
        {"oid": absent, "size": 5},
        {"oid": absent, "size": -1},
        {"oid": absent, "size": 1.5},
        {"oid": absent, "size": 1e300},
        {"oid": absent, "size": u64::MAX},
        {"oid": absent, "size": TIB + 1},
        {"oid": absent, "size": "5"},
        {"oid": absent},
        {"oid": absent.to_uppercase(), "size": 5},
        {"oid": "../../../etc/passwd", "size": 5},
        {"oid": null, "size": 5},
        {"size": 5},
        {"oid": absent, "size": 0},
    ]);
    let ask = |operation: &str| batch(&place, &json!({"operation": operation, "objects": objects}));
    let upload = ask("upload").expect(200).json();
    let bad = [422; 11];
    assert_eq!(codes(&upload), [&[0, 0, 422, 0][..], &bad, &[0]].concat());
    assert_eq!(upload["objects"][0].get("actions"), None, "it is here");
    for at in [1, 3, 15] {
        assert!(upload["objects"][at]["actions"]["upload"]["href"].is_string(), "{at}");
        assert_eq!(upload["objects"][at]["oid"], absent);
    }
    let download = ask("download").expect(200).json();
    let expected: Vec<u64> = [&[0, 404, 422, 404, 422, 422, 422, 422, 404][..], &[422; 6], &[404]].concat();
    assert_eq!(codes(&download), expected);
    assert!(download["objects"][0]["actions"]["download"]["href"].is_string());
    assert_eq!(
        batch(&place, &json!({"operation": "upload", "objects": []})).expect(200).json()["objects"],
        json!([])
    );
}

/// The largest object there may be is more than the disk of most machines; it is refused by itself before
/// a byte of it is sent, and the small one beside it is not.
#[test]
fn an_object_that_the_disk_cannot_hold_is_refused_before_it_is_sent() {
    let place = Place::new();
    place.hub.repo("acme/m");
    let disk = rustix::fs::statvfs(place.hub.data()).expect("figures of the disk");
    let fits = disk.f_bavail * disk.f_frsize > TIB;
    let objects = json!([{"oid": "aa".repeat(32), "size": TIB}, {"oid": "bb".repeat(32), "size": 1}]);
    let answer = batch(&place, &json!({"operation": "upload", "objects": objects})).expect(200).json();
    assert_eq!(codes(&answer), [if fits { 0 } else { 507 }, 0]);
}

#[test]
fn what_is_wrong_with_the_request_itself_has_its_own_status() {
    let place = Place::new();
    place.hub.repo("acme/m");
    let one = json!([{"oid": "ab".repeat(32), "size": 1}]);
    let many: Vec<Value> = (0..1_001).map(|_| one[0].clone()).collect();
    for (body, status, word) in [
        (json!({"objects": one}), 422, "operation"),
        (json!({"operation": "delete", "objects": one}), 422, "download"),
        (json!({"operation": 7, "objects": one}), 422, "JSON"),
        (json!({"operation": "upload"}), 422, "objects"),
        (json!({"operation": "upload", "objects": {}}), 422, "JSON"),
        (json!({"operation": "upload", "objects": one, "hash_algo": "sha512"}), 409, "sha256"),
        (json!({"operation": "upload", "objects": many}), 413, "1000"),
        (json!([]), 422, "JSON"),
    ] {
        let answer = batch(&place, &body).expect(status);
        assert_eq!(answer.header("content-type"), Some(LFS_JSON));
        let message = answer.json()["message"].as_str().expect("text").to_owned();
        assert!(message.contains(word), "{message}");
    }
    for extra in [
        json!({"ref": {"name": "refs/heads/main"}}),
        json!({"ref": null, "transfers": null, "hash_algo": null}),
        json!({"ref": "main", "transfers": ["tus", "lfs-standalone-file", 7, null]}),
        json!({"transfers": [], "hash_algo": "sha256", "unknown": {"a": [1]}}),
    ] {
        let mut body = json!({"operation": "upload", "objects": one});
        let fields = extra.as_object().expect("an object").clone();
        body.as_object_mut().expect("an object").extend(fields);
        let answer = batch(&place, &body).expect(200).json();
        assert_eq!((&answer["transfer"], codes(&answer)), (&json!("basic"), vec![0]), "{extra}");
    }
    let body = json!({"operation": "upload", "objects": one}).to_string();
    let ask = |accept: &str| {
        let request = place.hub.http().post("/acme/m.git/info/lfs/objects/batch", body.clone());
        request.header("Accept", accept).basic("ada", &place.token.secret).send().status
    };
    assert_eq!((ask("text/html"), ask("application/json"), ask("*/*")), (406, 200, 200));
}
