//! The command line that scripts rely on: the same with a running server and without one.
#![cfg(test)]

use polder_tests::{Done, Hub, Work, binary, program, run};
use serde_json::Value;

/// Runs `polder` with exactly these words, somewhere harmless.
fn polder(dir: &std::path::Path, args: &[&str]) -> Done {
    run(program(binary()).args(args).current_dir(dir).env("HOME", dir))
}

fn ids(list: &Value) -> Vec<String> {
    let rows = list.as_array().expect("an array");
    rows.iter().map(|row| row["id"].as_str().expect("an id").to_owned()).collect()
}

/// Every command of the contract, once; `hub` may run or not.
fn exercise(hub: &Hub) {
    let ok = |words: &str| hub.cli(&words.split(' ').collect::<Vec<_>>()).ok();
    let fails = |words: &str| hub.cli(&words.split(' ').collect::<Vec<_>>()).fails();
    ok("user add ada --admin");
    ok("user add bob");
    ok("org add acme --owner ada");
    for role in ["read", "write", "admin"] {
        ok(&format!("org member acme bob --role {role}"));
    }
    for id in ["acme/m", "datasets/acme/m", "spaces/acme/m", "kernels/acme/m", "bob/own"] {
        ok(&format!("repo add {id}"));
    }
    ok("repo add acme/secret --private");
    for words in [
        "token add --user ada",
        "token add --user ada --scope read",
        "token add --user bob --scope write --repo acme/m --repo datasets/acme/m --expires 90d",
    ] {
        let token = ok(words);
        assert_eq!(token.split_whitespace().count(), 1, "only the token: {token}");
        assert!(token.len() >= 32, "{token}");
    }
    let list: Value = serde_json::from_str(&ok("repo list --json")).unwrap();
    let expected = ["acme/m", "datasets/acme/m", "spaces/acme/m", "kernels/acme/m", "bob/own", "acme/secret"];
    assert_eq!(ids(&list), expected);
    assert_eq!(list[5]["visibility"], "private");
    assert!(ok("repo list").contains("datasets/acme/m"));

    ok("repo rename acme/m acme/new");
    ok("repo visibility acme/secret public");
    ok("repo delete spaces/acme/m");
    let list: Value = serde_json::from_str(&ok("repo list --json")).unwrap();
    let mut left = ids(&list);
    left.sort();
    assert_eq!(left, ["acme/new", "acme/secret", "bob/own", "datasets/acme/m", "kernels/acme/m"]);

    for (words, word) in [
        ("user add ada", "ada"),
        ("user add ADA", "ADA"),
        ("user add acme", "acme"),
        ("user add api", "reserved"),
        ("user add a..b", "a..b"),
        ("org add other --owner nobody", "nobody"),
        ("org member nowhere bob --role read", "nowhere"),
        ("org member acme nobody --role read", "nobody"),
        ("token add --user nobody", "nobody"),
        ("token add --user ada --repo acme/nothing", "acme/nothing"),
        ("repo add acme/new", "acme/new"),
        ("repo add acme/NEW", "acme/NEW"),
        ("repo add acme/m", "acme/m"),
        ("repo add spaces/acme/m", "spaces/acme/m"),
        ("repo add nowhere/m", "nowhere"),
        ("repo add acme/con", "con"),
        ("repo add acme/x.git", ".git"),
        ("repo delete acme/nothing", "acme/nothing"),
        ("repo rename acme/nothing acme/x", "acme/nothing"),
        ("repo rename acme/new acme/secret", "acme/secret"),
        ("repo rename acme/new datasets/acme/new", "kind"),
        ("repo visibility acme/nothing public", "acme/nothing"),
        ("repo export acme/nothing /tmp/polder-never-made", "acme/nothing"),
    ] {
        let told = fails(words);
        assert!(told.contains(word), "`{words}`: `{word}` is not in {told}");
        assert!(told.lines().filter(|line| !line.is_empty()).count() <= 6, "`{words}`: {told}");
        assert!(!told.contains("Error {") && !told.contains("panicked"), "`{words}`: {told}");
    }
    let fsck: Value = serde_json::from_str(&ok("fsck --json")).unwrap();
    assert_eq!(fsck["problems"], serde_json::json!([]), "{fsck}");
    ok("fsck --deep");
}

#[test]
fn every_command_works_while_a_server_runs() {
    exercise(&Hub::start());
}

#[test]
fn every_command_works_without_a_server() {
    let mut hub = Hub::start();
    assert!(hub.stop().success());
    exercise(&hub);
    // What was done without a server is there with one.
    hub.serve(None);
    hub.http().get("/acme/new.git/info/refs?service=git-upload-pack").send().expect(200);
}

