//! Bad input of every kind: a clear error in the client's own words, and nothing changes.
#![cfg(test)]

use std::io::{Read, Write};

use polder_tests::{
    FLUSH, Hub, LargeObject, Request, Response, Token, Work, have, pack_exactly, pack_of, pack_with, pkt,
    push_body, sideband_text, zero,
};
use serde_json::json;

const PUSH_TYPE: &str = "application/x-git-receive-pack-request";
const FETCH_TYPE: &str = "application/x-git-upload-pack-request";
const LFS_JSON: &str = "application/vnd.git-lfs+json";
const CAPABILITIES: &str = "report-status side-band-64k delete-refs atomic object-format=sha1";

struct Place {
    hub: Hub,
    token: Token,
    work: Work,
    tip: String,
    refs: String,
    files: Vec<String>,
}

impl Place {
    fn new() -> Self {
        let hub = Hub::start();
        let token = hub.acme();
        hub.repo("acme/m");
        let work = Work::new();
        work.commit_file("README.md", b"# A model\n");
        let tip = work.commit_file("dir/file", b"content\n");
        work.ok(&["push", "-q", &hub.repo_url_as("acme/m", &token), "main"]);
        let refs = work.ok(&["ls-remote", &hub.repo_url("acme/m")]);
        let files = hub.stored_files();
        Self { hub, token, work, tip, refs, files }
    }

    fn post(&self, path: &str, kind: &str, body: impl Into<Vec<u8>>) -> Request {
        let request = self.hub.http().post(&format!("/acme/m.git/{path}"), body).header("Content-Type", kind);
        request.basic(&self.token.user, &self.token.secret)
    }

    fn push(&self, body: impl Into<Vec<u8>>) -> Response {
        self.post("git-receive-pack", PUSH_TYPE, body).send()
    }

    fn fetch(&self, protocol: u8, body: impl Into<Vec<u8>>) -> Response {
        let request = self.post("git-upload-pack", FETCH_TYPE, body);
        request.header("Git-Protocol", &format!("version={protocol}")).send()
    }

    /// Asserts that nothing changed and the server is well.
    #[track_caller]
    fn is_unchanged(&self) {
        assert_eq!(self.work.ok(&["ls-remote", &self.hub.repo_url("acme/m")]), self.refs);
        assert_eq!(self.hub.stored_files(), self.files, "nothing was left behind");
        self.hub.http().get("/readyz").send().expect(200);
        let log = self.hub.log();
        assert!(!log.contains("panicked") && !log.contains("a request panicked"), "{log}");
    }
}

/// Asserts that the answer refuses, in words, and that it is not our fault.
#[track_caller]
fn refuses(what: &str, answer: &Response) {
    let text = sideband_text(&answer.body);
    let told = ["ERR ", "ng ", "unpack "].iter().any(|word| text.contains(word)) && !all_ok(&text);
    let refused = (400..500).contains(&answer.status) || answer.status == 200 && told;
    assert!(refused, "{what}: {} {:?}", answer.status, &text[..text.len().min(2000)]);
    assert!(text.trim().len() > 5, "{what}: {} without a word of why", answer.status);
}

fn all_ok(text: &str) -> bool {
    text.contains("unpack ok") && !text.contains("ng ")
}

