//! Commits as they go over the wire.

use polder_tests::{LargeObject, Memory, Work, base64};
use serde_json::{Value, json};

use crate::Place;

fn header(summary: &str) -> Value {
    json!({"key": "header", "value": {"summary": summary, "description": ""}})
}

fn file(path: &str, content: &str) -> Value {
    json!({"key": "file", "value": {"path": path, "content": base64(content.as_bytes()), "encoding": "base64"}})
}

fn place() -> Place {
    let place = Place::new();
    place.create("model", "m");
    place
}

fn tip(place: &Place) -> String {
    place.hub.http().get("/api/models/acme/m").send().expect(200).json()["sha"].as_str().unwrap().to_owned()
}

#[test]
fn a_commit_sent_twice_is_one_commit() {
    let place = place();
    let parent = tip(&place);
    let mut lines = vec![header("Once"), file("a.txt", "a")];
    lines[0]["value"]["parentCommit"] = json!(parent);
    let first = place.commit("acme/m", &lines).expect(200).json();
    let again = place.commit("acme/m", &lines).expect(200).json();
    assert_eq!(first["commitOid"], again["commitOid"]);
    assert_eq!(tip(&place), first["commitOid"]);
    // Without a parent too: nothing would change.
    let third = place.commit("acme/m", &[header("Once"), file("a.txt", "a")]).expect(200).json();
    assert_eq!(third["commitOid"], first["commitOid"]);
    // Another commit on the old parent is stale.
    lines[1] = file("a.txt", "b");
    let told = place.commit("acme/m", &lines).expect(412).json();
    assert!(told["error"].as_str().unwrap().contains("not at the given parent"), "{told}");
}

/// Check 13, and storage.md §3.
#[test]
fn a_commit_that_names_what_is_not_there_changes_nothing() {
    let place = place();
    let before = tip(&place);
    let object = LargeObject::random(5, 1000);
    let large = |size: Value| json!({"key": "lfsFile", "value": {"path": "w.bin", "algo": "sha256", "oid": object.oid, "size": size}});
    let delete = json!({"key": "deletedFile", "value": {"path": "never"}});
    let folder = json!({"key": "deletedFolder", "value": {"path": "never/"}});
    let copy = json!({"key": "copyFile", "value": {"path": "x", "srcPath": "never", "srcRevision": "main"}});
    for (line, status, code) in [
        (large(json!(1000)), 400, None),
        (large(Value::Null), 400, None),
        (delete, 404, Some("EntryNotFound")),
        (folder, 404, Some("EntryNotFound")),
        (copy, 404, Some("EntryNotFound")),
        (file("../up", "x"), 400, None),
        (file(".git/config", "x"), 400, None),
        (json!({"key": "unknown", "value": {}}), 400, None),
        (json!({"key": "file", "value": {"path": "x", "content": "?", "encoding": "base64"}}), 400, None),
        (header("twice"), 400, None),
    ] {
        let answer = place.commit("acme/m", &[header("Bad"), file("good.txt", "x"), line.clone()]);
        assert_eq!(
            (answer.status, answer.header("x-error-code")),
            (status, code),
            "{line}: {}",
            answer.text()
        );
        assert_eq!(tip(&place), before, "{line}");
    }
    place.commit("acme/m", &[file("a", "a")]).expect(400);
    place.commit("acme/m", &[]).expect(400);
    let answer = place.hub.http().post("/api/models/acme/m/commit/never", format!("{}\n", header("x")));
    let answer = answer.bearer(&place.ada.secret).send();
    assert_eq!((answer.status, answer.header("x-error-code")), (404, Some("RevisionNotFound")));
}

/// Rule 8 of what is accepted with Xet, and of everything else: the object is there, and is not so long.
#[test]
fn a_pointer_with_another_size_than_its_object_has_is_refused_by_commit_and_by_push() {
    let place = place();
    let object = LargeObject::random(7, 1000);
    object.upload(place.hub.http(), "acme/m", &place.ada);
    let before = tip(&place);
    let large = |size: usize| {
        let value = json!({"path": "w.bin", "algo": "sha256", "oid": object.oid, "size": size});
        [header("Large"), json!({"key": "lfsFile", "value": value})]
    };
    let work = Work::new();
    let url = place.hub.repo_url_as("acme/m", &place.ada);
    for size in [999, 1001] {
        let told = place.commit("acme/m", &large(size)).expect(400).text();
        assert!(told.contains("`w.bin`") && told.contains(&object.oid), "{told}");
        work.write("w.bin", object.pointer().replace("size 1000", &format!("size {size}")).as_bytes());
        work.commit(&format!("size {size}"));
        let told = work.run(&["push", &url, "HEAD:other"]).fails();
        assert!(told.contains("the pointer `w.bin` gives a wrong size"), "{told}");
        assert_eq!(tip(&place), before);
    }
    place.hub.http().get("/api/models/acme/m/revision/other").send().expect(404);
    place.commit("acme/m", &large(1000)).expect(200);
}

