//! Objects that arrive in parts: by the clients of Hugging Face, by hand, and against those who cheat.

use polder_tests::{Client, Hub, LargeObject, Response, Work, have, python, until, workspace_root};
use serde_json::{Value, json};

use crate::place::Place;

const LFS_JSON: &str = "application/vnd.git-lfs+json";
const PART_BYTES: usize = 1 << 20;

const HUGGINGFACE_HUB: &str = r"
import sys
from huggingface_hub import CommitOperationAdd
from huggingface_hub.lfs import lfs_upload, post_lfs_batch_info
endpoint, repo, token, path = sys.argv[1:5]
add = CommitOperationAdd(path_in_repo='weights.bin', path_or_fileobj=path)
actions, errors, transfer = post_lfs_batch_info(
    [add.upload_info], token=token, repo_type='dataset', repo_id=repo, revision='main', endpoint=endpoint)
assert not errors, errors
lfs_upload(add, actions[0], token=token, endpoint=endpoint)
print(transfer, len(actions[0].get('actions', {}).get('upload', {}).get('header', {})))
";

/// What `hf lfs-multipart-upload` runs.
const AGENT: &str = "from huggingface_hub.cli.lfs import lfs_multipart_upload\nlfs_multipart_upload()\n";

/// A hub whose parts are 1 MiB.
fn place() -> Place {
    let hub = Hub::builder().config("[lfs]\npart-mib = 1\n").start();
    let token = hub.acme();
    let place = Place { hub, token };
    place.hub.repo("acme/m");
    place
}

/// An upload in parts as the batch API offers it, without host and port, which change with a restart.
struct Upload<'a> {
    object: &'a LargeObject,
    complete: String,
    parts: Vec<String>,
}

impl<'a> Upload<'a> {
    fn of(place: &Place, object: &'a LargeObject) -> Self {
        let body = json!({
            "operation": "upload", "transfers": ["basic", "multipart"],
            "objects": [{"oid": object.oid, "size": object.bytes.len()}],
        });
        let request = place.hub.http().post("/acme/m.git/info/lfs/objects/batch", body.to_string());
        let request = request.header("Accept", LFS_JSON).header("Content-Type", LFS_JSON);
        let answer = request.basic("ada", &place.token.secret).send().expect(200).json();
        assert_eq!(answer["transfer"], "multipart");
        let path = |url: &Value| {
            let url = url.as_str().expect("a URL");
            url[url.find("/acme/").expect("the repository")..].to_owned()
        };
        let action = &answer["objects"][0]["actions"]["upload"];
        let header = action["header"].as_object().expect("a map");
        assert_eq!(header["chunk_size"], PART_BYTES.to_string());
        let numbered = header.iter().filter(|(key, _)| *key != "chunk_size");
        let parts: Vec<String> = numbered.map(|(_, url)| path(url)).collect();
        assert_eq!(parts.len(), object.bytes.len().div_ceil(PART_BYTES));
        Self { object, complete: path(&action["href"]), parts }
    }

    fn bytes(&self, at: usize) -> &[u8] {
        self.object.bytes.chunks(PART_BYTES).nth(at).expect("a part")
    }

    /// Sends a part (from 0); its tag.
    fn put(&self, place: &Place, at: usize) -> String {
        let answer = place.hub.http().put(&self.parts[at], self.bytes(at)).send().expect(200);
        answer.header("etag").expect("a tag").to_owned()
    }

    fn completion(&self, tags: &[String]) -> Value {
        let parts: Vec<Value> =
            tags.iter().zip(1..).map(|(etag, number)| json!({"partNumber": number, "etag": etag})).collect();
        json!({"oid": self.object.oid, "parts": parts})
    }

    fn complete(&self, place: &Place, tags: &[String]) -> Response {
        self.complete_with(place, &self.completion(tags))
    }

    fn complete_with(&self, place: &Place, body: &Value) -> Response {
        let request = place.hub.http().post(&self.complete, body.to_string());
        request.header("Accept", LFS_JSON).header("Content-Type", LFS_JSON).send()
    }
}

fn is_served(place: &Place, object: &LargeObject) -> bool {
    match object.action(place.hub.http(), "acme/m", "download", Some(&place.token)) {
        Some(href) => place.hub.http().get(&href).send().expect(200).body == object.bytes,
        None => false,
    }
}

fn parts_left(place: &Place) -> Vec<String> {
    let files = place.hub.stored_files();
    files.into_iter().filter(|name| name.contains("uploads/") || name.contains("quarantine/")).collect()
}

