//! `hf_xet` itself, called as its older and its careless users call it.

use polder_tests::{Hub, HubClient, LargeObject, Token};

use crate::Place;

const UPLOAD: &str = include_str!("hf_xet.py");

/// Sends a file with `hf_xet` and names it in a commit; the third argument is what is said to be its SHA-256.
fn upload(client: &HubClient, place: &Place, repo: &str, args: [&str; 3]) -> polder_tests::Done {
    client.script(&place.hub, &place.ada, place.dir.path(), UPLOAD, &[&[repo][..], &args].concat())
}

fn downloaded(client: &HubClient, place: &Place, repo: &str, file: &str) -> Vec<u8> {
    let url = place.hub.url("");
    let args = ["download", repo, file, "--local-dir", "back"];
    client.hf(url.trim_end_matches('/'), Some(&place.ada), place.dir.path(), &args).ok();
    std::fs::read(place.dir.path().join("back").join(file)).unwrap()
}

fn asked(hub: &Hub, path: &str) -> usize {
    hub.log().lines().filter(|line| line.contains("path=/cas") && line.contains(path)).count()
}

/// What `huggingface_hub` of before 1.20 would send if the hub chose Xet for it.
fn an_older_one(version: &str, paths: [&str; 2]) {
    let (Some(old), Some(new)) = (HubClient::of(version), HubClient::of("2.4.0")) else { return };
    let place = Place::new();
    place.create("model", "older");
    let object = LargeObject::random(81, 5_000_000);
    for (how, file) in [("files", "one.bin"), ("bytes", "other.bin")] {
        std::fs::write(place.dir.path().join(file), &object.bytes).unwrap();
        upload(&old, &place, "acme/older", [how, file, &object.oid]).ok();
        assert!(downloaded(&new, &place, "acme/older", file) == object.bytes, "{how}");
    }
    for path in paths {
        assert!(asked(&place.hub, path) > 0, "{path}: {}", place.hub.log());
    }
    assert!(asked(&place.hub, "/data/") > 0, "{}", place.hub.log());
    place.hub.fsck();
}

#[test]
fn hf_xet_1_1_uploads() {
    an_older_one("0.36.2", ["/xorbs/default/", "/shards "]);
}

#[test]
fn hf_xet_1_5_uploads() {
    an_older_one("1.19.0", ["/v1/xorbs/default/", "/shards "]);
}

/// X9: who says that theirs is the SHA-256 of another's object gets neither that object nor a name for theirs.
#[test]
fn a_forged_sha256_is_refused_by_name_and_so_is_the_commit_that_says_it() {
    let Some(client) = HubClient::of("2.4.0") else { return };
    let place = Place::new();
    let (theirs, own) = (LargeObject::random(82, 300_000), LargeObject::random(83, 300_000));
    let other = place.hub.user("other", "write");
    place.hub.cli(&["repo", "add", "other/secret", "--private"]).ok();
    theirs.upload(place.hub.http(), "other/secret", &other);
    place.create("model", "own");
    let tip = || place.hub.http().get("/api/models/acme/own").send().expect(200).json()["sha"].clone();
    let before = tip();
    std::fs::write(place.dir.path().join("w.bin"), &own.bytes).unwrap();
    let told = upload(&client, &place, "acme/own", ["forged", "w.bin", &theirs.oid]).fails();
    let (sent, named) = told.split_once("400 ").expect("the commit is refused");
    assert!(sent.contains("refused:") && sent.contains("have another SHA-256"), "{told}");
    assert!(named.contains(&theirs.oid) && named.contains("w.bin"), "{told}");
    assert_eq!((tip(), place.hub.stored_objects().len()), (before, 1));

    upload(&client, &place, "acme/own", ["bytes", "w.bin", &own.oid]).ok();
    assert!(downloaded(&client, &place, "acme/own", "w.bin") == own.bytes);
    place.hub.fsck();
}

/// X8: where the client remembers what another account of its machine sent, it sends nothing but where that is. The
/// hub's own answer keeps those memories apart; this one is of clients that are told the same address.
#[test]
fn an_xorb_that_the_client_remembers_of_another_account_cannot_be_named() {
    let Some(client) = HubClient::of("2.4.0") else { return };
    let place = Place::new();
    let other = place.hub.user("other", "write");
    place.hub.cli(&["repo", "add", "acme/secret", "--private"]).ok();
    place.hub.repo("other/own");
    let object = LargeObject::random(84, 3_000_000);
    std::fs::write(place.dir.path().join("w.bin"), &object.bytes).unwrap();
    let send = |token: &Token, repo: &str| {
        let args = [repo, "bare", "w.bin", &object.oid];
        client.script(&place.hub, token, place.dir.path(), UPLOAD, &args)
    };
    send(&place.ada, "acme/secret").ok();
    let (xorbs, kept) = (asked(&place.hub, "/v1/xorbs/"), place.hub.stored_objects());
    assert!(xorbs > 0);
    let told = send(&other, "other/own").fails();
    assert!(told.contains("xorb ") && told.contains(" is not known"), "{told}");
    assert_eq!((asked(&place.hub, "/v1/xorbs/"), place.hub.stored_objects()), (xorbs, kept));
    let tree = place.hub.http().get("/api/models/other/own/tree/main").send().expect(200).text();
    assert!(!tree.contains("w.bin"), "{tree}");
}