#[test]
fn commits_at_the_same_time_without_a_parent_are_all_kept() {
    const COMMITS: usize = 16;
    let place = place();
    std::thread::scope(|scope| {
        for n in 0..COMMITS {
            let place = &place;
            scope.spawn(move || {
                let lines = [header(&format!("Add {n}")), file(&format!("d/{n}.txt"), &n.to_string())];
                place.commit("acme/m", &lines).expect(200);
            });
        }
    });
    let tree = place.hub.http().get("/api/models/acme/m/tree/main/d").send().expect(200).json();
    assert_eq!(tree.as_array().unwrap().len(), COMMITS);
    let log = place.hub.http().get("/api/models/acme/m/commits/main").send().expect(200).json();
    assert_eq!(log.as_array().unwrap().len(), COMMITS + 1, "and each is a commit of its own");
}

/// Source: git-lfs smudges what `.gitattributes` says, whoever wrote the commit.
#[test]
fn a_pointer_is_told_to_git_in_the_same_commit() {
    let place = place();
    let object = LargeObject::random(6, 1000);
    object.upload(place.hub.http(), "acme/m", &place.ada);
    let large = |path: &str| json!({"key": "lfsFile", "value": {"path": path, "algo": "sha256", "oid": object.oid, "size": 1000}});
    let raw = || {
        let answer = place.hub.http().get("/acme/m/raw/main/.gitattributes").send();
        answer.text().lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let before = raw();
    place.commit("acme/m", &[header("Known"), large("a.bin"), large("deep/a.safetensors")]).expect(200);
    assert_eq!(raw(), before, "these are covered");
    place.commit("acme/m", &[header("Unknown"), large("x/a b.txt")]).expect(200);
    let line = "/x/a[[:space:]]b.txt filter=lfs diff=lfs merge=lfs -text".to_owned();
    assert_eq!(raw(), [before.clone(), vec![line]].concat());
    // The author's own file in the same commit counts, and keeps its other lines.
    let own = file(".gitattributes", "*.bin -filter\n*.md text");
    place.commit("acme/m", &[header("Own"), own, large("b.bin")]).expect(200);
    let line = "/b.bin filter=lfs diff=lfs merge=lfs -text".to_owned();
    assert_eq!(raw(), ["*.bin -filter".to_owned(), "*.md text".to_owned(), line]);
}

#[test]
fn an_empty_repository_takes_its_first_commit() {
    let place = Place::new();
    place.hub.repo("acme/empty");
    let info = place.hub.http().get("/api/models/acme/empty").send().expect(200).json();
    assert_eq!((&info["sha"], &info["siblings"]), (&Value::Null, &json!([])));
    let tree = place.hub.http().get("/api/models/acme/empty/tree/main").send().expect(200).json();
    assert_eq!(tree, json!([]));
    place.ask("POST", "/api/models/acme/empty/preupload/main", &json!({"files": []})).expect(200);
    place.commit("acme/empty", &[header("First"), file("a.txt", "a")]).expect(200);
    let tree = place.hub.http().get("/api/models/acme/empty/tree/main").send().expect(200).json();
    assert_eq!(tree[0]["path"], "a.txt");
}

/// Hundreds of megabytes of regular files in one commit, never more than one of them in memory.
#[test]
fn a_commit_of_many_megabytes_is_not_held_in_memory() {
    const FILES: usize = 30;
    const FILE_BYTES: usize = 6 << 20;
    const GROWTH_MIB_MAX: u64 = 120;
    let place = place();
    let mut body = format!("{}\n", header("Much")).into_bytes();
    for n in 0..FILES {
        let object = LargeObject::random(u64::try_from(n).unwrap() + 100, FILE_BYTES);
        let content = base64(&object.bytes);
        body.extend_from_slice(format!("{{\"key\":\"file\",\"value\":{{\"path\":\"f/{n}.txt\",\"encoding\":\"base64\",\"content\":\"{content}\"}}}}\n").as_bytes());
    }
    assert!(body.len() > 200 << 20);
    let memory = Memory::watch(place.hub.pid());
    let request = place.hub.http().post("/api/models/acme/m/commit/main", body).bearer(&place.ada.secret);
    request.within(120).send().expect(200);
    assert!(memory.growth_mib() < GROWTH_MIB_MAX, "{} MiB", memory.growth_mib());
    let tree = place.hub.http().get("/api/models/acme/m/tree/main/f?limit=1000").send().expect(200).json();
    assert_eq!(tree.as_array().unwrap().len(), FILES);
}
