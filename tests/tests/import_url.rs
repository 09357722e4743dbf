//! Import from git servers: stock git behind HTTP, other hubs, and servers that fail, die or lie.
#![cfg(test)]

use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use polder_tests::{Client, Done, Git, GitServer, Hub, LargeObject, Work, fixtures, have, until};

const FIXTURES: [&str; 5] =
    ["acme/tiny-llama", "acme/tiny-zh", "datasets/acme/poems", "acme/history", "acme/empty"];
const GITS: [&str; 2] = ["/usr/bin/git", "/usr/local/bin/git"];

struct Place {
    hub: Hub,
    git: Git,
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let hub = Hub::start();
        hub.acme();
        let dir = tempfile::tempdir().unwrap();
        Self { hub, git: Git::new(dir.path()), dir }
    }

    fn import(&self, url: &str, id: &str) -> Done {
        self.hub.cli(&["repo", "import", url, id])
    }

    /// The refs that the hub shows for `id`, in the form of [`Git::refs`].
    fn served(&self, id: &str) -> String {
        let listed = self.git.ok(self.dir.path(), &["ls-remote", "--refs", &self.hub.repo_url(id)]);
        let swap = |line: &str| line.split_once('\t').map(|(oid, name)| format!("{name} {oid}")).unwrap();
        listed.lines().map(swap).collect::<Vec<_>>().join("\n")
    }

    fn head(&self, id: &str) -> String {
        self.git.ok(self.dir.path(), &["ls-remote", "--symref", &self.hub.repo_url(id), "HEAD"])
    }
}

/// A repository with `count` large objects of `bytes` each, in a directory that a server may serve.
fn with_large_objects(count: u64, bytes: usize) -> (Work, Vec<LargeObject>) {
    let work = Work::new();
    let objects: Vec<LargeObject> = (0..count).map(|seed| LargeObject::random(seed + 1, bytes)).collect();
    for (at, object) in objects.iter().enumerate() {
        work.write(&format!("weights-{at}.bin"), object.pointer().as_bytes());
        let place = format!("lfs/objects/{}/{}", &object.oid[..2], &object.oid[2..4]);
        let place = work.path().join(".git").join(place);
        std::fs::create_dir_all(&place).unwrap();
        std::fs::write(place.join(&object.oid), &object.bytes).unwrap();
    }
    work.commit("Add weights");
    (work, objects)
}

fn serve(work: &Work) -> GitServer {
    GitServer::start(GITS[0], work.path().parent().unwrap())
}

#[test]
fn every_git_and_its_large_objects_come_over_http() {
    if !have(&[Client::GitLfs]) {
        return;
    }
    let place = Place::new();
    let servers: Vec<_> = GITS.into_iter().filter(|git| Path::new(git).exists()).collect();
    for (at, git) in servers.iter().enumerate() {
        let server = GitServer::start(git, &fixtures());
        for id in FIXTURES {
            let (kind, name) = id.rsplit_once('/').unwrap();
            let target = format!("{kind}/{name}-{at}");
            let done = place.import(&server.url(&format!("{id}.git")), &target).ok();
            assert!(done.contains("imported"), "{done}");
            let source = fixtures().join(format!("{id}.git"));
            assert_eq!(place.served(&target), place.git.refs(&source), "{git} {id}");
            let exported = place.dir.path().join(format!("{name}-{at}.git"));
            place.hub.cli(&["repo", "export", &target, exported.to_str().unwrap()]).ok();
            assert_eq!(place.git.objects(&exported), place.git.objects(&source), "{git} {id}");
            place.git.fsck(&exported);
            let again = place.import(&server.url(&format!("{id}.git")), &target).ok();
            assert!(again.contains("0 refs changed, 0 new objects"), "{again}");
        }
    }
    place.hub.fsck();
}