#[test]
fn huggingface_hub_sends_a_large_file_in_parts() {
    if !have(&[Client::Python]) {
        return;
    }
    let place = place();
    place.hub.repo("datasets/acme/d");
    let work = Work::new();
    let send = |name: &str, object: &LargeObject| {
        let path = work.beside(name);
        std::fs::write(&path, &object.bytes).unwrap();
        let endpoint = place.hub.url("");
        let endpoint = endpoint.trim_end_matches('/');
        let args = [endpoint, "acme/d", &place.token.secret, path.to_str().unwrap()];
        python(&work.beside(""), HUGGINGFACE_HUB, &args).ok()
    };
    let large = LargeObject::random(1, 11 * PART_BYTES + 5);
    assert_eq!(send("large", &large), "multipart 13", "twelve parts and their size");
    assert_eq!(send("large", &large), "multipart 0", "it is here already: nowhere to send it");
    let small = LargeObject::random(2, PART_BYTES);
    assert_eq!(send("small", &small), "basic 0");
    for object in [&large, &small] {
        let href = object.action(place.hub.http(), "datasets/acme/d", "download", None).expect("an action");
        assert!(place.hub.http().get(&href).send().expect(200).body == object.bytes);
    }
    assert_eq!(parts_left(&place), Vec::<String>::new());
    place.hub.fsck();
}

/// git-lfs writes the map of headers anew on its way to the agent, and sorts it as texts: with more than nine
/// parts a number without leading zeros would put the tenth before the second.
#[test]
fn git_lfs_with_the_agent_of_hugging_face_sends_parts_in_their_order() {
    if !have(&[Client::GitLfs, Client::Python]) {
        return;
    }
    let place = place();
    let work = place.work("acme/m");
    let python = workspace_root().join(".tools/venv/bin/python");
    let agent = work.beside("agent.py");
    std::fs::write(&agent, AGENT).unwrap();
    work.ok(&["config", "lfs.customtransfer.multipart.path", python.to_str().unwrap()]);
    work.ok(&["config", "lfs.customtransfer.multipart.args", agent.to_str().unwrap()]);
    let (large, small) = (LargeObject::random(3, 12 * PART_BYTES + 1), LargeObject::random(4, 10));
    work.write("large.bin", &large.bytes);
    work.write("small.bin", &small.bytes);
    work.commit("Add weights");
    let mut push = work.git.command(&work.path(), &["push", "origin", "main"]);
    let done = polder_tests::run(push.env("GIT_TRACE", "1"));
    done.ok();
    assert!(done.stderr.contains("agent.py"), "{}", done.stderr);
    for object in [&large, &small] {
        assert!(is_served(&place, object));
    }
    assert_eq!(parts_left(&place), Vec::<String>::new());
    place.hub.fsck();
}

#[test]
fn parts_come_at_once_in_any_order_and_again() {
    let place = place();
    let object = LargeObject::random(5, 5 * PART_BYTES + 17);
    let upload = Upload::of(&place, &object);
    let mut tags: Vec<String> = std::thread::scope(|scope| {
        let sent: Vec<_> = (0..6)
            .rev()
            .map(|at| {
                scope.spawn({
                    let (u, p) = (&upload, &place);
                    move || u.put(p, at)
                })
            })
            .collect();
        sent.into_iter().rev().map(|one| one.join().expect("sent")).collect()
    });
    assert!(!is_served(&place, &object));
    let before = tags[2].clone();
    tags[2] = upload.put(&place, 2);
    assert_ne!(tags[2], before);
    let mut stale = tags.clone();
    stale[2] = before;
    upload.complete(&place, &stale).expect(422);
    upload.complete(&place, &tags).expect(200);
    upload.complete(&place, &tags).expect(200);
    assert!(is_served(&place, &object));
    assert_eq!(object.verify(place.hub.http(), "acme/m", &place.token).status, 200);
    assert_eq!(parts_left(&place), Vec::<String>::new());
    place.hub.fsck();
}

#[test]
fn an_upload_goes_on_after_a_crash_at_any_step_and_nothing_of_it_is_served_before_its_end() {
    let mut place = place();
    for (n, point) in (0..).zip(["lfs.part_kept", "lfs.assembled", "lfs.upload_forgotten"]) {
        let object = LargeObject::random(60 + n, 3 * PART_BYTES);
        let upload = Upload::of(&place, &object);
        let mut tags = vec![upload.put(&place, 0), upload.put(&place, 1)];
        place.hub.kill();
        place.hub.serve(Some(point));
        let died = if point == "lfs.part_kept" {
            place.hub.http().put(&upload.parts[2], upload.bytes(2)).try_send()
        } else {
            tags.push(upload.put(&place, 2));
            place.hub.http().post(&upload.complete, upload.completion(&tags).to_string()).try_send()
        };
        assert!(died.is_none(), "{point} was not reached");
        place.hub.wait_crash();
        place.hub.serve(None);
        assert_eq!(is_served(&place, &object), point == "lfs.upload_forgotten", "{point}");
        place.hub.fsck();
        if point == "lfs.part_kept" {
            tags.push(upload.put(&place, 2));
        }
        upload.complete(&place, &tags).expect(200);
        assert!(is_served(&place, &object), "{point}");
        until("the parts to go", 30, || parts_left(&place).is_empty().then_some(()));
        place.hub.fsck();
    }
}

