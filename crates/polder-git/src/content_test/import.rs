//! Repositories on disk that git made, and what is refused.

use std::collections::BTreeSet;
use std::path::Path;

use super::kit::{
    Hub, Opened, assert_sound, commit_all, git, git_bytes, git_ok, new_repo, oid, rev, scratch, write,
};
use crate::{Error, open_source, write_import_pack};

fn refs_of(dir: &Path) -> String {
    git(dir, &["for-each-ref", "--format=%(objectname) %(objecttype) %(refname) %(*objectname)"])
}

/// All refs of a bare repository; an ordinary one's without its own notes.
fn refs_to_take(dir: &Path) -> String {
    let all = refs_of(dir);
    if git(dir, &["rev-parse", "--is-bare-repository"]) == "true" {
        return all;
    }
    let is_note = |line: &&str| line.contains(" refs/remotes/") || line.contains(" refs/stash");
    all.lines().filter(|line| !is_note(line)).collect::<Vec<_>>().join("\n")
}

fn objects_of(dir: &Path) -> BTreeSet<String> {
    let listed = git(dir, &["rev-list", "--objects", "--no-object-names", "--all"]);
    listed.lines().map(str::to_owned).collect()
}

/// Imports into `hub`, exports into `out`, and compares with the source as git sees both.
fn assert_round_trip(source: &Path, hub: &mut Hub, out: &Path) {
    let opened = Opened::at(source);
    hub.import(&opened.source);
    hub.export(out);
    assert_eq!(refs_of(out), refs_to_take(source));
    assert_eq!(objects_of(out), objects_of(source));
    assert_sound(out);
}

/// Branches, light, annotated and nested tags, a tag of a blob, notes, packed and loose, a symbolic ref.
fn rich() -> tempfile::TempDir {
    let dir = new_repo();
    let path = dir.path();
    for n in 0..5 {
        write(path, &format!("目录/f {n}"), "text\n".repeat(n + 1).as_bytes());
        write(path, "changing", format!("{}{n}", "line\n".repeat(200)).as_bytes());
        commit_all(path, &format!("commit {n}"));
    }
    git(path, &["tag", "light", "HEAD~2"]);
    git(path, &["tag", "-a", "-m", "t", "annotated", "HEAD~1"]);
    git(path, &["tag", "-a", "-m", "t", "nested", "annotated"]);
    git(path, &["tag", "-a", "-m", "t", "blob", "HEAD:changing"]);
    git(path, &["notes", "add", "-m", "note", "HEAD"]);
    git(path, &["repack", "-adq"]);
    git(path, &["pack-refs", "--all"]);
    write(path, "loose", b"loose");
    commit_all(path, "loose");
    git(path, &["branch", "功能/一", "HEAD~3"]);
    git(path, &["tag", "-f", "light", "HEAD~1"]);
    git(path, &["symbolic-ref", "refs/remotes/origin/HEAD", "refs/heads/main"]);
    dir
}

#[test]
fn a_repository_goes_through_the_hub_unchanged() {
    let (source, out) = (rich(), scratch());
    let mut hub = Hub::new();
    assert_round_trip(source.path(), &mut hub, out.path());
    assert_eq!(git(out.path(), &["symbolic-ref", "HEAD"]), "refs/heads/main");
    let clone = scratch();
    git(clone.path(), &["clone", "-q", out.path().to_str().unwrap(), "c"]);
    assert_sound(&clone.path().join("c"));

    // Again: nothing to send.
    let opened = Opened::at(source.path());
    assert_eq!(hub.import(&opened.source), 0);

    // An update: history rewritten, refs gone, moved and new, another default branch.
    let path = source.path();
    git(path, &["reset", "-q", "--hard", "HEAD~2"]);
    write(path, "rewritten", b"r");
    commit_all(path, "rewritten");
    git(path, &["branch", "-m", "main", "trunk"]);
    git(path, &["symbolic-ref", "refs/remotes/origin/HEAD", "refs/heads/trunk"]);
    git(path, &["tag", "-d", "nested"]);
    git(path, &["tag", "-a", "-m", "new", "v2"]);
    let opened = Opened::at(path);
    let mut pack = Vec::new();
    let count = write_import_pack(opened.snapshot(), &hub.snapshot, &mut pack).unwrap();
    assert_eq!(count, 4, "the commit, its tree, its blob, the tag");
    assert_round_trip(path, &mut hub, out.path());
    assert_eq!(git(out.path(), &["symbolic-ref", "HEAD"]), "refs/heads/trunk");
}

