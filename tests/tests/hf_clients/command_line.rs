//! `hf` in a shell.

use polder_tests::{HubClient, LargeObject, Token, Work};

use crate::Place;

fn endpoint(place: &Place) -> String {
    place.hub.url("").trim_end_matches('/').to_owned()
}

/// Checks 1 and 2.
#[test]
fn hf_auth_whoami_knows_a_good_token_from_a_bad_one() {
    let Some(client) = HubClient::of("2.4.0") else { return };
    let place = Place::new();
    let said = client.hf(&endpoint(&place), Some(&place.ada), place.dir.path(), &["auth", "whoami"]).ok();
    assert!(said.contains("ada") && said.contains("acme") && said.contains(&endpoint(&place)), "{said}");
    let bad = Token { user: "ada".to_owned(), secret: "hf_wrong".to_owned() };
    let told = client.hf(&endpoint(&place), Some(&bad), place.dir.path(), &["auth", "whoami"]).fails();
    assert!(told.contains("Invalid user token"), "{told}");
}

/// Checks 3, 6, 7, 18 and 21, as a person types them.
#[test]
fn hf_upload_and_download_move_a_folder() {
    let Some(client) = HubClient::of("2.4.0") else { return };
    let place = Place::new();
    let (url, dir) = (endpoint(&place), place.dir.path());
    let hf = |args: &[&str]| client.hf(&url, Some(&place.ada), dir, args);
    std::fs::create_dir_all(dir.join("folder/sub")).unwrap();
    std::fs::write(dir.join("folder/README.md"), "---\nlicense: mit\n---\n# Hi\n").unwrap();
    std::fs::write(dir.join("folder/sub/w.safetensors"), vec![7; 300_000]).unwrap();
    std::fs::write(dir.join("folder/sub/skipped.tmp"), "x").unwrap();
    std::fs::write(dir.join("folder/.gitignore"), "*.tmp\n").unwrap();

    hf(&["repos", "create", "acme/shell"]).ok();
    hf(&["repos", "create", "acme/shell"]).fails();
    hf(&["repos", "create", "acme/shell", "--exist-ok"]).ok();
    // The name of a deleted repository is never another's: who uploads there is told so at once.
    hf(&["repos", "create", "acme/gone"]).ok();
    hf(&["repos", "delete", "acme/gone", "--yes"]).ok();
    let told = hf(&["upload", "acme/gone", "folder"]).fails();
    assert!(told.contains("name of a deleted repository"), "{told}");
    hf(&["upload", "acme/shell", "folder"]).ok();
    let sha = || place.hub.http().get("/api/models/acme/shell").send().expect(200).json()["sha"].clone();
    let first = sha();
    let again = hf(&["upload", "acme/shell", "folder"]);
    assert!(again.success() && again.stderr.contains("No files have been modified"), "{}", again.stderr);
    assert_eq!(sha(), first, "the same again makes no commit");
    hf(&["upload", "acme/shell", "folder/README.md", "other.md", "--revision", "dev/x"]).ok();
    assert_eq!(sha(), first, "a branch leaves `main` alone");

    hf(&["download", "acme/shell", "--local-dir", "back"]).ok();
    assert_eq!(std::fs::read(dir.join("back/sub/w.safetensors")).unwrap(), vec![7; 300_000]);
    assert!(!dir.join("back/sub/skipped.tmp").exists(), "ignored by .gitignore");
    hf(&["download", "acme/shell", "other.md", "--revision", "dev/x", "--local-dir", "dev"]).ok();
    assert!(dir.join("dev/other.md").exists());
    let told = hf(&["download", "acme/never"]).fails();
    assert!(!told.contains("Traceback"), "{told}");
}