#[test]
fn importing_again_brings_what_is_new_and_makes_the_refs_exactly_those() {
    let place = Place::new();
    let work = Work::new();
    for n in 0..30 {
        work.commit_file("a", format!("{n}\n").as_bytes());
    }
    work.ok(&["branch", "gone"]);
    work.ok(&["tag", "-a", "v1", "-m", "v1"]);
    let server = serve(&work);
    let url = server.url("repo");
    place.import(&url, "acme/m").ok();
    assert_eq!(place.served("acme/m"), place.git.refs(&work.path()));

    work.commit_file("b", b"b\n");
    work.ok(&["branch", "-D", "gone"]);
    work.ok(&["tag", "-d", "v1"]);
    // One commit, its tree and file.
    let done = place.import(&url, "acme/m").ok();
    assert!(done.contains("3 refs changed, 3 new objects"), "{done}");
    work.ok(&["commit", "-q", "--amend", "-m", "Rewritten"]);
    work.ok(&["branch", "-m", "main", "trunk"]);
    work.ok(&["update-ref", "refs/pr/1", "HEAD"]);
    work.ok(&["update-ref", "refs/polder/x", "HEAD"]);
    let done = place.import(&url, "acme/m").ok();
    assert!(done.contains("2 refs changed, "), "{done}");
    assert_eq!(place.served("acme/m"), format!("refs/heads/trunk {}", work.ok(&["rev-parse", "HEAD"])));
    assert!(place.head("acme/m").starts_with("ref: refs/heads/trunk\tHEAD"));
    place.hub.fsck();
}

#[test]
fn a_private_repository_of_another_hub_comes_with_a_token_from_a_file() {
    if !have(&[Client::GitLfs]) {
        return;
    }
    let (place, other) = (Place::new(), Hub::start());
    let token = other.acme();
    let source = fixtures().join("acme/tiny-llama.git");
    other.cli(&["repo", "import", source.to_str().unwrap(), "acme/secret", "--private"]).ok();
    let file = place.dir.path().join("token");
    std::fs::write(&file, format!("{}\n", token.secret)).unwrap();
    let (url, file) = (other.url("acme/secret"), file.to_str().unwrap());

    let told = place.import(&url, "acme/m").fails();
    assert!(told.contains("--token-file"), "{told}");
    std::fs::write(file, "pld_wrong").unwrap();
    let args = ["repo", "import", &url, "acme/m", "--token-file", file, "--private"];
    let told = place.hub.cli(&args).fails();
    assert!(told.contains("does not accept this token"), "{told}");
    std::fs::write(file, &token.secret).unwrap();
    let done = place.hub.cli(&args);
    assert!(done.stderr.contains("plain http"), "{}", done.stderr);
    done.ok();
    let exported = place.dir.path().join("m.git");
    place.hub.cli(&["repo", "export", "acme/m", exported.to_str().unwrap()]).ok();
    assert_eq!(place.git.objects(&exported), place.git.objects(&source));
    assert_eq!(place.git.refs(&exported), place.git.refs(&source));
    assert!(!place.hub.log().contains(&token.secret), "the token is in the log");
    place.hub.fsck();
}

#[test]
fn what_a_server_shows_to_a_token_alone_is_shown_to_members_alone() {
    let place = Place::new();
    let work = Work::new();
    work.commit_file("a", b"a\n");
    let server = serve(&work);
    let file = place.dir.path().join("token");
    std::fs::write(&file, "secret").unwrap();
    let import = |id: &str, more: &[&str]| {
        let url = server.url("repo");
        let args = ["repo", "import", &url, id, "--token-file", file.to_str().unwrap(), "--user", "ada"];
        place.hub.cli(&[args.as_slice(), more].concat())
    };
    let is_shown =
        |id: &str| place.git.run(place.dir.path(), &["ls-remote", &place.hub.repo_url(id)]).success();
    // A token that nobody would have needed.
    import("acme/open", &["--every", "10s"]).ok();
    assert!(is_shown("acme/open"));
    server.behave(|manners| manners.authorization = Some("Basic YWRhOnNlY3JldA==".to_owned()));
    import("acme/secret", &[]).ok();
    assert!(!is_shown("acme/secret"));
    import("acme/shown", &["--public"]).ok();
    import("acme/shown", &["--public"]).ok();
    assert!(is_shown("acme/shown"));
    // By the clock, and by whoever imports it again.
    until("the next pull", 40, || {
        place.hub.cli(&["repo", "mirrors"]).ok().contains("private there; ").then_some(())
    });
    assert!(!is_shown("acme/open"));
    let done = import("acme/shown", &[]);
    assert!(done.stderr.contains("the source is private: so is `acme/shown` from now on"), "{}", done.stderr);
    assert!(!is_shown("acme/shown"));
}