#[test]
fn commands_that_make_no_sense_are_refused() {
    let place = Place::new();
    let (tip, none) = (place.tip.as_str(), zero());
    let new = place.work.commit_file("new", b"new\n");
    let good = pack_of(&place.work, &[&new, &format!("^{tip}")]);
    let framing: Vec<(&str, Vec<u8>)> = vec![
        ("not packets", b"hello, world".to_vec()),
        ("length 1", b"0001".to_vec()),
        ("length 3", b"0003".to_vec()),
        ("not hexadecimal", b"zzzz".to_vec()),
        ("a packet that is cut", b"00ff0000".to_vec()),
        ("too long a packet", [b"ffff".to_vec(), vec![b'a'; 0xffff]].concat()),
        ("no flush", pkt(format!("{none} {new} refs/heads/x\0 {CAPABILITIES}"))),
        ("one word", [&pkt("hello")[..], FLUSH].concat()),
        (
            "a short id",
            [&pkt(format!("{} {new} refs/heads/x\0 {CAPABILITIES}", &none[..39]))[..], FLUSH].concat(),
        ),
        (
            "not an id",
            [&pkt(format!("{} {new} refs/heads/x\0 {CAPABILITIES}", "g".repeat(40)))[..], FLUSH].concat(),
        ),
        ("no name", [&pkt(format!("{none} {new} \0 {CAPABILITIES}"))[..], FLUSH].concat()),
        ("no pack", push_body(&[(&none, &new, "refs/heads/x")], CAPABILITIES, b"")),
        ("sha256", push_body(&[(&none, &new, "refs/heads/x")], "report-status object-format=sha256", &good)),
        (
            "sha256 ids",
            push_body(&[(&"0".repeat(64), &"1".repeat(64), "refs/heads/x")], "object-format=sha256", b""),
        ),
        (
            "the same ref twice",
            push_body(&[(&none, &new, "refs/heads/x"), (&none, tip, "refs/heads/x")], CAPABILITIES, &good),
        ),
        ("a stale old id", push_body(&[(&new, &new, "refs/heads/main")], CAPABILITIES, &good)),
        ("a creation of what exists", push_body(&[(&none, &new, "refs/heads/main")], CAPABILITIES, &good)),
        ("a deletion of what does not exist", push_body(&[(tip, &none, "refs/heads/x")], CAPABILITIES, b"")),
    ];
    for (what, body) in framing {
        refuses(what, &place.push(body));
    }

    place.is_unchanged();
}

#[test]
fn ref_names_that_git_would_not_have_are_refused() {
    let place = Place::new();
    let (tip, none) = (place.tip.as_str(), zero());
    let pack = pack_of(&place.work, &[tip]);
    let create = |name: &str| push_body(&[(&none, tip, name)], CAPABILITIES, &pack);
    let long = format!("refs/heads/{}", "x".repeat(2000));
    for name in [
        "HEAD",
        "main",
        "refs/heads/",
        "refs/heads//x",
        "refs/heads/x/",
        "refs/heads/../x",
        "refs/heads/a..b",
        "refs/heads/.x",
        "refs/heads/x.lock",
        "refs/heads/x.lock/y",
        "refs/heads/a b",
        "refs/heads/a~b",
        "refs/heads/a^b",
        "refs/heads/a:b",
        "refs/heads/a?b",
        "refs/heads/a*b",
        "refs/heads/a[b",
        "refs/heads/a\\b",
        "refs/heads/a@{b",
        "refs/heads/x.",
        "refs/heads/a\u{1}b",
        "refs/heads/a\u{7f}b",
        "refs/../config",
        "../../etc/passwd",
        "refs/pr/1",
        "refs/polder/keep",
        "refs/heads/main/below",
        "@",
        &long,
    ] {
        refuses(name, &place.push(create(name)));
    }
    let names: Vec<String> = (0..1001).map(|n| format!("refs/heads/b{n}")).collect();
    let many: Vec<(&str, &str, &str)> =
        names.iter().map(|name| (none.as_str(), tip, name.as_str())).collect();
    refuses("1001 commands", &place.push(push_body(&many, CAPABILITIES, &pack)));
    place.is_unchanged();
}

#[test]
fn packs_that_are_no_packs_are_refused() {
    let place = Place::new();
    let tip = place.tip.as_str();
    let new = place.work.commit_file("new", b"new\n");
    let good = pack_of(&place.work, &[&new, &format!("^{tip}")]);
    let update = |pack: &[u8]| push_body(&[(tip, &new, "refs/heads/main")], CAPABILITIES, pack);
    let broken = |at: usize| {
        let mut pack = good.clone();
        pack[at] ^= 0x55;
        pack
    };
    let last = good.len() - 1;
    for (what, pack) in [
        ("not a pack", b"this is not a pack".to_vec()),
        ("the start of a pack", good[..20].to_vec()),
        ("a pack without its end", good[..last].to_vec()),
        ("a wrong magic", broken(0)),
        ("a wrong version", broken(7)),
        ("a wrong count", broken(11)),
        ("a broken object", broken(20)),
        ("a wrong hash", broken(last)),
        ("bytes after the pack", [&good[..], b"more"].concat()),
        ("two packs", [&good[..], &good[..]].concat()),
    ] {
        refuses(what, &place.push(update(&pack)));
    }
    place.is_unchanged();
    let answer = sideband_text(&place.push(update(&good)).expect(200).body);
    assert!(all_ok(&answer), "the good push still works: {answer}");
}

