//! git-lfs itself: what it pushes is what a clone gets.

use polder_tests::{Client, LargeObject, Work, have};

use crate::place::Place;

#[test]
fn what_git_lfs_pushes_is_what_a_clone_gets() {
    if !have(&[Client::GitLfs]) {
        return;
    }
    let place = Place::new();
    place.hub.repo("acme/m");
    let work = place.work("acme/m");
    let files = [
        ("weights.bin", LargeObject::random(1, 20 << 20)),
        ("模型 权重/第一 部分.bin", LargeObject::random(2, 100_000)),
        ("one byte.bin", LargeObject::random(3, 1)),
    ];
    for (path, object) in &files {
        work.write(path, &object.bytes);
    }
    work.write("empty.bin", b"");
    work.commit("Add weights");
    work.ok(&["push", "-q", "origin", "main"]);

    let reader = Work::with_lfs();
    let clone = reader.beside("clone");
    // Anonymous: the repository is public.
    reader.git.ok(
        &reader.beside(""),
        &["-c", "filter.lfs.required=false", "clone", "-q", &place.hub.repo_url("acme/m"), "clone"],
    );
    reader.git.ok(&clone, &["lfs", "install", "--local"]);
    reader.git.ok(&clone, &["lfs", "pull"]);
    for (path, object) in &files {
        assert!(std::fs::read(clone.join(path)).unwrap() == object.bytes, "{path}");
    }
    assert_eq!(std::fs::read(clone.join("empty.bin")).unwrap(), b"");
    reader.git.ok(&clone, &["lfs", "fsck"]);
    reader.git.fsck(&clone);
    place.hub.fsck();
}

#[test]
fn git_lfs_fetches_every_version_and_pushes_only_what_is_missing() {
    if !have(&[Client::GitLfs]) {
        return;
    }
    let place = Place::new();
    place.hub.repo("acme/m");
    let work = place.work("acme/m");
    let versions: Vec<LargeObject> = (10..14).map(|seed| LargeObject::random(seed, 50_000)).collect();
    for object in &versions {
        work.write("weights.bin", &object.bytes);
        work.commit("Another version");
        work.ok(&["push", "-q", "origin", "main"]);
    }
    let before = place.hub.stored_objects();
    work.commit_file("README.md", b"words\n");
    work.ok(&["push", "-q", "origin", "main", "main:refs/heads/other"]);
    assert_eq!(before, place.hub.stored_objects());

    let mirror = work.beside("mirror");
    work.git.ok(&work.beside(""), &["clone", "-q", "--mirror", &place.hub.repo_url("acme/m"), "mirror"]);
    work.git.ok(&mirror, &["lfs", "fetch", "--all"]);
    for object in &versions {
        let path =
            mirror.join("lfs/objects").join(&object.oid[..2]).join(&object.oid[2..4]).join(&object.oid);
        assert!(std::fs::read(path).unwrap() == object.bytes);
    }
}

#[test]
fn two_hundred_large_objects_go_in_one_push_and_ten_clients_get_them_at_once() {
    if !have(&[Client::GitLfs]) {
        return;
    }
    let place = Place::new();
    place.hub.repo("datasets/acme/d");
    let work = place.work("datasets/acme/d");
    work.ok(&["config", "lfs.concurrenttransfers", "16"]);
    for n in 0..200 {
        work.write(&format!("data/part {n}.bin"), &LargeObject::random(2000 + n, 3_000).bytes);
    }
    work.commit("Add parts");
    work.ok(&["push", "-q", "origin", "main"]);
    std::thread::scope(|scope| {
        for _ in 0..10 {
            let (place, work) = (&place, &work);
            scope.spawn(move || {
                let reader = place.work("datasets/acme/d");
                reader.ok(&["fetch", "-q", "origin"]);
                reader.ok(&["reset", "-q", "--hard", "origin/main"]);
                for n in 0..200 {
                    let path = format!("data/part {n}.bin");
                    let read = |of: &Work| std::fs::read(of.path().join(&path)).unwrap();
                    assert!(read(&reader) == read(work), "{path}");
                }
            });
        }
    });
    place.hub.fsck();
}