#[test]
fn a_large_object_that_breaks_off_goes_on_where_it_was() {
    let place = Place::new();
    let (work, objects) = with_large_objects(3, 3 << 20);
    let server = serve(&work);
    server.behave(|manners| manners.cut = Some((1 << 20, 4)));
    let done = place.import(&server.url("repo"), "acme/m");
    assert!(done.stderr.contains("fetching 3 large objects"), "{}", done.stderr);
    done.ok();
    // Nine MiB, and what four answers had too much.
    assert!(server.sent() <= 13 << 20, "{} bytes for nine MiB", server.sent());
    let http = place.hub.http();
    for (at, object) in objects.iter().enumerate() {
        let got = http.get(&format!("/acme/m/resolve/main/weights-{at}.bin")).send();
        assert!(got.status == 200 && got.body == object.bytes, "weights-{at}.bin: {}", got.status);
    }
    place.hub.fsck();
}

#[test]
fn what_came_before_a_server_died_is_not_fetched_again() {
    let mut place = Place::new();
    let (work, objects) = with_large_objects(6, 1 << 20);
    let server = serve(&work);
    let last = server_path(&work, &objects[5]);
    let aside = last.with_extension("aside");
    std::fs::rename(&last, &aside).unwrap();
    let told = place.import(&server.url("repo"), "acme/m").fails();
    assert!(told.contains("does not have `weights-5.bin`") && told.contains(&objects[5].oid), "{told}");
    assert_eq!(place.served("acme/m"), "", "no ref before everything is there");
    assert_eq!(fetched(&server), 5);

    // The hub, too, dies meanwhile.
    place.hub.kill();
    place.hub.serve(None);
    std::fs::rename(&aside, &last).unwrap();
    place.import(&server.url("repo"), "acme/m").ok();
    assert_eq!(fetched(&server), 1, "only what was missing");
    assert_eq!(place.served("acme/m"), place.git.refs(&work.path()));
    place.hub.fsck();
}

#[test]
fn a_hub_killed_in_the_middle_of_an_import_goes_on_with_the_next() {
    let mut place = Place::new();
    let (work, _) = with_large_objects(40, 64 << 10);
    let server = serve(&work);
    let url = server.url("repo");
    place.hub.stop();
    place.hub.serve(Some("transfer.published:10"));
    place.import(&url, "acme/m").fails();
    place.hub.wait_crash();
    place.hub.serve(None);
    let before = fetched(&server);
    assert!(before >= 10, "{before}");
    place.import(&url, "acme/m").ok();
    assert!(fetched(&server) <= 31, "the nine that were linked are kept");
    assert_eq!(place.served("acme/m"), place.git.refs(&work.path()));
    place.hub.fsck();
}

#[test]
fn a_large_object_goes_on_after_the_hub_was_killed_in_the_middle_of_it() {
    let mut place = Place::new();
    let size = 64 << 20;
    let (work, objects) = with_large_objects(1, size);
    let server = serve(&work);
    // Three quarters of each answer arrive, then none at all; and then the hub is gone, too.
    server.behave(|manners| manners.cut = Some((6 << 20, 3)));
    server.behave(|manners| manners.objects_max = Some(6));
    place.import(&server.url("repo"), "acme/m").fails();
    place.hub.kill();
    let before = server.sent();
    assert!(before >= 16 << 20, "{before}");
    place.hub.serve(None);
    server.behave(|manners| (manners.cut, manners.objects_max) = (None, None));
    place.import(&server.url("repo"), "acme/m").ok();
    let after = server.sent() - before;
    let most = u64::try_from(size).unwrap() - before * 9 / 10;
    assert!(after <= most, "{after} more after {before} of {size}");
    let got = place.hub.http().get("/acme/m/resolve/main/weights-0.bin").send();
    assert!(got.status == 200 && got.body == objects[0].bytes, "{}", got.status);
    place.hub.fsck();
}

fn server_path(work: &Work, object: &LargeObject) -> std::path::PathBuf {
    let place = format!(".git/lfs/objects/{}/{}/{}", &object.oid[..2], &object.oid[2..4], object.oid);
    work.path().join(place)
}

fn fetched(server: &GitServer) -> usize {
    server.seen().iter().filter(|line| line.starts_with("GET /objects/")).count()
}