#[test]
fn packs_that_lack_objects_or_lean_on_others_are_refused() {
    let place = Place::new();
    let (tip, work) = (place.tip.clone(), &place.work);
    let second = work.commit_file("dir/file", "content\n".repeat(500).as_bytes());
    let third = work.commit_file("dir/file", ("content\n".repeat(500) + "more\n").as_bytes());
    let push =
        |new: &str, pack: &[u8]| place.push(push_body(&[(&tip, new, "refs/heads/main")], CAPABILITIES, pack));
    let without_parent = pack_of(work, &[&third, &format!("^{second}")]);
    refuses("a commit whose parent is missing", &push(&third, &without_parent));
    let listed = work.ok(&["rev-list", "--objects", "--no-object-names", &second, &format!("^{tip}")]);
    for left_out in listed.lines() {
        let rest: Vec<&str> = listed.lines().filter(|id| *id != left_out).collect();
        refuses(&format!("{left_out} left out"), &push(&second, &pack_exactly(work, &rest)));
    }
    refuses("an id that exists nowhere", &push(&"12".repeat(20), &pack_of(work, &[&second])));

    // Deltas whose bases are not in the pack: the hub announces `no-thin`.
    let big = work.commit_file("big", &LargeObject::random(1, 20_000).bytes);
    let body = push_body(
        &[(&tip, &big, "refs/heads/main")],
        CAPABILITIES,
        &pack_of(work, &[&big, &format!("^{tip}")]),
    );
    assert!(all_ok(&sideband_text(&place.push(body).expect(200).body)));
    let mut bytes = LargeObject::random(1, 20_000).bytes;
    bytes[10_000] ^= 1;
    let edited = work.commit_file("big", &bytes);
    let thin = pack_with(work, &[&edited, &format!("^{big}")], &["--thin"]);
    assert!(thin.len() < 5_000, "it is a thin pack: {} bytes", thin.len());
    let answer = place.push(push_body(&[(&big, &edited, "refs/heads/main")], CAPABILITIES, &thin));
    refuses("a thin pack", &answer);
    let refs = work.ok(&["ls-remote", &place.hub.repo_url("acme/m"), "refs/heads/main"]);
    assert_eq!(refs, format!("{big}\trefs/heads/main"));
    place.hub.fsck();
}

#[test]
fn what_lies_in_the_store_unreachable_cannot_be_published_by_naming_it() {
    let place = Place::new();
    let (tip, work) = (place.tip.clone(), &place.work);
    let url = place.hub.repo_url_as("acme/m", &place.token);
    let secret_commit = work.commit_file("secret", b"thrown away\n");
    let secret_blob = work.ok(&["rev-parse", "HEAD:secret"]);
    let secret_tree = work.ok(&["rev-parse", "HEAD^{tree}"]);
    work.ok(&["push", "-q", &url, "HEAD:refs/heads/secret"]);
    work.ok(&["push", "-q", &url, ":secret"]);
    work.ok(&["reset", "-q", "--hard", &tip]);

    let tree_of =
        |line: String| work.git.with_input(&work.path(), &["mktree", "--missing"], line.as_bytes()).ok();
    let commit_of = |tree: &str, parent: &str| work.ok(&["commit-tree", tree, "-p", parent, "-m", "Steal"]);
    let named = tree_of(format!("100644 blob {secret_blob}\tmine\n"));
    let folder = tree_of(format!("040000 tree {secret_tree}\tmine\n"));
    let by_blob = commit_of(&named, &tip);
    let by_folder = commit_of(&folder, &tip);
    let by_tree = commit_of(&secret_tree, &tip);
    let by_parent = commit_of(&work.ok(&["rev-parse", "HEAD^{tree}"]), &secret_commit);
    work.ok(&["tag", "-a", "steal", "-m", "Steal", &secret_commit]);
    let by_tag = work.ok(&["rev-parse", "refs/tags/steal"]);
    for (what, name, ids) in [
        ("a tree that names the blob", "refs/heads/x", vec![by_blob.as_str(), &named]),
        ("a tree that names the tree", "refs/heads/x", vec![&by_folder, &folder]),
        ("a commit that names the tree", "refs/heads/x", vec![&by_tree]),
        ("a commit that names the commit", "refs/heads/x", vec![&by_parent]),
        ("a tag that names the commit", "refs/tags/x", vec![&by_tag]),
        ("a branch that is the commit", "refs/heads/x", vec![]),
    ] {
        let new = ids.first().copied().unwrap_or(secret_commit.as_str());
        let pack = if ids.is_empty() { pack_exactly(work, &[]) } else { pack_exactly(work, &ids) };
        let answer = place.push(push_body(&[(&zero(), new, name)], CAPABILITIES, &pack));
        refuses(what, &answer);
    }
    place.is_unchanged();
    place.hub.fsck();
}

