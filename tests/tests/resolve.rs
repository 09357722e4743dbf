//! Files over `/resolve/` and `/raw/`: names, headers, ranges, errors, and what a browser may do.
#![cfg(test)]

use polder_tests::{Client, Git, Hub, LargeObject, Response, Token, fixtures, have};

struct Place {
    hub: Hub,
    token: Token,
    git: Git,
    dir: tempfile::TempDir,
}

impl Place {
    /// The fixtures `acme/tiny-llama` and `acme/tiny-zh`, imported.
    fn new() -> Self {
        let hub = Hub::start();
        let token = hub.acme();
        for id in ["acme/tiny-llama", "acme/tiny-zh"] {
            let source = fixtures().join(format!("{id}.git"));
            hub.cli(&["repo", "import", source.to_str().unwrap(), id]).ok();
        }
        let dir = tempfile::tempdir().unwrap();
        let git = Git::new(dir.path());
        Self { hub, token, git, dir }
    }

    fn get(&self, path: &str) -> Response {
        self.hub.http().get(path).send()
    }

    fn show(&self, id: &str, object: &str) -> Vec<u8> {
        self.git.run(&fixtures().join(format!("{id}.git")), &["cat-file", "blob", object]).stdout
    }
}

#[test]
fn every_file_of_a_repository_resolves_under_its_own_name() {
    if !have(&[Client::GitLfs]) {
        return;
    }
    let place = Place::new();
    for id in ["acme/tiny-llama", "acme/tiny-zh"] {
        let source = fixtures().join(format!("{id}.git"));
        let tip = place.git.ok(&source, &["rev-parse", "main"]);
        let listed = place.git.run(&source, &["ls-tree", "-r", "-z", "main"]).stdout;
        for entry in String::from_utf8(listed).unwrap().split_terminator('\0') {
            let (meta, path) = entry.split_once('\t').unwrap();
            let (mode, oid) = (&meta[..6], &meta[12..]);
            let quoted: String = path.bytes().fold(String::new(), |text, byte| match byte {
                b'/' | b'.' | b'-' | b'_' => text + &char::from(byte).to_string(),
                byte if byte.is_ascii_alphanumeric() => text + &char::from(byte).to_string(),
                byte => text + &format!("%{byte:02X}"),
            });
            if mode == "120000" {
                // A link is never followed: what it says, or nothing.
                let answer = place.get(&format!("/{id}/raw/main/{quoted}"));
                assert!([200, 404].contains(&answer.status), "{path}");
                assert!(answer.status == 404 || answer.body == place.show(id, oid), "{path}");
                continue;
            }
            let stored = place.show(id, oid);
            let raw = place.get(&format!("/{id}/raw/main/{quoted}")).expect(200);
            assert_eq!(raw.body, stored, "raw {path}");
            let answer = place.get(&format!("/{id}/resolve/main/{quoted}")).expect(200);
            let (content, etag) = match pointed_at(&source, &stored) {
                Some(object) => (object.bytes, object.oid),
                None => (stored, oid.to_owned()),
            };
            assert!(answer.body == content, "resolve {path}");
            assert_eq!(answer.header("etag"), Some(format!("\"{etag}\"").as_str()), "{path}");
            assert_eq!(answer.header("x-repo-commit"), Some(tip.as_str()), "{path}");
            let head = place.hub.http().head(&format!("/{id}/resolve/main/{quoted}")).send().expect(200);
            assert_eq!(head.header("content-length"), Some(content.len().to_string().as_str()), "{path}");
            for name in ["etag", "x-repo-commit", "accept-ranges"] {
                assert_eq!(head.header(name), answer.header(name), "{path}: {name}");
            }
        }
    }
}

/// The large object that a file of the repository at `source` is a pointer to.
fn pointed_at(source: &std::path::Path, content: &[u8]) -> Option<LargeObject> {
    let oid = str::from_utf8(content).ok()?.split_once("oid sha256:")?.1.lines().next()?.to_owned();
    let path = source.join("lfs/objects").join(&oid[..2]).join(&oid[2..4]).join(&oid);
    Some(LargeObject::new(std::fs::read(path).expect("the fixture has its objects")))
}

#[test]
fn every_way_to_write_a_revision_resolves() {
    let place = Place::new();
    let source = fixtures().join("acme/tiny-llama.git");
    let id = |name: &str| place.git.ok(&source, &["rev-parse", &format!("{name}^{{commit}}")]);
    let (main, fp16, v1) = (id("main"), id("fp16"), id("v1.0"));
    for (revision, commit) in [
        ("main", &main),
        ("refs%2Fheads%2Fmain", &main),
        ("HEAD", &main),
        ("fp16", &fp16),
        ("v1.0", &v1),
        ("refs%2Ftags%2Fv1.0", &v1),
        ("v1.0.1", &main),
        (main.as_str(), &main),
        (&main[..7], &main),
        (fp16.as_str(), &fp16),
    ] {
        let answer = place.get(&format!("/acme/tiny-llama/resolve/{revision}/config.json")).expect(200);
        assert_eq!(answer.header("x-repo-commit"), Some(commit.as_str()), "{revision}");
    }
    let zh = place.get("/acme/tiny-zh/raw/%E5%8A%9F%E8%83%BD%2F%E6%96%B0/README.md").expect(200);
    assert!(zh.text().contains("小模型"));
    place.get("/acme/tiny-zh/raw/v1-%E6%B5%8B%E8%AF%95/README.md").expect(200);
    for missing in
        ["no-such", "0000000", &"0".repeat(40), "main~1", "main%5E%7Btree%7D", "@", "refs%2Fpolder%2Fx"]
    {
        let answer = place.get(&format!("/acme/tiny-llama/resolve/{missing}/config.json")).expect(404);
        assert_eq!(answer.header("x-error-code"), Some("RevisionNotFound"), "{missing}");
    }
}