/// A29: the server is the operator's choice, and may be inside; where it sends the hub is not.
#[test]
fn a_server_cannot_send_the_hub_to_another_place_inside() {
    let place = Place::new();
    let (work, _) = with_large_objects(1, 1_000);
    let server = serve(&work);
    let came = Arc::<AtomicUsize>::default();
    let inside = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = inside.local_addr().unwrap().port();
    let counted = Arc::clone(&came);
    std::thread::spawn(move || {
        for _came in inside.incoming() {
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    for target in [
        format!("http://127.0.0.1:{port}/x"),
        format!("http://localhost:{port}/x"),
        format!("http://[::ffff:127.0.0.1]:{port}/x"),
        format!("http://2130706433:{port}/x"),
        "http://169.254.169.254/latest".to_owned(),
        "file:///etc/passwd".to_owned(),
        format!("http://ada:secret@127.0.0.1:{port}/x"),
    ] {
        server.behave(|manners| manners.objects_at = Some(target.clone()));
        let told = place.import(&server.url("repo"), "acme/m").fails();
        assert!(
            told.contains("no operator named") || told.contains("has ") || told.contains("is not an http"),
            "{target}: {told}"
        );
        assert!(!told.contains("secret"), "{told}");
    }
    assert_eq!(came.load(Ordering::SeqCst), 0);
    assert_eq!(place.served("acme/m"), "");
}

#[test]
fn what_cannot_be_imported_is_refused_by_name_and_makes_no_repository() {
    let place = Place::new();
    let work = Work::new();
    for n in 0..5 {
        work.commit_file("a", format!("{n}\n").as_bytes());
    }
    let file = format!("file://{}", work.path().display());
    let beside = work.beside("");
    work.git.ok(&beside, &["clone", "-q", "--bare", "--depth", "1", &file, "shallow"]);
    work.git.ok(&beside, &["init", "-q", "--object-format=sha256", "sha256"]);
    work.git.ok(&beside.join("sha256"), &["commit", "-q", "--allow-empty", "-m", "x"]);
    let server = serve(&work);
    for (url, words) in [
        (server.url("sha256"), "SHA-256"),
        (server.url("nothing"), "there is no git repository at"),
        ("http://ada:secret@127.0.0.1/x".to_owned(), "token in a file"),
        ("ssh://git@host/x".to_owned(), "is not an http:// or https:// URL"),
        ("git://host/x".to_owned(), "is not an http:// or https:// URL"),
        ("http://127.0.0.1:1/x".to_owned(), "cannot be connected to"),
        ("http://0x7f000001/x".to_owned(), "no host in plain spelling"),
        ("http://169.254.169.254/x".to_owned(), "not at a public address"),
    ] {
        let told = place.import(&url, "acme/x").fails();
        assert!(told.contains(words) && !told.contains("secret"), "{url}: {told}");
    }
    // Only a fetch tells this one.
    let told = place.import(&server.url("shallow"), "acme/shallow").fails();
    assert!(told.contains("shallow clone") && told.contains("is there and empty"), "{told}");
    let pages = [
        (200, "<html>", "no git repository at this URL"),
        (200, "0123456789012345678901234567890123456789\trefs/heads/main\n", "dumb HTTP"),
        (500, "oops", "has a problem of its own: it answers 500"),
        (403, "no", "--token-file"),
        (404, "no", "if it is private"),
        (418, "short", "answers 418"),
    ];
    for (status, text, words) in pages {
        server.behave(|manners| manners.page = Some((status, text.to_owned())));
        let told = place.import(&server.url("repo"), "acme/x").fails();
        assert!(told.contains(words), "{status}: {told}");
    }
    server.behave(|manners| (manners.page, manners.busy) = (None, Some((1, 86_400))));
    let told = place.import(&server.url("repo"), "acme/x").fails();
    assert!(told.contains("wants to be left alone for 86400 s"), "{told}");
    let list = place.hub.cli(&["repo", "list"]).ok();
    assert!(!list.contains("acme/x"), "what is refused makes no repository: {list}");
}

#[test]
fn bytes_that_are_not_the_object_are_never_stored() {
    let place = Place::new();
    let (work, objects) = with_large_objects(1, 100_000);
    let server = serve(&work);
    let path = server_path(&work, &objects[0]);
    let mut forged = objects[0].bytes.clone();
    forged[5] ^= 1;
    for bytes in [forged.as_slice(), &[forged.as_slice(), b"more"].concat()] {
        std::fs::write(&path, bytes).unwrap();
        place.import(&server.url("repo"), "acme/m").fails();
        assert_eq!(place.served("acme/m"), "");
    }
    place.hub.fsck();
    std::fs::write(&path, &objects[0].bytes).unwrap();
    place.import(&server.url("repo"), "acme/m").ok();
}

#[test]
fn an_import_works_without_a_running_server() {
    let mut place = Place::new();
    let (work, _) = with_large_objects(2, 1_000);
    let server = serve(&work);
    place.hub.stop();
    place.import(&server.url("repo"), "acme/m").ok();
    place.hub.serve(None);
    assert_eq!(place.served("acme/m"), place.git.refs(&work.path()));
}