#[test]
fn a_pointer_that_nothing_reaches_needs_no_object() {
    let place = Place::new();
    let (tip, work) = (place.tip.clone(), &place.work);
    let object = LargeObject::random(1, 1000);
    let pointer = work
        .git
        .with_input(&work.path(), &["hash-object", "-w", "--stdin"], object.pointer().as_bytes())
        .ok();
    let new = work.commit_file("words", b"words\n");
    let (tree, blob) = (work.ok(&["rev-parse", "HEAD^{tree}"]), work.ok(&["rev-parse", "HEAD:words"]));
    let pack = pack_exactly(work, &[&new, &tree, &blob, &pointer]);
    let answer = place.push(push_body(&[(&tip, &new, "refs/heads/main")], CAPABILITIES, &pack));
    assert!(all_ok(&sideband_text(&answer.expect(200).body)));

    // As soon as something reaches it, it does.
    let named = work
        .git
        .with_input(&work.path(), &["mktree"], format!("100644 blob {pointer}\tw.bin\n").as_bytes())
        .ok();
    let next = work.ok(&["commit-tree", &named, "-p", &new, "-m", "Name it"]);
    for ids in [vec![next.as_str(), &named], vec![&next, &named, &pointer]] {
        let body = push_body(&[(&new, &next, "refs/heads/main")], CAPABILITIES, &pack_exactly(work, &ids));
        refuses("a pointer without its object", &place.push(body));
    }
    object.upload(place.hub.http(), "acme/m", &place.token);
    let pack = pack_exactly(work, &[&next, &named, &pointer]);
    let answer = place.push(push_body(&[(&new, &next, "refs/heads/main")], CAPABILITIES, &pack));
    assert!(all_ok(&sideband_text(&answer.expect(200).body)));
    place.hub.fsck();
}

#[test]
fn a_shallow_push_that_would_leave_a_hole_is_refused_and_one_that_would_not_is_taken() {
    let place = Place::new();
    let (tip, work) = (place.tip.clone(), &place.work);
    let hole = work.commit_file("a", b"1\n");
    let top = work.commit_file("a", b"2\n");
    let pack = pack_of(work, &[&top, &format!("^{hole}")]);
    let body = [
        pkt(format!("shallow {top}")),
        pkt(format!("{tip} {top} refs/heads/main\0 {CAPABILITIES}")),
        FLUSH.to_vec(),
        pack,
    ]
    .concat();
    let answer = place.push(body);
    refuses("a shallow push", &answer);
    place.is_unchanged();

    // Stock git from a shallow clone of another history: told in words.
    let shallow = work.beside("shallow");
    let url = format!("file://{}", work.path().display());
    work.git.ok(&work.beside(""), &["clone", "-q", "--depth", "1", &url, "shallow"]);
    let target = place.hub.repo_url_as("acme/m", &place.token);
    let told = work.git.run(&shallow, &["push", &target, "HEAD:refs/heads/shallow"]).fails();
    assert!(told.contains("shallow") || told.contains("missing necessary objects"), "{told}");
    place.is_unchanged();
}

