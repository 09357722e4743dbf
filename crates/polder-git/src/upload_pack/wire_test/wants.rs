//! What may be asked for.

use super::super::fixture::Source;
use super::super::upload_pack;
use super::{ask, index_pack, pack_of, request};
use crate::{Error, Protocol};

#[test]
fn a_tip_replaced_a_moment_ago_can_still_be_wanted() {
    let mut source = Source::with_history();
    let old = source.oid("main");
    source.git(&["commit", "-q", "--amend", "-m", "rewritten"]);
    source.git(&["tag", "-d", "v2", "outer"]);
    source.commit_round(40);
    source.repack();
    source.git(&["-c", "alias.keep=!git rev-list --objects -g main | cut -c1-40 | git pack-objects -q .git/objects/pack/pack", "keep"]);
    let want = [format!("want {old}"), format!("want {}", source.oid(&format!("{old}:README.md")))];
    let body = request(&["command=fetch", "0001", &want[0], "done", "0000"]);
    let (_, result) = ask(&source.snapshot(), Protocol::V2, &body);
    assert!(
        matches!(result, Err(Error::Refused { message }) if message.ends_with(&format!("not our ref {old}")))
    );
    let snapshot = source.snapshot();
    let absent = format!("want {}", "12".repeat(20));
    let asked = std::cell::Cell::new(0);
    let recent_tips = || {
        asked.set(asked.get() + 1);
        Ok(vec![old, "34".repeat(20).parse().unwrap()])
    };
    let try_fetch = |want: &str| {
        let mut out = Vec::new();
        let body = request(&["command=fetch", "0001", want, "done", "0000"]);
        upload_pack(&snapshot, &recent_tips, Protocol::V2, &body, &mut out).map(|()| out)
    };
    for want in &want {
        index_pack(&source, &pack_of(&try_fetch(want).unwrap()));
    }
    assert_eq!(asked.get(), 1, "the file is in the new history too");
    // Nobody looks for former tips when the want is known, or is not there at all.
    try_fetch(&format!("want {}", source.oid("main~1"))).unwrap();
    assert!(try_fetch(&absent).is_err());
    assert_eq!(asked.get(), 1);
}

#[test]
fn sizes_are_told_of_what_visible_refs_reach_and_of_nothing_else() {
    let mut source = Source::with_history();
    source.git(&["checkout", "-q", "--detach"]);
    source.write("secret.txt", b"hidden content\n");
    source.commit("hidden");
    source.git(&["update-ref", "refs/polder/hidden", "HEAD"]);
    source.git(&["checkout", "-q", "main"]);
    source.repack();
    let snapshot = source.snapshot();
    let ids = ["main", "main^{tree}", "main:README.md", "main~7:data/deep/er/big.txt", "v1"].map(|name| {
        let id = source.oid(name).to_string();
        let size = source.git(&["cat-file", "-s", &id]);
        (id, size)
    });
    let hidden =
        ["refs/polder/hidden", "refs/polder/hidden:secret.txt"].map(|name| source.oid(name).to_string());
    let absent = "12".repeat(20);
    let all = ids.iter().map(|(id, _)| id).chain(&hidden).chain([&absent]);
    let asked: Vec<String> = all.map(|id| format!("oid {id}")).collect();
    let mut lines = vec!["command=object-info", "0001", "size"];
    lines.extend(asked.iter().map(String::as_str));
    lines.push("0000");
    let (out, result) = ask(&snapshot, Protocol::V2, &request(&lines));
    result.unwrap();
    let mut told: Vec<String> = vec!["size".to_owned()];
    told.extend(ids.iter().map(|(id, size)| format!("{id} {size}")));
    told.extend(hidden.iter().chain([&absent]).map(|id| format!("{id} ")));
    let mut expected: Vec<&str> = told.iter().map(String::as_str).collect();
    expected.push("0000");
    assert_eq!(out, request(&expected));

    let many = vec![asked[0].as_str(); 10_001];
    let lines = [&["command=object-info", "0001", "size"], &many[..], &["0000"]].concat();
    let (_, result) = ask(&snapshot, Protocol::V2, &request(&lines));
    assert!(matches!(result, Err(Error::Refused { message }) if message.contains("10000")));
}

#[test]
fn a_want_by_name_is_answered_with_its_id_and_never_of_a_hidden_ref() {
    let source = Source::with_history();
    source.git(&["update-ref", "refs/polder/hidden", "main~1"]);
    let snapshot = source.snapshot();
    let fetch = |names: &[&str]| {
        let named: Vec<String> = names.iter().map(|name| format!("want-ref {name}")).collect();
        let mut lines = vec!["command=fetch", "0001", "no-progress", "deepen 1"];
        lines.extend(named.iter().map(String::as_str));
        ask(&snapshot, Protocol::V2, &request(&[&lines[..], &["done", "0000"]].concat()))
    };
    let main = source.oid("main");
    let (out, result) = fetch(&["refs/heads/main", "HEAD"]);
    result.unwrap();
    let shallow = format!("shallow {main}");
    let mut expected = request(&["shallow-info"]);
    crate::pkt_line::write_data(&mut expected, shallow.as_bytes());
    let wanted = [format!("{main} refs/heads/main"), format!("{main} HEAD")];
    expected.extend(request(&["0001", "wanted-refs", &wanted[0], &wanted[1], "0001", "packfile"]));
    assert_eq!(&out[..expected.len()], expected);
    index_pack(&source, &pack_of(&out));
    for (names, words) in [
        (&["refs/polder/hidden"][..], "unknown ref refs/polder/hidden"),
        (&["refs/heads/absent"], "unknown ref refs/heads/absent"),
        (&["main"], "unknown ref main"),
        (&["HEAD", "HEAD"], "duplicate want-ref HEAD"),
    ] {
        let (_, result) = fetch(names);
        assert!(matches!(&result, Err(Error::Refused { message }) if message == words), "{result:?}");
    }
}
