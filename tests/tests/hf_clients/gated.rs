//! Gated repositories: seen by all, read by those who were given access.

use polder_tests::{Client, HubClient, LargeObject, Work, have};
use serde_json::json;

use crate::Place;

const GATED: &str = include_str!("gated.py");

/// A public repository with a card and a large file.
fn filled(object: &LargeObject) -> Place {
    let place = Place::new();
    place.hub.repo("acme/gated");
    object.upload(place.hub.http(), "acme/gated", &place.ada);
    let work = Work::new();
    work.write(".gitattributes", b"*.bin filter=lfs diff=lfs merge=lfs -text\n");
    work.write("weights.bin", object.pointer().as_bytes());
    work.commit_file("README.md", b"---\nlicense: mit\n---\n# A model\n");
    work.ok(&["push", "-q", &place.hub.repo_url_as("acme/gated", &place.ada), "main"]);
    place
}

fn whole_flow(version: &str, with_xet: bool) {
    let Some(client) = HubClient::of(version) else { return };
    let client = if with_xet { client } else { client.without_xet() };
    let object = LargeObject::random(31, 300_000);
    let place = filled(&object);
    let (ann, bob) = (place.hub.user("ann", "read"), place.hub.user("bob", "read"));
    let args = [ann.secret.as_str(), bob.secret.as_str(), "300000"];
    client.script(&place.hub, &place.ada, place.dir.path(), GATED, &args).ok();
    assert_eq!(place.hub.log().contains("/cas/data/"), with_xet);
}

/// Check 33.
#[test]
fn huggingface_hub_2_4_asks_waits_and_reads() {
    whole_flow("2.4.0", false);
}

#[test]
fn huggingface_hub_2_4_asks_waits_and_reads_chunk_by_chunk() {
    whole_flow("2.4.0", true);
}

#[test]
fn huggingface_hub_0_36_asks_waits_and_reads() {
    whole_flow("0.36.2", false);
}

#[test]
fn git_and_git_lfs_are_refused_until_access_is_given_and_hashes_open_nothing() {
    if !have(&[Client::GitLfs]) {
        return;
    }
    let object = LargeObject::random(32, 200_000);
    let place = filled(&object);
    let hub = &place.hub;
    let ann = hub.user("ann", "write");
    hub.cli(&["repo", "gate", "acme/gated", "manual"]).ok();
    let work = Work::new();
    let told = work.run(&["clone", "-q", &hub.repo_url("acme/gated"), "clone"]).fails();
    assert!(told.contains("could not read Username"), "{told}");
    let told = work.run(&["clone", "-q", &hub.repo_url_as("acme/gated", &ann), "clone"]).fails();
    assert!(told.contains("`acme/gated` is gated: ask for access at"), "{told}");

    // Who knows a hash from the listing gets nothing for it elsewhere either.
    hub.repo("ann/own");
    let objects = [json!({"oid": object.oid, "size": object.bytes.len()})];
    let batch = json!({"operation": "upload", "transfers": ["basic"], "objects": objects}).to_string();
    let batch = || {
        let request =
            hub.http().post("/ann/own.git/info/lfs/objects/batch", batch.clone()).bearer(&ann.secret);
        let media = "application/vnd.git-lfs+json";
        request.header("Content-Type", media).header("Accept", media).send().expect(200).json()
    };
    assert!(batch()["objects"][0]["actions"]["upload"].is_object());

    hub.http().post("/api/models/acme/gated/user-access-request", "").bearer(&ann.secret).send().expect(200);
    let listed = hub.cli(&["repo", "requests", "acme/gated"]).ok();
    assert!(listed.contains("ann") && listed.contains("pending"), "{listed}");
    hub.cli(&["repo", "requests", "acme/gated", "--accept", "ann"]).ok();
    work.ok(&["clone", "-q", &hub.repo_url_as("acme/gated", &ann), "clone"]);
    let clone = work.path().join("clone");
    work.git.ok(&clone, &["lfs", "install", "--local"]);
    work.git.ok(&clone, &["lfs", "pull"]);
    assert!(std::fs::read(clone.join("weights.bin")).unwrap() == object.bytes);
    assert!(batch()["objects"][0]["actions"].is_null(), "whoever may read it need not send it");
    let told = work.git.run(&clone, &["push", "-q", "origin", "HEAD:x"]).fails();
    assert!(told.contains("you may not write"), "{told}");
    hub.cli(&["repo", "requests", "acme/gated", "--reject", "ann"]).ok();
    std::fs::remove_dir_all(clone.join(".git/lfs")).unwrap();
    for refused in [&["fetch", "-q"][..], &["lfs", "fetch"]] {
        let told = work.git.run(&clone, refused).fails();
        assert!(told.contains("is gated: ask for access at"), "{told}");
    }
    hub.cli(&["repo", "gate", "acme/gated", "off"]).ok();
    work.ok(&["clone", "-q", &hub.repo_url("acme/gated"), "again"]);
}