#[test]
fn errors_are_told_as_the_hub_client_expects() {
    let place = Place::new();
    let answer = place.get("/acme/tiny-llama/resolve/main/no/such/file").expect(404);
    assert_eq!(answer.header("x-error-code"), Some("EntryNotFound"));
    assert!(answer.header("x-repo-commit").is_some(), "the client remembers that this commit lacks it");
    let answer = place.get("/acme/no-such/resolve/main/config.json").expect(401);
    assert_eq!(answer.header("x-error-code"), Some("RepoNotFound"));
    let request = place.hub.http().get("/acme/no-such/resolve/main/config.json").bearer(&place.token.secret);
    assert_eq!(request.send().expect(404).header("x-error-code"), Some("RepoNotFound"));
    let answer = place.hub.http().get("/acme/tiny-llama/resolve/main/config.json").bearer("hf_wrong").send();
    assert_eq!(answer.expect(401).header("x-error-code"), None, "not `no such repository`");
}

#[test]
fn ranges_and_conditions_work_on_small_and_large_files() {
    let place = Place::new();
    for path in
        ["/acme/tiny-llama/resolve/main/tokenizer.json", "/acme/tiny-llama/resolve/main/model.safetensors"]
    {
        let whole = place.get(path).expect(200);
        let get = |name: &str, value: &str| place.hub.http().get(path).header(name, value).send();
        let part = get("Range", "bytes=5-14").expect(206);
        assert_eq!(part.body, whole.body[5..15], "{path}");
        let expected = format!("bytes 5-14/{}", whole.body.len());
        assert_eq!(part.header("content-range"), Some(expected.as_str()));
        get("Range", &format!("bytes={}-", whole.body.len())).expect(416);
        let etag = whole.header("etag").unwrap();
        let same = get("If-None-Match", etag).expect(304);
        assert!(same.body.is_empty());
        get("If-None-Match", "\"another\"").expect(200);
    }
}

#[test]
fn nothing_that_is_stored_runs_in_a_browser() {
    let hub = Hub::start();
    let token = hub.acme();
    hub.repo("acme/m");
    let work = polder_tests::Work::new();
    let page = b"<script>alert(document.domain)</script>";
    let names =
        ["x.html", "x.svg", "x.xml", "x.xhtml", "x.js", "x.pdf", "x.mhtml", "x.md", "x", "x.json", "x.wasm"];
    for name in names {
        work.write(name, page);
    }
    work.write("quote\"and\rreturn.html", page);
    work.commit("Pages");
    work.ok(&["push", "-q", &hub.repo_url_as("acme/m", &token), "main"]);
    let mut paths: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    paths.push("quote%22and%0Dreturn.html".to_owned());
    for name in paths {
        for action in ["resolve", "raw"] {
            let answer = hub.http().get(&format!("/acme/m/{action}/main/{name}")).send().expect(200);
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{name}");
            let policy = answer.header("content-security-policy").unwrap_or_default();
            assert!(policy.contains("sandbox") && policy.contains("default-src 'none'"), "{name}: {policy}");
            let kind = answer.header("content-type").unwrap_or_default();
            let runs = ["html", "svg", "xml", "javascript", "pdf", "wasm"];
            assert!(!runs.iter().any(|word| kind.contains(word)), "{name}: {kind}");
            assert!(answer.header("set-cookie").is_none());
        }
    }
}

#[test]
fn a_download_from_curl_has_the_file_s_own_name() {
    if !have(&[Client::Curl, Client::GitLfs]) {
        return;
    }
    let place = Place::new();
    let url = place.hub.url("acme/tiny-llama/resolve/main/model.safetensors");
    let mut curl = polder_tests::program("/usr/bin/curl");
    let done =
        polder_tests::run(curl.args(["-sfOJ", "--max-time", "60"]).arg(url).current_dir(place.dir.path()));
    done.ok();
    let source = fixtures().join("acme/tiny-llama.git");
    let pointer = place.git.run(&source, &["cat-file", "blob", "main:model.safetensors"]).stdout;
    let expected = pointed_at(&source, &pointer).expect("a pointer").bytes;
    assert!(std::fs::read(place.dir.path().join("model.safetensors")).unwrap() == expected);
}