#[test]
fn bare_loose_and_cloned_repositories_are_read_alike() {
    let source = rich();
    let path = source.path();
    let place = scratch();
    git(place.path(), &["clone", "-q", "--mirror", path.to_str().unwrap(), "bare.git"]);
    let bare = place.path().join("bare.git");
    assert_round_trip(&bare, &mut Hub::new(), scratch().path());

    // Every object loose.
    let pack = std::fs::read_dir(bare.join("objects/pack")).unwrap().map(|file| file.unwrap().path());
    let pack = pack.filter(|path| path.extension().is_some_and(|e| e == "pack")).collect::<Vec<_>>();
    for file in pack {
        let bytes = std::fs::read(&file).unwrap();
        for extension in ["pack", "idx", "rev"] {
            let _gone = std::fs::remove_file(file.with_extension(extension));
        }
        git_bytes(&bare, &["unpack-objects", "-q"], &bytes);
    }
    assert!(std::fs::read_dir(bare.join("objects/pack")).unwrap().next().is_none());
    assert_round_trip(&bare, &mut Hub::new(), scratch().path());

    // The `.git` directory itself, a `.git` file, a worktree.
    let inside = Opened::at(&path.join(".git"));
    assert_eq!(inside.snapshot().refs(), Opened::at(path).snapshot().refs());
    git(place.path(), &["clone", "-q", "--separate-git-dir", "elsewhere", path.to_str().unwrap(), "split"]);
    assert_round_trip(&place.path().join("split"), &mut Hub::new(), scratch().path());
    let tree = place.path().join("tree");
    git(path, &["worktree", "add", "-q", "-b", "side", tree.to_str().unwrap()]);
    assert_round_trip(&tree, &mut Hub::new(), scratch().path());
    assert_eq!(Opened::at(&tree).snapshot().head(), "refs/heads/side");
    assert_eq!(Opened::at(path).snapshot().head(), "refs/heads/main");
}

#[test]
fn alternates_are_followed_and_a_missing_one_is_told() {
    let source = rich();
    let place = scratch();
    git(place.path(), &["clone", "-q", "--mirror", "--shared", source.path().to_str().unwrap(), "one.git"]);
    git(place.path(), &["clone", "-q", "--mirror", "--shared", "one.git", "two.git"]);
    let two = place.path().join("two.git");
    // A circle does no harm.
    let back = format!("{}\n", two.join("objects").display());
    write(source.path(), ".git/objects/info/alternates", back.as_bytes());
    assert_round_trip(&two, &mut Hub::new(), scratch().path());
    write(&two, "objects/info/alternates", b"# comment\n../nowhere\n");
    let opened = Opened::at(&two);
    assert!(
        opened.source.warnings.iter().any(|text| text.contains("nowhere")),
        "{:?}",
        opened.source.warnings
    );
    assert_eq!(opened.snapshot().refs(), []);
}

#[test]
fn an_empty_repository_is_imported_with_its_head() {
    let dir = scratch();
    git(dir.path(), &["init", "-q", "--bare", "-b", "trunk"]);
    let opened = Opened::at(dir.path());
    assert_eq!((opened.snapshot().head(), opened.snapshot().refs().len()), ("refs/heads/trunk", 0));
    assert_eq!(opened.source.warnings, Vec::<String>::new());
    let (mut hub, out) = (Hub::new(), scratch());
    assert_eq!(hub.import(&opened.source), 0);
    hub.export(out.path());
    assert_sound(out.path());
    assert_eq!(git(out.path(), &["symbolic-ref", "HEAD"]), "refs/heads/trunk");
    assert_eq!(opened.source.lfs_objects, dir.path().join("lfs/objects"));
}

#[test]
fn a_detached_head_gives_the_default_branch() {
    let dir = new_repo();
    commit_all(dir.path(), "one");
    git(dir.path(), &["branch", "-m", "main", "only"]);
    git(dir.path(), &["checkout", "-q", "--detach"]);
    let opened = Opened::at(dir.path());
    assert_eq!(opened.snapshot().head(), "refs/heads/only");
    assert!(opened.source.warnings[0].contains("detached"), "{:?}", opened.source.warnings);
    git(dir.path(), &["branch", "another"]);
    assert_eq!(Opened::at(dir.path()).snapshot().head(), "refs/heads/main");
    // The oldest form of HEAD.
    std::fs::remove_file(dir.path().join(".git/HEAD")).unwrap();
    std::os::unix::fs::symlink("refs/heads/another", dir.path().join(".git/HEAD")).unwrap();
    assert_eq!(Opened::at(dir.path()).snapshot().head(), "refs/heads/another");
}