#[test]
fn objects_that_git_fsck_refuses_are_refused() {
    let place = Place::new();
    let work = &place.work;
    let blob = work.ok(&["hash-object", "-w", "README.md"]);
    let raw: Vec<u8> = (0..20).map(|n| u8::from_str_radix(&blob[2 * n..2 * n + 2], 16).unwrap()).collect();
    let entry = |mode: &str, name: &str| [format!("{mode} {name}\0").into_bytes(), raw.clone()].concat();
    let store = |kind: &str, bytes: &[u8]| {
        work.git
            .with_input(&work.path(), &["hash-object", "-t", kind, "-w", "--literally", "--stdin"], bytes)
            .ok()
    };
    let modules = store("blob", b"[submodule \"x\"]\n\tpath = x\n\turl = -upload-pack=evil\n");
    let module_raw: Vec<u8> =
        (0..20).map(|n| u8::from_str_radix(&modules[2 * n..2 * n + 2], 16).unwrap()).collect();

    let trees: Vec<(&str, Vec<u8>)> = vec![
        ("hasDotgit", entry("100644", ".git")),
        ("hasDotgit, other case", entry("100644", ".GIT")),
        ("hasDotgit, NTFS", entry("100644", "git~1")),
        ("hasDot", entry("100644", ".")),
        ("hasDotdot", entry("100644", "..")),
        ("fullPathname", entry("100644", "a/b")),
        ("emptyName", entry("100644", "")),
        ("duplicateEntries", [entry("100644", "a"), entry("100644", "a")].concat()),
        ("treeNotSorted", [entry("100644", "b"), entry("100644", "a")].concat()),
        ("gitmodulesSymlink", entry("120000", ".gitmodules")),
        ("gitmodulesUrl", [b"100644 .gitmodules\0".to_vec(), module_raw].concat()),
        ("a cut tree", entry("100644", "a")[..15].to_vec()),
    ];
    let who = "Ada <ada@example.org> 1767225600 +0000";
    for (what, bytes) in trees {
        let tree = store("tree", &bytes);
        let commit = store("commit", format!("tree {tree}\nauthor {who}\ncommitter {who}\n\nx\n").as_bytes());
        refuse_objects(&place, what, &commit, &[&commit, &tree, &blob, &modules]);
    }
    let tree = work.ok(&["rev-parse", "HEAD^{tree}"]);
    for (what, text) in [
        ("missingAuthor", format!("tree {tree}\ncommitter {who}\n\nx\n")),
        ("missingCommitter", format!("tree {tree}\nauthor {who}\n\nx\n")),
        ("missingTree", format!("author {who}\ncommitter {who}\n\nx\n")),
        ("badTimezone", format!("tree {tree}\nauthor Ada <a@b> 1 +00\ncommitter {who}\n\nx\n")),
        ("missingEmail", format!("tree {tree}\nauthor Ada 1767225600 +0000\ncommitter {who}\n\nx\n")),
        ("badParentSha1", format!("tree {tree}\nparent xyz\nauthor {who}\ncommitter {who}\n\nx\n")),
        ("empty", String::new()),
    ] {
        let commit = store("commit", text.as_bytes());
        refuse_objects(&place, what, &commit, &[&commit, &tree]);
    }
    // A branch must be a commit.
    for id in [&blob, &tree] {
        let body =
            push_body(&[(&zero(), id, "refs/heads/not-a-commit")], CAPABILITIES, &pack_of(work, &[id]));
        refuses("a branch that is no commit", &place.push(body));
    }
    place.is_unchanged();
}

/// Pushes exactly `ids` with a new branch at `commit`, which must be refused.
fn refuse_objects(place: &Place, what: &str, commit: &str, ids: &[&str]) {
    let body =
        push_body(&[(&zero(), commit, "refs/heads/bad")], CAPABILITIES, &pack_exactly(&place.work, ids));
    refuses(what, &place.push(body));
}

#[test]
fn an_object_too_large_for_git_is_refused_with_advice() {
    let place = Place::new();
    // 80 MiB of zeros: 80 KiB on the wire.
    place.work.write("zeros", &vec![0; 80 << 20]);
    place.work.commit("Zeros");
    let told = place.work.run(&["push", &place.hub.repo_url_as("acme/m", &place.token), "main"]).fails();
    assert!(told.contains("LFS"), "{told}");
    place.is_unchanged();
}

