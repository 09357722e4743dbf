//! The description at `/.well-known/openapi.json` against the server, by schemathesis.

use polder_tests::{LargeObject, program, run, skip, workspace_root};
use serde_json::json;

use crate::Place;

const HOOKS: &str = include_str!("schemathesis.py");
/// What an answer must be: no failure of the server, and as the description has it.
const CHECKS: &str =
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance";

/// The addresses of the CAS, which take other tokens.
const OF_CAS: &str = "^/(cas|v1)/";

/// Asks for everything in the description that the option lets through, with this token and these parameters of
/// paths, and with others where none is given.
fn ask_for(option: &str, token: &str, place: &Place, parameters: &[(&str, &str)], examples: &str) {
    let schemathesis = workspace_root().join(".tools/schemathesis/bin/schemathesis");
    let dir = place.dir.path();
    std::fs::write(dir.join("hooks.py"), HOOKS).unwrap();
    let lines = parameters.iter().map(|(name, value)| format!("\"path.{name}\" = \"{value}\"\n"));
    let config = ["[parameters]\n".to_owned()].into_iter().chain(lines).collect::<String>();
    std::fs::write(dir.join("schemathesis.toml"), config).unwrap();
    let token = format!("Authorization: Bearer {token}");
    let mut command = program("/usr/bin/timeout");
    command
        .args(["-k", "5", "120"])
        .arg(schemathesis)
        .args(["--config-file", "schemathesis.toml", "run", &place.hub.url(".well-known/openapi.json")])
        .args([option, OF_CAS])
        .args(["--header", &token, "--checks", CHECKS, "--phases", "coverage,fuzzing"])
        .args(["--max-examples", examples, "--seed", "1", "--continue-on-failure", "--no-color"])
        .args(["--warnings", "off", "--request-timeout", "30"])
        .current_dir(dir)
        .env("HOME", dir)
        .env("SCHEMATHESIS_HOOKS", "hooks.py")
        .env("PYTHONDONTWRITEBYTECODE", "1");
    let said = run(&mut command).ok();
    assert!(said.contains("✅ Coverage") && said.contains("✅ Fuzzing"), "{said}");
}

/// Asks for everything but the CAS.
fn ask_for_everything(place: &Place, parameters: &[(&str, &str)], examples: &str) {
    ask_for("--exclude-path-regex", &place.ada.secret, place, parameters, examples);
}

/// Reads and writes, with a token that may: of a repository that is there, and of whatever comes to mind.
#[test]
fn every_answer_is_as_the_description_has_it() {
    if !workspace_root().join(".tools/schemathesis/bin/schemathesis").exists() {
        skip("no .tools/schemathesis");
        return;
    }
    let place = Place::new();
    place.create("dataset", "m");
    let file = |path: &str| json!({"key": "file", "value": {"path": path, "content": "# Hi\n", "encoding": "utf-8"}});
    let lines = [json!({"key": "header", "value": {"summary": "Begin"}}), file("README.md"), file("d/a.txt")];
    let body: String = lines.iter().flat_map(|line| [line.to_string(), "\n".to_owned()]).collect();
    let commit = "/api/datasets/acme/m/commit/main";
    place.hub.http().post(commit, body).bearer(&place.ada.secret).send().expect(200);
    let hook = json!({"url": "https://example.org/", "watched": [{"type": "org", "name": "acme"}]});
    let hook = place.ask("POST", "/api/settings/webhooks", &hook).expect(200).json()["webhook"]["id"].clone();
    let talk = "/api/datasets/acme/m/discussions";
    place.ask("POST", talk, &json!({"title": "A question", "description": "there"})).expect(200);
    let talk = place.ask("GET", &format!("{talk}/1"), &json!({})).expect(200).json();
    let collection = json!({"title": "Some", "namespace": "acme"});
    let collection = place.ask("POST", "/api/collections", &collection).expect(200).json()["slug"].clone();
    let slug = collection.as_str().and_then(|slug| slug.strip_prefix("acme/")).unwrap();
    let item = json!({"item": {"type": "dataset", "id": "acme/m"}});
    let items = format!("/api/collections/acme/{slug}/items");
    let item = place.ask("POST", &items, &item).expect(200).json()["items"][0]["_id"].clone();
    let known = [
        ("type", "datasets"),
        ("prefix", "datasets"),
        ("namespace", "acme"),
        ("repo", "m"),
        ("user", "ada"),
        ("org", "acme"),
        ("revision", "main"),
        ("path", "README.md"),
        ("folder", "d"),
        ("id", hook.as_str().unwrap()),
        ("num", "1"),
        ("comment", talk["events"][0]["id"].as_str().unwrap()),
        ("status", "pending"),
        ("slug", slug),
        ("item", item.as_str().unwrap()),
    ];
    ask_for_everything(&place, &known, "10");
    // Another first word would make an address of nobody's.
    let repo = [("prefix", "datasets"), ("namespace", "acme"), ("repo", "m")];
    ask_for_everything(&place, &repo, "5");
    place.hub.fsck();
}

/// The same of the CAS, with a token to write: a file that is there, and whatever comes to mind.
#[test]
fn every_answer_of_the_cas_is_as_the_description_has_it() {
    if !workspace_root().join(".tools/schemathesis/bin/schemathesis").exists() {
        skip("no .tools/schemathesis");
        return;
    }
    let place = Place::new();
    place.create("model", "m");
    let object = LargeObject::random(7, 200_000);
    object.upload(place.hub.http(), "acme/m", &place.ada);
    let lines = [
        json!({"key": "header", "value": {"summary": "Add"}}),
        json!({"key": "lfsFile", "value": {"path": "f.bin", "algo": "sha256", "oid": object.oid, "size": 200_000}}),
    ];
    place.commit("acme/m", &lines).expect(200);
    let head = place.hub.http().head("/acme/m/resolve/main/f.bin").send().expect(200);
    let file = head.header("x-xet-hash").expect("announced");
    let token = place.ask("GET", "/api/models/acme/m/xet-write-token/main", &json!({})).expect(200).json();
    let token = token["accessToken"].as_str().unwrap();
    ask_for("--include-path-regex", token, &place, &[("file", file), ("pool", "default")], "20");
    place.hub.fsck();
}