#[test]
fn the_hubs_own_refs_and_broken_ones_stay_behind() {
    let dir = new_repo();
    let path = dir.path();
    let commit = commit_all(path, "one").to_string();
    for name in ["refs/pr/1", "refs/polder/x", "refs/pull/1/head"] {
        git(path, &["update-ref", name, &commit]);
    }
    git(path, &["pack-refs", "--all"]);
    write(path, ".git/refs/heads/empty", b"");
    write(path, ".git/refs/heads/gone", format!("{}\n", "1".repeat(40)).as_bytes());
    write(path, ".git/refs/heads/half.lock", b"");
    write(path, ".git/refs/heads/nowhere", b"ref: refs/heads/unborn\n");
    write(path, ".git/refs/heads/two words", commit.as_bytes());
    write(path, ".git/refs/heads/circle", b"ref: refs/heads/circle\n");
    let opened = Opened::at(path);
    let names: Vec<_> = opened.snapshot().refs().iter().map(|found| found.name.as_str()).collect();
    assert_eq!(names, ["refs/heads/main", "refs/pull/1/head"]);
    for word in ["empty", "gone", "nowhere", "two words", "circle"] {
        assert!(opened.source.warnings.iter().any(|text| text.contains(word)), "{word}");
    }
    assert_eq!(opened.source.warnings.len(), 5, "{:?}", opened.source.warnings);
}

#[test]
fn an_ordinary_repository_keeps_its_own_notes_and_a_bare_one_gives_all() {
    let origin = new_repo();
    commit_all(origin.path(), "one");
    git(origin.path(), &["branch", "side"]);
    let place = scratch();
    git(place.path(), &["clone", "-q", origin.path().to_str().unwrap(), "clone"]);
    let clone = place.path().join("clone");
    write(&clone, "a", b"stashed");
    git(&clone, &["add", "a"]);
    git(&clone, &["stash"]);
    git(&clone, &["symbolic-ref", "refs/heads/alias", "refs/remotes/origin/side"]);
    let names =
        |opened: &Opened| opened.snapshot().refs().iter().map(|found| found.name.clone()).collect::<Vec<_>>();
    let own = ["refs/heads/alias", "refs/heads/main"];
    let opened = Opened::at(&clone);
    assert_eq!(names(&opened), own);
    assert_eq!(opened.source.warnings.len(), 1, "{:?}", opened.source.warnings);
    let line = &opened.source.warnings[0];
    assert!(line.starts_with("4 refs in refs/remotes/ and refs/stash"), "{line}");

    // A repository that does not say whether it is bare is so unless it is called `.git`.
    git(&clone, &["config", "--unset", "core.bare"]);
    assert_eq!(names(&Opened::at(&clone)), own);
    let bare = place.path().join("bare.git");
    std::fs::rename(clone.join(".git"), &bare).unwrap();
    assert_eq!(names(&Opened::at(&bare)).len(), 6);
    git(&bare, &["config", "core.bare", "true"]);
    let opened = Opened::at(&bare);
    assert!(names(&opened).contains(&"refs/stash".to_owned()));
    assert_eq!(opened.source.warnings, Vec::<String>::new());
}

#[test]
fn a_damaged_loose_object_is_told_and_only_a_needed_one_stops_the_import() {
    let dir = new_repo();
    let path = dir.path();
    write(path, "f", b"content that is hashed");
    commit_all(path, "one");
    let needed = rev(path, "HEAD:f").to_string();
    let file = |id: &str| path.join(".git/objects").join(&id[..2]).join(&id[2..]);
    let junk = "aa".to_owned() + &"b".repeat(38);
    write(path, &format!(".git/objects/aa/{}", &junk[2..]), b"");
    let opened = Opened::at(path);
    assert!(opened.source.warnings[0].contains(&junk), "{:?}", opened.source.warnings);
    Hub::new().import(&opened.source);

    // Another object's bytes under the needed name.
    let other = String::from_utf8(git_bytes(path, &["hash-object", "-w", "--stdin"], b"another")).unwrap();
    std::fs::remove_file(file(&needed)).unwrap();
    std::fs::copy(file(other.trim()), file(&needed)).unwrap();
    let opened = Opened::at(path);
    assert!(opened.source.warnings.iter().any(|text| text.contains(&needed)), "{:?}", opened.source.warnings);
    let empty = super::kit::empty_snapshot();
    let error = write_import_pack(opened.snapshot(), &empty, &mut Vec::new()).unwrap_err();
    assert!(matches!(&error, Error::Corrupt { subject, .. } if subject.contains(&needed)), "{error}");
}

#[test]
fn a_pack_without_index_is_left_out_with_a_warning() {
    let dir = rich();
    let path = dir.path();
    write(path, ".git/objects/pack/pack-x.pack", b"half a pack");
    let opened = Opened::at(path);
    let warnings = &opened.source.warnings;
    assert!(warnings.iter().any(|text| text.contains("pack-x.pack")), "{warnings:?}");
    Hub::new().import(&opened.source);
}