#[test]
fn fetches_that_are_not_fetches_are_refused() {
    let place = Place::new();
    let tip = &place.tip;
    let v2 = |command: &str, lines: &[String]| {
        let mut body = pkt(format!("command={command}\n"));
        body.extend(pkt("object-format=sha1"));
        body.extend_from_slice(b"0001");
        body.extend(lines.iter().flat_map(pkt));
        body.extend_from_slice(FLUSH);
        body
    };
    let line = |text: &str| vec![text.to_owned(), "done\n".to_owned()];
    let both = |text: &str| vec![format!("want {tip}\n"), text.to_owned(), "done\n".to_owned()];
    for (what, body) in [
        ("not packets", b"hello, world".to_vec()),
        ("length 3", b"0003".to_vec()),
        ("a packet that is cut", b"00ffwant".to_vec()),
        ("an unknown command", v2("object-info", &[])),
        ("no command", [&pkt("object-format=sha1")[..], FLUSH].concat()),
        (
            "sha256",
            [&pkt("command=ls-refs\n")[..], &pkt("object-format=sha256")[..], b"0001", FLUSH].concat(),
        ),
        ("a want that is no id", v2("fetch", &line("want xyz\n"))),
        ("a want of nothing known", v2("fetch", &line(&format!("want {}\n", "12".repeat(20))))),
        ("a have that is no id", v2("fetch", &both("have xyz\n"))),
        ("a negative depth", v2("fetch", &both("deepen -1\n"))),
        ("a depth that is no number", v2("fetch", &both("deepen many\n"))),
        ("a shallow that is no id", v2("fetch", &both("shallow xyz\n"))),
        ("a filter from the repository", v2("fetch", &both("filter sparse:oid=main:README.md\n"))),
        ("a filter of another kind", v2("fetch", &both("filter nonsense\n"))),
        ("two filters", v2("fetch", &[both("filter blob:none\n"), line("filter tree:0\n")].concat())),
        ("an unknown argument", v2("fetch", &both("make-coffee\n"))),
    ] {
        refuses(what, &place.fetch(2, body));
    }
    for (what, body) in [
        ("not packets", b"hello, world".to_vec()),
        ("a want that is no id", [&pkt("want xyz\n")[..], FLUSH, &pkt("done\n")[..]].concat()),
        (
            "a want of nothing known",
            [&pkt(format!("want {}\n", "12".repeat(20)))[..], FLUSH, &pkt("done\n")[..]].concat(),
        ),
        ("a have before a want", [&pkt(format!("have {tip}\n"))[..], FLUSH].concat()),
        ("a command of protocol 2", v2("ls-refs", &[])),
    ] {
        refuses(what, &place.fetch(0, body));
    }
    let haves: Vec<u8> = (0..400_000).flat_map(|n| pkt(format!("have {n:040x}\n"))).collect();
    let large =
        [&pkt("command=fetch\n")[..], b"0001", &pkt(format!("want {tip}\n"))[..], &haves, FLUSH].concat();
    let answer =
        place.post("git-upload-pack", FETCH_TYPE, large).header("Git-Protocol", "version=2").try_send();
    // It may hang up while the client still sends; if it answers, it is in words.
    if let Some(answer) = answer {
        refuses("20 MB of haves", &answer);
    }
    place.is_unchanged();
}

#[test]
fn compressed_bodies_are_bounded_and_broken_ones_refused() {
    if !have(&[polder_tests::Client::Curl]) {
        return;
    }
    let place = Place::new();
    let gzip = |bytes: &[u8]| {
        let mut child = polder_tests::program("/bin/gzip")
            .arg("-c")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = bytes.to_vec();
        let writer = std::thread::spawn(move || stdin.write_all(&input).unwrap());
        let mut out = Vec::new();
        child.stdout.take().unwrap().read_to_end(&mut out).unwrap();
        writer.join().unwrap();
        child.wait().unwrap();
        out
    };
    let send = |path: &str, kind: &str, coding: &str, body: Vec<u8>| {
        place
            .post(path, kind, body)
            .header("Content-Encoding", coding)
            .header("Git-Protocol", "version=2")
            .send()
    };
    let refs = [&pkt("command=ls-refs\n")[..], &pkt("object-format=sha1")[..], b"0001", FLUSH].concat();
    let whole = gzip(&refs);
    let answer = send("git-upload-pack", FETCH_TYPE, "gzip", whole.clone()).expect(200);
    assert!(answer.text().contains("refs/heads/main"), "{}", answer.text());

    let cut = whole[..whole.len() - 10].to_vec();
    let mut flipped = whole.clone();
    let at = whole.len() - 6;
    flipped[at] ^= 0xff;
    let line = pkt(format!("have {}\n", "1".repeat(40)));
    let bomb = gzip(&[&pkt("command=fetch\n")[..], b"0001", &line.repeat(4_000_000)[..]].concat());
    assert!(bomb.len() < 2_000_000);
    for path in ["git-upload-pack", "git-receive-pack"] {
        let kind = if path == "git-upload-pack" { FETCH_TYPE } else { PUSH_TYPE };
        for (what, body) in [
            ("not gzip", b"not gzip at all".to_vec()),
            ("a cut stream", cut.clone()),
            ("a wrong checksum", flipped.clone()),
            ("200 MB of haves in 1 MB", bomb.clone()),
        ] {
            refuses(&format!("{path}: {what}"), &send(path, kind, "gzip", body));
        }
        for coding in ["br", "zstd", "deflate", "gzip, gzip"] {
            let answer = send(path, kind, coding, whole.clone());
            assert_eq!(answer.status, 415, "{coding}: {}", answer.text());
        }
    }
    let kib = memory_kib(place.hub.pid());
    assert!(kib < 400 << 10, "{kib} KiB resident after the bombs");
    place.is_unchanged();
}

