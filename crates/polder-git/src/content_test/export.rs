//! Exports as stock git finds them, and the view for hooks.

use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::kit::{Hub, assert_sound, author, delete, git, git_ok, index, put, rev, scratch, write};
use crate::{Error, ExportPack, PackBytes, Ref, Snapshot, export, write_commit, write_view};

fn hub() -> Hub {
    let mut hub = Hub::new();
    hub.commit(&[put("README.md", "one"), put("d/e", "two")]).unwrap();
    hub.commit(&[put("README.md", "three")]).unwrap();
    hub
}

fn packs_in(dir: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(dir.join("objects/pack")).unwrap().map(|file| file.unwrap().path());
    let mut files: Vec<_> = files.collect();
    files.sort();
    files
}

fn refused(hub: &Hub, dir: &Path) -> String {
    match export(&hub.snapshot, dir, &hub.export_packs()) {
        Err(Error::Refused { message }) => message,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn an_export_again_is_an_update_to_exactly_what_is_there() {
    let (mut hub, place) = (hub(), scratch());
    let out = place.path().join("new/repo.git");
    hub.export(&out);
    assert_sound(&out);
    let before = packs_in(&out);
    assert_eq!(before.len(), 4);
    let untouched = std::fs::metadata(&before[0]).unwrap().modified().unwrap();
    hub.export(&out);
    assert_eq!(std::fs::metadata(&before[0]).unwrap().modified().unwrap(), untouched);

    // Somebody works in the export: repacks, pushes, writes derived files.
    git(&out, &["repack", "-adq", "--write-midx"]);
    git(&out, &["commit-graph", "write", "--reachable"]);
    git(&out, &["update-ref", "refs/heads/theirs/x", "main~1"]);
    git(&out, &["update-ref", "refs/heads/main", "main~1"]);
    let tip = hub.commit(&[delete("d/e")]).unwrap().commit_id;
    hub.export(&out);
    assert_sound(&out);
    assert_eq!(git(&out, &["for-each-ref", "--format=%(refname)"]), "refs/heads/main");
    assert_eq!(rev(&out, "main"), tip);
    assert_eq!(packs_in(&out).len(), 6, "{:?}", packs_in(&out));
    git(place.path(), &["clone", "-q", out.to_str().unwrap(), "clone"]);
    assert_sound(&place.path().join("clone"));

    // Everything gone but the repository itself.
    let empty = Snapshot::new(9, "refs/heads/main".to_owned(), Vec::new(), Vec::new());
    export(&empty, &out, &[]).unwrap();
    assert_sound(&out);
    assert_eq!(packs_in(&out), Vec::<PathBuf>::new());
    assert_eq!(git(&out, &["for-each-ref"]), "");
}

#[test]
fn hidden_refs_are_not_exported() {
    let hub = hub();
    let tip = hub.snapshot.find_ref("refs/heads/main").unwrap().oid;
    let named = |name: &str| Ref { name: name.to_owned(), oid: tip, peeled: None };
    let refs = vec![named("refs/heads/main"), named("refs/polder/x"), named("refs/pr/1")];
    let snapshot = Snapshot::new(1, "refs/heads/main".to_owned(), refs, hub.snapshot.packs().to_vec());
    let out = scratch();
    export(&snapshot, out.path(), &hub.export_packs()).unwrap();
    assert_eq!(git(out.path(), &["for-each-ref", "--format=%(refname)"]), "refs/heads/main\nrefs/pr/1");
}

#[test]
fn a_directory_that_no_export_made_is_left_alone() {
    let (hub, place) = (hub(), scratch());
    let at = |name: &str| place.path().join(name);
    git(place.path(), &["init", "-q", "--bare", "theirs.git"]);
    assert!(refused(&hub, &at("theirs.git")).contains("not made by an export"));
    write(&at("files"), "thesis.txt", b"mine");
    assert!(refused(&hub, &at("files")).contains("not made by an export"));
    assert_eq!(std::fs::read_dir(at("files")).unwrap().count(), 1);
    write(place.path(), "a file", b"x");
    assert!(export(&hub.snapshot, &at("a file"), &hub.export_packs()).is_err());
    // Large objects that came first, and what an export that died at once leaves.
    write(&at("fine"), "lfs/objects/ab/cd/abcd", b"x");
    std::fs::create_dir_all(at("fine/objects/pack")).unwrap();
    std::fs::create_dir_all(at("fine/refs/heads")).unwrap();
    write(&at("fine"), "config.polder-tmp", b"half");
    hub.export(&at("fine"));
    assert_sound(&at("fine"));
    assert!(at("fine/lfs/objects/ab/cd/abcd").exists());
}

#[test]
fn two_exports_to_one_place_do_not_mix() {
    let (hub, out) = (hub(), scratch());
    hub.export(out.path());
    let held = std::fs::File::open(out.path().join("polder-export.lock")).unwrap();
    held.lock().unwrap();
    assert!(refused(&hub, out.path()).contains("another export"));
    drop(held);
    hub.export(out.path());
}

#[test]
fn a_pack_that_is_not_what_its_name_says_is_never_exported() {
    let (hub, place) = (hub(), scratch());
    let out = place.path().join("out");
    let good = hub.export_packs();
    for break_index in [false, true] {
        let mut packs = good.clone();
        let PackBytes::Memory(data, index) = &packs[1].pack else { panic!("in memory") };
        let cut = |bytes: &Bytes| bytes.slice(..bytes.len() - 1);
        let broken = if break_index { (data.clone(), cut(index)) } else { (cut(data), index.clone()) };
        packs[1].pack = PackBytes::Memory(broken.0, broken.1);
        let error = export(&hub.snapshot, &out, &packs).unwrap_err();
        assert!(matches!(error, Error::Corrupt { .. }), "{error}");
        assert!(!out.join("packed-refs").exists(), "no ref without its objects");
    }
    hub.export(&out);
    assert_sound(&out);
}

#[test]
fn a_hook_sees_the_push_and_cannot_reach_the_stored_pack() {
    let (hub, place) = (hub(), scratch());
    let old = hub.snapshot.find_ref("refs/heads/main").unwrap().oid;
    let written =
        write_commit(&hub.snapshot, Some(old), &[put("new", "pushed")], None, &author(), "pushed").unwrap();
    let (pack, idx) = index(&written.whole_pack().unwrap(), place.path());
    let stored = std::fs::read(&pack).unwrap();
    let hash = crate::Pack::open(polder_types::PackId(5), &pack, &idx).unwrap().hash();
    let mut packs = hub.export_packs();
    packs.push(ExportPack { hash, pack: PackBytes::Files(pack.clone(), idx) });
    let view = place.path().join("view");
    write_view(&hub.snapshot, &view, &packs).unwrap();
    assert_sound(&view);
    let new = written.commit_id.to_string();
    assert_eq!(git(&view, &["cat-file", "blob", &format!("{new}:new")]), "pushed");
    assert_eq!(git(&view, &["rev-list", "--count", &format!("main..{new}")]), "1");
    assert_eq!(rev(&view, "HEAD"), old);
    assert!(!git_ok(&view, &["cat-file", "-e", "refs/polder/x"]));
    // A hook that does its worst.
    let copy = view.join(format!("objects/pack/pack-{hash}.pack"));
    std::fs::remove_file(&copy).unwrap();
    write_view(&hub.snapshot, &place.path().join("second"), &packs).unwrap();
    let second = place.path().join(format!("second/objects/pack/pack-{hash}.pack"));
    let mut permissions = std::fs::metadata(&second).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o644);
    std::fs::set_permissions(&second, permissions).unwrap();
    std::fs::write(&second, b"junk").unwrap();
    assert_eq!(std::fs::read(&pack).unwrap(), stored);
}