#[test]
fn the_first_start_makes_an_administrator_and_says_how_to_log_in_once() {
    let mut hub = Hub::start();
    let first = hub.log();
    let token = first.split_whitespace().find(|word| word.starts_with("pld_")).expect("a token");
    assert!(first.contains("git clone http://"), "{first}");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(hub.data()).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o700, "the data directory is the operator's alone");
    let local = |request: polder_tests::Request| request.header("X-Forwarded-For", "192.0.2.1").send().status;
    assert_eq!(local(hub.http().get("/metrics").bearer(token)), 200, "the token is an administrator's");
    assert_eq!(local(hub.http().get("/metrics")), 401);

    // With it an administrator pushes anywhere.
    hub.cli(&["user", "add", "bob"]).ok();
    hub.repo("bob/m");
    let work = Work::new();
    work.commit_file("a", b"a\n");
    let login = polder_tests::Token { user: "operator".to_owned(), secret: token.to_owned() };
    work.ok(&["push", "-q", &hub.repo_url_as("bob/m", &login), "main"]);
    hub.stop();
    hub.serve(None);
    assert!(!hub.log().contains("pld_"), "a later start shows no token");
}

#[test]
fn a_second_server_on_the_same_data_is_refused_and_the_first_goes_on() {
    let hub = Hub::start();
    let told = hub.cli(&["serve", "--listen", "127.0.0.1:0"]).fails();
    assert!(told.contains("data"), "{told}");
    hub.http().get("/readyz").send().expect(200);
}

#[test]
fn a_public_address_needs_a_public_url() {
    let dir = tempfile::tempdir().unwrap();
    for address in ["0.0.0.0:0", "[::]:0"] {
        let told = polder(dir.path(), &["serve", "--listen", address, "--data", "d"]).fails();
        assert!(told.contains("--public-url"), "{told}");
        assert!(!dir.path().join("d").exists(), "nothing was made");
    }
}

#[test]
fn the_public_url_is_what_clients_are_sent_to() {
    let hub = Hub::builder().config("public-url = \"https://hub.example.org\"").start();
    let token = hub.acme();
    hub.repo("acme/m");
    let object = polder_tests::LargeObject::random(1, 1000);
    let href = object.action(hub.http(), "acme/m", "upload", Some(&token)).unwrap();
    assert!(href.starts_with("https://hub.example.org/acme/m.git/info/lfs/objects/"), "{href}");
}