fn memory_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn requests_of_the_wrong_kind_are_told_what_would_be_right() {
    let place = Place::new();
    let http = place.hub.http();
    for (method, path, status) in [
        ("GET", "/acme/m.git/git-upload-pack", 405),
        ("PUT", "/acme/m.git/git-receive-pack", 405),
        ("POST", "/acme/m.git/info/refs?service=git-upload-pack", 405),
        ("DELETE", "/acme/m.git/info/refs", 405),
        ("GET", "/acme/m.git/info/lfs/objects/batch", 405),
        ("GET", "/acme/m.git/info/refs", 403),
        ("GET", "/acme/m.git/info/refs?service=git-shell", 403),
        ("GET", "/acme/m.git/info/refs?service=", 403),
        ("GET", "/acme/m.git/HEAD", 404),
        ("GET", "/acme/m.git/objects/info/packs", 404),
        ("GET", "/acme/m.git/config", 404),
        ("GET", "/nothing/at/all/here", 404),
        ("POST", "/healthz", 405),
        ("TRACE", "/healthz", 405),
    ] {
        let answer = http.request(method, path).send();
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
        assert!(!answer.body.is_empty() && answer.body.len() < 1000, "{method} {path}");
        if status == 405 {
            assert!(answer.header("allow").is_some(), "{method} {path}");
        }
    }
    for (path, kind) in [
        ("git-upload-pack", "text/plain"),
        ("git-upload-pack", PUSH_TYPE),
        ("git-receive-pack", FETCH_TYPE),
        ("git-receive-pack", "application/json"),
    ] {
        let answer = place.post(path, kind, FLUSH).send();
        assert_eq!(answer.status, 415, "{path} {kind}: {}", answer.text());
    }
    let push = format!(
        "POST /acme/m.git/git-receive-pack HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 4\r\n\r\n{}",
        "0000"
    );
    let answer = http.raw(push.as_bytes()).unwrap();
    assert!([401, 415].contains(&answer.status), "{}", answer.status);
    place.is_unchanged();
}

#[test]
fn paths_lead_nowhere_but_to_repositories() {
    let place = Place::new();
    std::fs::write(place.hub.beside("secret"), "the secret").unwrap();
    for path in [
        "/../../../etc/passwd",
        "/acme/../../../etc/passwd",
        "/acme/m.git/../../../etc/passwd",
        "/acme/m/resolve/main/../../../../etc/passwd",
        "/acme/m/resolve/main/%2e%2e/%2e%2e/secret",
        "/acme/m/resolve/main/..%2f..%2fsecret",
        "/acme/m/resolve/main/dir/../README.md",
        "/acme/m/resolve/main//README.md",
        "/acme/m/resolve/main/README.md/",
        "/acme/m/resolve/main/dir",
        "/acme/m/resolve/main/",
        "/acme/m/resolve/main/%00",
        "/acme/m/resolve/main/.git/config",
        "/acme/m/resolve/no-such-branch/README.md",
        "/acme/m/resolve/%2e%2e/README.md",
        "/acme/m/resolve/main%00/README.md",
        "/acme/m/raw/main/%ff%fe",
        "/acme/%2e%2e/info/refs?service=git-upload-pack",
        "/acme/m%2f..%2fm.git/info/refs?service=git-upload-pack",
        "/acme/m%00.git/info/refs?service=git-upload-pack",
        "/acme/m.git.git/info/refs?service=git-upload-pack",
        "/CON/NUL.git/info/refs?service=git-upload-pack",
        "/./acme/m/./resolve/main/README.md",
        "/%zz/%/info/refs?service=git-upload-pack",
        "http://elsewhere.example.org/acme/nothing.git/info/refs?service=git-upload-pack",
    ] {
        let answer = place.hub.http().get(path).basic(&place.token.user, &place.token.secret).send();
        let refused = [400, 403, 404].contains(&answer.status);
        assert!(refused, "{path}: {} {}", answer.status, answer.text());
        assert!(!answer.text().contains("root:") && !answer.text().contains("the secret"), "{path}");
    }
    let long = format!("/acme/{}.git/info/refs?service=git-upload-pack", "x".repeat(20_000));
    let answer = place.hub.http().get(&long).try_send();
    assert!(answer.is_none_or(|answer| (400..500).contains(&answer.status)));
    place.is_unchanged();
}