/// Two large files are begun at once where only one has room. The second hears so with its first part, before
/// any of it is kept, and both sums stay right.
#[test]
fn parts_are_refused_where_the_namespace_has_no_room_for_the_whole() {
    let place = place();
    let (first, second) = (LargeObject::random(80, 3 * PART_BYTES), LargeObject::random(81, 3 * PART_BYTES));
    let [fits, does_not] = [&first, &second].map(|object| Upload::of(&place, object));
    place.hub.cli(&["quota", "set", "acme", "4MiB"]).ok();
    let mut tags = vec![fits.put(&place, 0)];
    let before = parts_left(&place);
    let refused = place.hub.http().put(&does_not.parts[0], does_not.bytes(0)).send().expect(507);
    assert!(refused.text().contains("acme"), "{}", refused.text());
    assert_eq!(parts_left(&place), before);
    tags.extend([1, 2].map(|at| fits.put(&place, at)));
    fits.complete(&place, &tags).expect(200);
    assert!(is_served(&place, &first) && !is_served(&place, &second));
    place.hub.fsck();
}

/// Mallory sends parts that together are not what she announced; parts of other lengths; completes with
/// what is missing, doubled, made up or of another object; and turns one part's link into another's. None of it
/// is ever visible, and once the whole has proved wrong nothing of it is kept.
#[test]
fn parts_that_do_not_make_the_object_are_refused_and_leave_nothing() {
    let place = place();
    let object = LargeObject::random(7, 2 * PART_BYTES + 100);
    let upload = Upload::of(&place, &object);
    let http = place.hub.http();
    for (at, length) in [(0, PART_BYTES - 1), (0, PART_BYTES + 1), (0, 0), (2, 99), (2, PART_BYTES)] {
        http.put(&upload.parts[at], vec![7; length]).send().expect(422);
    }
    let chunked = b"1\r\nx\r\n0\r\n\r\n".to_vec();
    http.put(&upload.parts[0], chunked).header("Transfer-Encoding", "chunked").send().expect(411);
    let first = upload.put(&place, 0);
    let one = json!({"partNumber": 1, "etag": first});
    for parts in [
        json!([]),
        json!([one]),
        json!([one, one, one]),
        json!([one, {"partNumber": 2, "etag": first}, {"partNumber": 3, "etag": first}]),
        Value::from(vec![one.clone(); 5_000]),
        json!([{"partNumber": -1, "etag": 7}]),
    ] {
        upload.complete_with(&place, &json!({"oid": object.oid, "parts": parts})).expect(422);
    }
    upload.complete_with(&place, &json!({"oid": "ab".repeat(32), "parts": [one]})).expect(422);

    let other = |from: &str, to: &str| upload.parts[0].replace(from, to);
    for forged in [
        other("/parts/1?", "/parts/2?"),
        other("/parts/1?", "/parts/4?"),
        other("upload=", "upload=1"),
        other("part=1048576", "part=1048577"),
        other("size=", "size=1"),
        other("expires=", "expires=9"),
        other("token=", "token=9"),
        other(&object.oid, &"ab".repeat(32)),
        upload.parts[0].split('?').next().expect("a path").to_owned(),
    ] {
        http.put(&forged, upload.bytes(0)).send().expect(403);
    }
    let as_upload = upload.parts[0].replace("/parts/1?", "?");
    http.put(&as_upload, object.bytes.clone()).send().expect(403);
    http.get(&as_upload).send().expect(403);

    let mut wrong = upload.bytes(1).to_vec();
    wrong[5] ^= 1;
    let second = http.put(&upload.parts[1], wrong).send().expect(200);
    let tags = [first, second.header("etag").expect("a tag").to_owned(), upload.put(&place, 2)];
    let told = upload.complete(&place, &tags).expect(422).json();
    assert!(told["message"].as_str().expect("text").contains(&object.oid), "{told}");
    assert!(!is_served(&place, &object));
    assert_eq!(parts_left(&place), Vec::<String>::new());
    upload.complete(&place, &tags).expect(403);
    place.hub.fsck();
}

#[test]
fn a_deleted_repository_takes_its_unfinished_uploads_along() {
    let place = place();
    let object = LargeObject::random(8, 2 * PART_BYTES);
    let upload = Upload::of(&place, &object);
    upload.put(&place, 0);
    place.hub.cli(&["repo", "delete", "acme/m"]).ok();
    place.hub.http().put(&upload.parts[1], upload.bytes(1)).send().expect(403);
    place.hub.fsck();
}