#[test]
fn a_mistake_in_the_configuration_is_told_with_its_line() {
    for (text, line, word) in [
        ("listen = \"127.0.0.1:0\"\nlistn = 1\n", "line 2", "listn"),
        ("[hooks]\nseconds-max = \"many\"\n", "line 2", "many"),
        ("\n\nthis is not TOML\n", "line 3", ""),
    ] {
        let hub = Hub::builder().config(text).prepare();
        for words in [&["serve"][..], &["repo", "list"]] {
            let told = hub.cli(words).fails();
            assert!(told.contains(line) && told.contains("polder.toml") && told.contains(word), "{told}");
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let told = polder(dir.path(), &["repo", "list", "--data", "d", "--config", "no-such-file"]).fails();
    assert!(told.contains("no-such-file"), "{told}");
    let told = run(program(binary())
        .args(["serve", "--data", "d"])
        .current_dir(dir.path())
        .env("POLDER_LISTEN", "nowhere"));
    assert!(told.fails().contains("nowhere"));
}

#[test]
fn a_command_on_no_data_says_so_and_makes_none() {
    let dir = tempfile::tempdir().unwrap();
    for words in [&["fsck", "--data", "none"][..], &["repo", "export", "a/b", "out", "--data", "none"]] {
        polder(dir.path(), words).fails();
    }
    std::fs::write(dir.path().join("file"), "x").unwrap();
    let told = polder(dir.path(), &["serve", "--listen", "127.0.0.1:0", "--data", "file"]).fails();
    assert!(told.contains("file"), "{told}");
    std::fs::create_dir(dir.path().join("photos")).unwrap();
    std::fs::write(dir.path().join("photos/holiday.jpg"), "x").unwrap();
    let told = polder(dir.path(), &["serve", "--listen", "127.0.0.1:0", "--data", "photos"]).fails();
    assert!(told.contains("photos"), "{told}");
    assert_eq!(std::fs::read_dir(dir.path().join("photos")).unwrap().count(), 1);
}

#[test]
fn help_and_version_are_there_and_nonsense_is_refused_with_usage() {
    let dir = tempfile::tempdir().unwrap();
    let help = polder(dir.path(), &["--help"]).ok();
    for word in ["serve", "user", "org", "token", "repo", "fsck", "demo"] {
        assert!(help.contains(word), "{help}");
    }
    assert!(polder(dir.path(), &["--version"]).ok().contains(env!("CARGO_PKG_VERSION")));
    for words in [&["no-such-command"][..], &["repo", "add"], &["user", "add", "x", "--no-such-flag"], &[]] {
        let done = polder(dir.path(), words);
        assert_eq!(done.code, Some(2), "{words:?}");
        assert!(done.stderr.contains("Usage") || done.stderr.contains("usage"), "{}", done.stderr);
    }
}

/// As of what was sent before the push that needs it, which is told then that it is here.
#[test]
fn fsck_finds_links_to_objects_that_are_not_here_although_no_file_needs_them() {
    let mut hub = Hub::start();
    let token = hub.acme();
    hub.repo("acme/m");
    let object = polder_tests::LargeObject::random(1, 3_000);
    object.upload(hub.http(), "acme/m", &token);
    hub.fsck();
    hub.stop();
    let script = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); \
        db.execute('DELETE FROM blob'); db.commit()";
    let file = hub.data().join("polder.db");
    run(program("/usr/bin/python3").args(["-c", script]).arg(file)).ok();
    let told = hub.cli(&["fsck"]);
    let line = format!("acme/m: links object {}, which is not here", object.oid);
    assert!(told.code == Some(1) && told.text().contains(&line), "{told:?}");
}

#[test]
fn fsck_finds_what_is_missing_or_altered() {
    let mut hub = Hub::start();
    let token = hub.acme();
    hub.repo("acme/m");
    let object = polder_tests::LargeObject::random(1, 300_000);
    object.upload(hub.http(), "acme/m", &token);
    let work = Work::new();
    work.write("weights", &polder_tests::LargeObject::random(2, 300_000).bytes);
    work.write("pointer", object.pointer().as_bytes());
    work.commit("Large");
    work.ok(&["push", "-q", &hub.repo_url_as("acme/m", &token), "main"]);
    hub.fsck();
    hub.stop();
    let stored = hub.stored_files();
    assert!(stored.iter().any(|name| name.contains("packs/")), "{stored:?}");
    assert!(stored.iter().any(|name| name.contains("blobs/")), "{stored:?}");
    for name in stored {
        let path = hub.data().join(&name);
        let good = std::fs::read(&path).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let middle = good.len() / 2;
        let mut altered = good.clone();
        altered[middle] ^= 1;
        std::fs::write(&path, &altered).unwrap();
        let told = hub.cli(&["fsck", "--deep"]);
        assert_eq!(told.code, Some(1), "{name} was altered: {}", told.text());
        assert!(told.text().contains("acme/m") || told.text().contains(&object.oid), "{}", told.text());
        std::fs::write(&path, &good[..middle]).unwrap();
        assert_eq!(hub.cli(&["fsck"]).code, Some(1), "{name} was cut");
        std::fs::remove_file(&path).unwrap();
        let told = hub.cli(&["fsck", "--json"]);
        assert_eq!(told.code, Some(1), "{name} was removed");
        let report: Value = serde_json::from_str(&told.text()).unwrap();
        assert!(!report["problems"].as_array().unwrap().is_empty(), "{report}");
        std::fs::write(&path, &good).unwrap();
        hub.cli(&["fsck", "--deep"]).ok();
    }
}

#[test]
fn a_token_ends_when_it_expires_or_is_limited_to_its_repositories() {
    let hub = Hub::start();
    hub.acme();
    hub.cli(&["repo", "add", "acme/a", "--private"]).ok();
    hub.cli(&["repo", "add", "acme/b", "--private"]).ok();
    let status = |token: &str, repo: &str| {
        let path = format!("/{repo}.git/info/refs?service=git-upload-pack");
        hub.http().get(&path).bearer(token).send().status
    };
    let limited = hub.cli(&["token", "add", "--user", "ada", "--repo", "acme/a"]).ok();
    assert_eq!((status(&limited, "acme/a"), status(&limited, "acme/b")), (200, 404));
    let short = hub.cli(&["token", "add", "--user", "ada", "--expires", "5s"]).ok();
    assert_eq!(status(&short, "acme/a"), 200);
    polder_tests::until("the token to expire", 30, || (status(&short, "acme/a") == 401).then_some(()));
}