#[test]
fn git_lfs_resumes_a_download_that_was_cut() {
    if !have(&[Client::GitLfs]) {
        return;
    }
    let place = Place::new();
    place.hub.repo("acme/m");
    let work = place.work("acme/m");
    let object = LargeObject::random(20, 4 << 20);
    work.write("weights.bin", &object.bytes);
    work.commit("Add weights");
    work.ok(&["push", "-q", "origin", "main"]);

    let reader = place.work("acme/m");
    reader.ok(&["fetch", "-q", "origin"]);
    reader.ok(&["config", "lfs.fetchinclude", ""]);
    let incomplete = reader.path().join(".git/lfs/incomplete");
    std::fs::create_dir_all(&incomplete).unwrap();
    std::fs::write(incomplete.join(format!("{}.part", object.oid)), &object.bytes[..3 << 20]).unwrap();
    let mut command = reader.git.command(&reader.path(), &["lfs", "fetch", "origin", "origin/main"]);
    let done = polder_tests::run(command.env("GIT_TRACE", "1").env("GIT_CURL_VERBOSE", "1"));
    done.ok();
    assert!(done.stderr.contains(&format!("bytes={}-", 3 << 20)), "it asked for the rest\n{}", done.stderr);
    assert!(done.stderr.contains("206 Partial Content"), "it got the rest\n{}", done.stderr);
    let stored = reader.path().join(".git/lfs/objects").join(&object.oid[..2]).join(&object.oid[2..4]);
    assert!(std::fs::read(stored.join(&object.oid)).unwrap() == object.bytes);
}

#[test]
fn a_push_without_its_large_objects_is_refused_naming_path_and_oid() {
    if !have(&[Client::GitLfs]) {
        return;
    }
    let place = Place::new();
    place.hub.repo("acme/m");
    let work = place.work("acme/m");
    work.commit_file("README.md", b"words\n");
    work.ok(&["push", "-q", "origin", "main"]);
    let before = work.ok(&["ls-remote", "origin"]);
    let (one, two) = (LargeObject::random(30, 5_000), LargeObject::random(31, 6_000));
    work.write("deep/in the/weights.bin", &one.bytes);
    work.write("权重.bin", &two.bytes);
    work.commit("Add weights");
    let told = polder_tests::run(
        work.git.command(&work.path(), &["push", "origin", "main"]).env("GIT_LFS_SKIP_PUSH", "1"),
    )
    .fails();
    for word in ["deep/in the/weights.bin", "权重.bin", &one.oid, &two.oid] {
        assert!(told.contains(word), "`{word}` is not in\n{told}");
    }
    assert_eq!(work.ok(&["ls-remote", "origin"]), before);

    // A later commit that removes the file again does not hide that history needs it.
    work.ok(&["rm", "-q", "-r", "deep", "权重.bin"]);
    work.commit("Remove them");
    let told = polder_tests::run(
        work.git.command(&work.path(), &["push", "origin", "main"]).env("GIT_LFS_SKIP_PUSH", "1"),
    )
    .fails();
    assert!(told.contains(&one.oid), "{told}");

    work.ok(&["lfs", "push", "--all", "origin"]);
    work.ok(&["push", "-q", "origin", "main"]);
    place.hub.fsck();
}

#[test]
fn large_objects_follow_a_rename_and_a_private_repository_asks_for_a_password() {
    if !have(&[Client::GitLfs]) {
        return;
    }
    let place = Place::new();
    place.private("acme/old");
    let work = place.work("acme/old");
    let object = LargeObject::random(130, 50_000);
    work.write("weights.bin", &object.bytes);
    work.commit("Add weights");
    work.ok(&["push", "-q", "origin", "main"]);
    place.hub.cli(&["repo", "rename", "acme/old", "acme/new"]).ok();

    let reader = place.work("acme/old");
    reader.ok(&["fetch", "-q", "origin"]);
    reader.ok(&["lfs", "fetch", "origin", "origin/main"]);
    reader.ok(&["reset", "-q", "--hard", "origin/main"]);
    assert!(std::fs::read(reader.path().join("weights.bin")).unwrap() == object.bytes);

    let stranger = Work::with_lfs();
    let told = stranger.run(&["fetch", &place.hub.repo_url("acme/new")]).fails();
    assert!(told.contains("could not read Username") || told.contains("Authentication failed"), "{told}");
}
