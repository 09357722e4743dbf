//! What a pack is made of.

use super::super::fixture::Source;
use super::{ask, index_pack, pack_of, request};
use crate::Protocol;

#[test]
fn many_packs_with_the_same_objects_make_one_pack_without_duplicates() {
    let mut source = Source::with_history();
    let listed = source.git(&["rev-list", "--objects", "main~2"]);
    source.commit_round(30);
    source.repack();
    let ids: Vec<_> = listed.lines().map(|line| &line[..40]).collect();
    source.write("again", (ids.join("\n") + "\n").as_bytes());
    source.git(&["-c", "alias.again=!git pack-objects -q .git/objects/pack/pack < again", "again"]);
    let snapshot = source.snapshot();
    assert_eq!(snapshot.packs().len(), 3);
    let tips: Vec<_> = snapshot.refs().iter().map(|r| r.oid).collect();
    let objects: Vec<_> = crate::reachable_objects(&snapshot, &tips).unwrap().into_iter().collect();
    for offset_deltas in [true, false] {
        let options = crate::PackOptions { offset_deltas, bases: None };
        let mut pack = Vec::new();
        let summary =
            crate::write_pack(&snapshot, &[&objects[..], &objects[..9]].concat(), options, &mut pack)
                .unwrap();
        assert!(summary.copied_deltas > 0);
        assert_eq!(usize::try_from(summary.objects).unwrap(), objects.len());
        index_pack(&source, &pack);
    }
}

#[test]
fn a_delta_builds_on_what_the_client_has_only_if_it_has_all_of_it() {
    let mut source = Source::with_history();
    // one pack in which the newer version of a file is a delta on the older
    let lines: String = (0..4000).map(|line| format!("line {line}\n")).collect::<Vec<_>>().concat();
    source.write("grows.txt", lines.as_bytes());
    source.commit("before");
    let old = source.oid("HEAD");
    source.write("grows.txt", &lines.as_bytes()[..lines.len() - 40]);
    source.commit("after");
    source.git(&["repack", "-adfq", "--depth=50", "--window=50"]);
    let snapshot = source.snapshot();
    let (want, have) = (format!("want {}", source.oid("HEAD")), format!("have {old}"));
    let fetch = |extra: &[&str]| {
        let lines =
            [&["command=fetch", "0001", "ofs-delta", &want, &have], extra, &["done", "0000"]].concat();
        let (out, result) = ask(&snapshot, Protocol::V2, &request(&lines));
        result.unwrap();
        pack_of(&out)
    };
    let thin = fetch(&["thin-pack"]);
    let whole = fetch(&[]);
    index_pack(&source, &whole);
    assert!(thin.len() + 1000 < whole.len(), "{} {}", thin.len(), whole.len());
    for cautious in [["thin-pack", "filter blob:limit=1m"], ["thin-pack", "deepen 2"]] {
        index_pack(&source, &fetch(&cautious));
    }
}