fn refused(dir: &Path) -> String {
    match open_source(dir, scratch().path()) {
        Err(Error::Refused { message }) => message,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn what_cannot_be_imported_whole_is_refused_by_name() {
    let source = rich();
    let url = format!("file://{}", source.path().display());
    git(source.path(), &["config", "uploadpack.allowFilter", "true"]);
    let place = scratch();
    let at = |name: &str| place.path().join(name);
    git(place.path(), &["clone", "-q", "--depth=1", &url, "shallow"]);
    assert!(refused(&at("shallow")).contains("shallow"));
    git(place.path(), &["clone", "-q", "--filter=blob:none", "--bare", &url, "partial"]);
    assert!(refused(&at("partial")).contains("partial"));
    // Partial still, though its configuration no longer says so.
    write(&at("partial"), "config", b"[core]\n\trepositoryformatversion = 0\n\tbare = true\n");
    assert!(refused(&at("partial")).contains("partial"));
    git(place.path(), &["init", "-q", "--object-format=sha256", "sha256"]);
    assert!(refused(&at("sha256")).contains("sha256"));
    if git_ok(place.path(), &["init", "-q", "--ref-format=reftable", "reftable"]) {
        assert!(refused(&at("reftable")).contains("reftable"));
    }
    for (config, word) in [
        ("[core]\nrepositoryformatversion = 2\n", "format 2"),
        ("[core]\nrepositoryformatversion = 1\n[extensions]\nfancyNew = true\n", "fancynew"),
        ("[core]\nrepositoryformatversion = 1\n[extensions]\nrefStorage = reftable\n", "reftable"),
        ("[extensions]\nobjectFormat = sha256\n", "sha256"),
        ("[remote \"origin\"]\npromisor\n", "partial"),
        ("[remote \"origin\"]\npartialCloneFilter = blob:none\n", "partial"),
    ] {
        write(source.path(), ".git/config", config.as_bytes());
        let message = refused(source.path());
        assert!(message.contains(word), "{config}: {message}");
    }
    write(&at("plain"), "file", b"x");
    assert!(refused(&at("plain")).contains("not a git repository"));
    assert!(refused(&at("plain/file")).contains("not a directory"));
    let missing = open_source(&at("missing"), place.path()).unwrap_err();
    assert!(matches!(missing, Error::NotFound { .. }), "{missing}");
}

#[test]
fn formats_that_change_nothing_for_reading_are_accepted() {
    let dir = rich();
    let config = "[core]\nrepositoryformatversion = 1\n[extensions]\nobjectFormat = sha1\nworktreeConfig = true\n\
                  refStorage = files\npreciousObjects = true\n[remote \"o\"]\npromisor = false\n[lfs]\nstorage = big\n";
    write(dir.path(), ".git/config", config.as_bytes());
    let opened = Opened::at(dir.path());
    assert_eq!(opened.source.lfs_objects, dir.path().join(".git/big/objects"));
    assert_eq!(opened.snapshot().refs().len(), 7);
}

#[test]
fn an_object_that_only_lies_around_is_sent_all_the_same() {
    let source = new_repo();
    write(source.path(), "f", b"shared");
    let tip = commit_all(source.path(), "one");
    let opened = Opened::at(source.path());
    let mut hub = Hub::new();
    assert_eq!(hub.import(&opened.source), 3);
    let head = "refs/heads/main".to_owned();
    let hidden = crate::Ref { name: "refs/polder/x".to_owned(), oid: tip, peeled: None };
    hub.snapshot = crate::Snapshot::new(2, head, vec![hidden], hub.snapshot.packs().to_vec());
    assert!(hub.snapshot.contains(&oid(&tip.to_string())));
    assert_eq!(write_import_pack(opened.snapshot(), &hub.snapshot, &mut Vec::new()).unwrap(), 3);
}

#[test]
fn an_import_passes_the_checks_of_a_push() {
    let source = rich();
    let opened = Opened::at(source.path());
    let nothing = super::kit::empty_snapshot();
    let mut pack = Vec::new();
    write_import_pack(opened.snapshot(), &nothing, &mut pack).unwrap();
    let dir = scratch();
    let id = polder_types::PackId(3);
    let limits = crate::IndexLimits::IMPORT;
    let received = crate::index_pack(id, &mut pack.as_slice(), dir.path(), &limits, &mut |_| {});
    let received = received.expect("indexes").expect("a pack");
    let tips: Vec<_> = opened.snapshot().refs().iter().map(|found| found.oid).collect();
    let checked =
        crate::check_push(&nothing, Some(&received), &tips, crate::Severity::Import).expect("sound");
    assert_eq!(checked.warnings, Vec::<String>::new());
    for found in opened.snapshot().refs() {
        assert_eq!(checked.peeled.get(&found.oid).copied(), found.peeled, "{}", found.name);
    }
}