/// Check 21: a second download asks once, for the commit.
#[test]
fn a_second_download_makes_exactly_one_request() {
    let Some(client) = HubClient::of("2.4.0") else { return };
    let place = Place::new();
    let hf = |args: &[&str]| client.hf(&endpoint(&place), Some(&place.ada), place.dir.path(), args).ok();
    std::fs::create_dir(place.dir.path().join("folder")).unwrap();
    std::fs::write(place.dir.path().join("folder/w.safetensors"), vec![7; 300_000]).unwrap();
    hf(&["upload", "acme/twice", "folder"]);
    let download = || hf(&["download", "acme/twice"]);
    download();
    crate::xet::until_fetched(&place.hub, 0);
    let requests = || {
        let log = place.hub.log();
        let lines = log.lines().filter(|line| line.contains("path=/") && !line.contains("agent-harnesses"));
        lines.filter(|line| line.contains("hf_hub/")).map(str::to_owned).collect::<Vec<_>>()
    };
    let before = requests().len();
    download();
    let after = requests();
    assert_eq!(after.len(), before + 1, "{:?}", &after[before..]);
    assert!(after[before].contains("path=/api/models/acme/twice/revision/main"), "{}", after[before]);
}

/// Check 48.
#[test]
fn what_is_not_served_is_refused_in_one_line() {
    let Some(client) = HubClient::of("2.4.0") else { return };
    let place = Place::new();
    for command in [&["jobs", "ps"][..], &["buckets", "list"]] {
        let told = client.hf(&endpoint(&place), Some(&place.ada), place.dir.path(), command).fails();
        assert!(!told.contains("Traceback") && !told.contains("<html"), "{told}");
    }
}

/// Check 48: what this hub does not do is said in one line of its own, not as a page or a traceback.
#[test]
fn hf_says_in_a_line_what_this_hub_does_not_do() {
    let Some(client) = HubClient::of("2.4.0") else { return };
    let place = Place::new();
    for (args, words) in [
        (["jobs", "ps"].as_slice(), "this hub runs no jobs"),
        (&["buckets", "list"], "this hub has no buckets"),
        (&["papers", "ls"], "this hub lists no papers"),
        (&["spaces", "hardware"], "this hub runs no Spaces"),
        (&["buckets", "list", "acme/none"], "Bucket 'acme/none' not found."),
    ] {
        let told = client.hf(&endpoint(&place), Some(&place.ada), place.dir.path(), args).fails();
        let lines: Vec<&str> = told.lines().filter(|line| line.contains(words)).collect();
        assert_eq!(lines.len(), 1, "{args:?}: {told}");
        assert!(!told.contains("Traceback") && !told.contains('<'), "{args:?}: {told}");
    }
}

/// Check 19: of a file and of a folder.
#[test]
fn hf_upload_create_pr_proposes_and_leaves_the_branch_alone() {
    let Some(client) = HubClient::of("2.4.0") else { return };
    let place = Place::new();
    let (url, dir) = (endpoint(&place), place.dir.path());
    let bob = place.hub.user("bob", "write");
    let hf = |who: &Token, args: &[&str]| client.hf(&url, Some(who), dir, args).ok();
    hf(&place.ada, &["repos", "create", "acme/asked"]);
    let sha = || place.hub.http().get("/api/models/acme/asked").send().expect(200).json()["sha"].clone();
    let before = sha();
    std::fs::create_dir(dir.join("folder")).unwrap();
    let weights = LargeObject::random(90, 300_000).bytes;
    std::fs::write(dir.join("folder/w.safetensors"), &weights).unwrap();
    for (num, what) in [(1, &["folder/w.safetensors", "w.safetensors"][..]), (2, &["folder"])] {
        let said = hf(&bob, &[&["upload", "acme/asked"], what, &["--create-pr"]].concat());
        assert_eq!(sha(), before);
        let told = place.hub.http().get(&format!("/api/models/acme/asked/discussions/{num}")).send();
        let commit = told.expect(200).json()["events"][1]["data"]["oid"].as_str().unwrap().to_owned();
        assert!(said.contains(&format!("{url}/acme/asked/commit/{commit}")), "{said}");
        let (of, into) = (format!("refs/pr/{num}"), format!("back-{num}"));
        hf(&bob, &["download", "acme/asked", "--revision", &of, "--local-dir", &into]);
        assert!(std::fs::read(dir.join(into).join("w.safetensors")).unwrap() == weights, "{of}");
        let work = Work::new();
        work.ok(&["fetch", "-q", &place.hub.repo_url("acme/asked"), &of]);
        assert!(work.ok(&["show", "FETCH_HEAD:w.safetensors"]).contains("git-lfs"), "{of}");
    }
}
