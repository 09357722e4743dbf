//! Repositories that were taken down: their writers are told, all others find none.

use polder_tests::{HubClient, Work};

use crate::Place;

const DISABLED: &str = include_str!("disabled.py");

fn told_apart(version: &str) {
    let Some(client) = HubClient::of(version) else { return };
    let place = Place::new();
    let (hub, work) = (&place.hub, Work::new());
    hub.repo("acme/down");
    work.commit_file("README.md", b"# A model\n");
    work.ok(&["push", "-q", &hub.repo_url_as("acme/down", &place.ada), "main"]);
    let ann = hub.user("ann", "write");
    hub.cli(&["takedown", "acme/down", "--reason", "a claim"]).ok();
    client.script(hub, &place.ada, place.dir.path(), DISABLED, &[&ann.secret]).ok();

    let told = work.run(&["clone", "-q", &hub.repo_url_as("acme/down", &place.ada), "clone"]).fails();
    assert!(told.contains("the operator of this hub took `acme/down` down: a claim"), "{told}");
    let told = work.run(&["clone", "-q", &hub.repo_url_as("acme/down", &ann), "clone"]).fails();
    assert!(told.contains("not found") && !told.contains("claim"), "{told}");
}

/// Check 34.
#[test]
fn huggingface_hub_2_4_tells_writers_that_a_repository_is_disabled() {
    told_apart("2.4.0");
}

#[test]
fn huggingface_hub_0_36_tells_writers_that_a_repository_is_disabled() {
    told_apart("0.36.2");
}