#[test]
fn http_that_could_be_read_in_two_ways_is_not_read_at_all() {
    let place = Place::new();
    let tail = "Host: x\r\nConnection: close\r\n";
    let post = "POST /acme/m.git/git-upload-pack HTTP/1.1\r\n";
    for (what, request) in [
        ("two lengths", format!("{post}{tail}Content-Length: 4\r\nContent-Length: 5\r\n\r\n00000")),
        ("a negative length", format!("{post}{tail}Content-Length: -1\r\n\r\n")),
        ("a length that is no number", format!("{post}{tail}Content-Length: many\r\n\r\n")),
        (
            "a chunk size that is no number",
            format!("{post}{tail}Transfer-Encoding: chunked\r\n\r\nzz\r\n0000\r\n0\r\n\r\n"),
        ),
        ("another transfer coding", format!("{post}{tail}Transfer-Encoding: magic\r\n\r\n0000")),
        ("a folded header", format!("GET /healthz HTTP/1.1\r\n{tail}X-A: b\r\n c\r\n\r\n")),
        ("a space before the colon", format!("GET /healthz HTTP/1.1\r\n{tail}X-A : b\r\n\r\n")),
        ("no version", "GET /healthz\r\n\r\n".to_owned()),
        ("another protocol", "SSH-2.0-OpenSSH_9.2\r\n\r\n".to_owned()),
        ("TLS", "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\r\n\r\n".to_owned()),
        ("a huge header", format!("GET /healthz HTTP/1.1\r\n{tail}X-A: {}\r\n\r\n", "a".repeat(1 << 20))),
        ("many headers", format!("GET /healthz HTTP/1.1\r\n{tail}{}\r\n", "X-A: b\r\n".repeat(5_000))),
    ] {
        let answer = place.hub.http().raw(request.as_bytes());
        assert!(answer.as_ref().is_none_or(|a| (400..506).contains(&a.status)), "{what}: {answer:?}");
    }
    for value in ["Basic", "Basic !!!", "Basic YQ==", "Bearer", "Bearer ", "Digest x", "Basic OmE=", ""] {
        let answer = place.hub.http().get("/acme/m.git/info/refs?service=git-upload-pack");
        let answer = answer.header("Authorization", value).send();
        assert!([400, 401].contains(&answer.status), "{value:?}: {}", answer.status);
    }
    place.is_unchanged();
}

#[test]
fn a_body_is_asked_for_before_it_is_sent() {
    let place = Place::new();
    let mut stream = place.hub.http().connect();
    let credentials = place.post("git-upload-pack", FETCH_TYPE, "").to_bytes();
    let credentials = String::from_utf8(credentials).unwrap();
    let authorization = credentials.lines().find(|line| line.starts_with("Authorization")).unwrap();
    let body = [&pkt("command=ls-refs\n")[..], b"0001", FLUSH].concat();
    let head = format!(
        "POST /acme/m.git/git-upload-pack HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\n\
         Git-Protocol: version=2\r\nContent-Type: {FETCH_TYPE}\r\n{authorization}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 100");
    stream.write_all(&body).unwrap();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("HTTP/1.1 200") && rest.contains("refs/heads/main"), "{rest}");
}

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

#[test]
fn a_token_in_the_url_is_not_a_token_and_no_token_reaches_the_log() {
    let place = Place::new();
    place.hub.cli(&["repo", "add", "acme/secret", "--private"]).ok();
    let secret = &place.token.secret;
    for path in [
        format!("/acme/secret.git/info/refs?service=git-upload-pack&token={secret}"),
        format!("/acme/secret.git/info/refs?service=git-upload-pack&access_token={secret}"),
        format!("/acme/secret.git/info/refs?private_token={secret}&service=git-upload-pack"),
    ] {
        place.hub.http().get(&path).send().expect(401);
    }
    let object = LargeObject::random(1, 1000);
    let href = object.action(place.hub.http(), "acme/secret", "upload", Some(&place.token)).unwrap();
    place.hub.http().put(&href, object.bytes.clone()).send().expect(200);
    let log = place.hub.log();
    assert!(!log.contains(secret.as_str()), "a token is in the log");
    let signature = href.split("sig=").nth(1).unwrap().split('&').next().unwrap();
    assert!(!log.contains(signature), "a signature is in the log");
    for entry in std::fs::read_dir(place.hub.data()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "a token is in {}", path.display());
        }
    }
}
