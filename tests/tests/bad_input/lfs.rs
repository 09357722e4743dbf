//! LFS requests.

use polder_tests::LargeObject;
use serde_json::json;

use crate::place::{LFS_JSON, Place};

#[test]
fn lfs_requests_that_make_no_sense_are_refused_in_lfs_words() {
    let place = Place::new();
    let oid = "ab".repeat(32);
    let batch = |value: String| {
        place.post("info/lfs/objects/batch", LFS_JSON, value).header("Accept", LFS_JSON).send()
    };
    let objects = |n: usize| vec![json!({"oid": oid, "size": 1}); n];
    for (what, body, status) in [
        ("not JSON", "{".to_owned(), 400..=422),
        ("an array", "[]".to_owned(), 400..=422),
        ("nothing", String::new(), 400..=422),
        ("no operation", json!({"objects": objects(1)}).to_string(), 400..=422),
        ("another operation", json!({"operation": "steal", "objects": objects(1)}).to_string(), 400..=422),
        ("no objects", json!({"operation": "upload"}).to_string(), 400..=422),
        ("objects that are text", json!({"operation": "upload", "objects": "all"}).to_string(), 400..=422),
        (
            "another hash",
            json!({"operation": "upload", "hash_algo": "sha512", "objects": objects(1)}).to_string(),
            409..=409,
        ),
        ("1001 objects", json!({"operation": "upload", "objects": objects(1001)}).to_string(), 413..=413),
        ("5 MB", " ".repeat(5 << 20), 413..=413),
    ] {
        let answer = batch(body);
        assert!(status.contains(&answer.status), "{what}: {} {}", answer.status, answer.text());
        assert!(
            answer.json()["message"].as_str().is_some_and(|text| text.len() > 5),
            "{what}: {}",
            answer.text()
        );
        assert_eq!(answer.header("content-type"), Some(LFS_JSON), "{what}");
    }
    for object in [
        json!({"oid": "ab", "size": 1}),
        json!({"oid": "AB".repeat(32), "size": 1}),
        json!({"oid": format!("../../{}", &oid[6..]), "size": 1}),
        json!({"oid": oid, "size": -1}),
        json!({"oid": oid, "size": 1.5}),
        json!({"oid": oid, "size": u64::MAX}),
        json!({"oid": 7, "size": 1}),
        json!({"size": 1}),
        json!({}),
    ] {
        let answer = batch(json!({"operation": "upload", "objects": [object]}).to_string());
        if answer.status == 200 {
            let code = answer.json()["objects"][0]["error"]["code"].as_u64();
            assert!(code.is_some_and(|code| (400..500).contains(&code)), "{object}: {}", answer.text());
        } else {
            assert!((400..500).contains(&answer.status), "{object}: {}", answer.status);
        }
    }
    let object = LargeObject::random(1, 1000);
    let href = object.action(place.hub.http(), "acme/m", "upload", Some(&place.token)).unwrap();
    let put = place.hub.http().put(&href, object.bytes.clone()).header("Content-Encoding", "gzip").send();
    assert_eq!(put.status, 415, "{}", put.text());
    place.hub.http().request("DELETE", &href).send().expect(405);
    place.is_unchanged();
}
