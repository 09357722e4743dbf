//! Requests that no real client at hand sends, byte by byte.

use super::fixture::Source;
use super::{NO_RECENT_TIPS, upload_pack};
use crate::pkt_line::{Packet, PacketSlice, write_delim, write_flush, write_line};
use crate::{Error, Protocol, Service, Snapshot, advertise};

fn ask(snapshot: &Snapshot, protocol: Protocol, request: &[u8]) -> (Vec<u8>, Result<(), Error>) {
    let mut out = Vec::new();
    let result = upload_pack(snapshot, NO_RECENT_TIPS, protocol, request, &mut out);
    (out, result)
}

/// Lines; `0000` and `0001` stand for themselves.
fn request(lines: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    for line in lines {
        match *line {
            "0000" => write_flush(&mut out),
            "0001" => write_delim(&mut out),
            _ => write_line(&mut out, line),
        }
    }
    out
}

fn index_pack(source: &Source, pack: &[u8]) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), pack).unwrap();
    let out = file.path().with_extension("idx");
    source.git(&[
        "index-pack",
        "--strict",
        "-o",
        &out.display().to_string(),
        &file.path().display().to_string(),
    ])
}

#[test]
fn a_client_without_any_capability_gets_a_bare_pack() {
    let source = Source::with_history();
    let snapshot = source.snapshot();
    let want = format!("want {}", source.oid("main"));
    let (out, result) = ask(&snapshot, Protocol::V0, &request(&[&want, "0000", "done"]));
    result.unwrap();
    let pack = out.strip_prefix(b"0008NAK\n").unwrap();
    assert!(pack.starts_with(b"PACK\0\0\0\x02"));
    index_pack(&source, pack);
}

#[test]
fn a_client_without_multi_ack_gets_one_acknowledgement() {
    let source = Source::with_history();
    let snapshot = source.snapshot();
    let want = format!("want {} side-band ofs-delta", source.oid("main"));
    let (have, other) = (source.oid("main~1"), source.oid("main~2"));
    let lines = [&want, "0000", &format!("have {have}"), &format!("have {other}"), "0000"];
    let (out, result) = ask(&snapshot, Protocol::V0, &request(&lines));
    result.unwrap();
    assert_eq!(String::from_utf8(out).unwrap(), format!("0031ACK {have}\n"));
}

#[test]
fn multi_ack_continues_until_the_client_is_done() {
    let source = Source::with_history();
    let snapshot = source.snapshot();
    let want = format!("want {} multi_ack no-progress", source.oid("main"));
    let (have, unknown) = (source.oid("main~1"), "12".repeat(20));
    let haves = [format!("have {have}"), format!("have {unknown}")];
    let (out, result) =
        ask(&snapshot, Protocol::V0, &request(&[&want, "0000", &haves[0], &haves[1], "0000"]));
    result.unwrap();
    let expected = format!("003aACK {have} continue\n003aACK {unknown} continue\n0008NAK\n");
    assert_eq!(String::from_utf8(out).unwrap(), expected);
    let (out, result) = ask(&snapshot, Protocol::V0, &request(&[&want, "0000", &haves[0], "done"]));
    result.unwrap();
    let expected = format!("003aACK {have} continue\n0031ACK {have}\nPACK");
    assert_eq!(&out[..expected.len()], expected.as_bytes());
}

#[test]
fn no_done_lets_the_pack_follow_as_soon_as_both_are_ready() {
    let source = Source::with_history();
    let snapshot = source.snapshot();
    let have = source.oid("main~1");
    let want = format!("want {} multi_ack_detailed no-done no-progress", source.oid("main"));
    let (out, result) =
        ask(&snapshot, Protocol::V0, &request(&[&want, "0000", &format!("have {have}"), "0000"]));
    result.unwrap();
    let expected = format!("0038ACK {have} common\n0037ACK {have} ready\n0008NAK\n0031ACK {have}\nPACK");
    assert_eq!(&out[..expected.len()], expected.as_bytes());
}

#[test]
fn a_hidden_commit_is_nothing_in_common() {
    let mut source = Source::with_history();
    source.git(&["checkout", "-q", "--detach"]);
    source.commit("hidden");
    source.git(&["update-ref", "refs/polder/hidden", "HEAD"]);
    source.git(&["checkout", "-q", "main"]);
    source.repack();
    let have = format!("have {}", source.oid("refs/polder/hidden"));
    let want = format!("want {}", source.oid("main"));
    let lines = ["command=fetch", "0001", &want, &have, "0000"];
    let (out, result) = ask(&source.snapshot(), Protocol::V2, &request(&lines));
    result.unwrap();
    assert_eq!(out, request(&["acknowledgments", "NAK", "0000"]));
}

#[test]
fn version_2_waits_for_done_when_asked() {
    let source = Source::with_history();
    let snapshot = source.snapshot();
    let have = format!("have {}", source.oid("main~1"));
    let want = format!("want {}", source.oid("main"));
    let ack = format!("ACK {}", source.oid("main~1"));
    let lines =
        ["command=fetch", "agent=x", "object-format=sha1", "0001", "wait-for-done", &want, &have, "0000"];
    let (out, result) = ask(&snapshot, Protocol::V2, &request(&lines));
    result.unwrap();
    assert_eq!(out, request(&["acknowledgments", &ack, "0000"]));
    let lines = ["command=fetch", "0001", "no-progress", &want, &have, "0000"];
    let (out, result) = ask(&snapshot, Protocol::V2, &request(&lines));
    result.unwrap();
    let expected = request(&["acknowledgments", &ack, "ready", "0001", "packfile"]);
    assert_eq!(&out[..expected.len()], expected);
}

#[test]
fn probes_and_empty_requests_get_nothing() {
    let source = Source::empty();
    for protocol in [Protocol::V0, Protocol::V1, Protocol::V2] {
        for body in [&b"0000"[..], b""] {
            let (out, result) = ask(&source.snapshot(), protocol, body);
            result.unwrap();
            assert_eq!(out, b"");
        }
    }
}

#[test]
fn a_bad_request_is_refused_in_words() {
    let source = Source::with_history();
    let snapshot = source.snapshot();
    let oid = source.oid("main");
    let want = format!("want {oid}");
    let fetch = |line: &str| request(&["command=fetch", "0001", line, "0000"]);
    for (protocol, body, words) in [
        (Protocol::V2, request(&["command=steal", "0000"]), "invalid command 'steal'"),
        (Protocol::V2, request(&["command=fetch", "colour=red", "0000"]), "unknown capability 'colour=red'"),
        (Protocol::V2, request(&["agent=x", "0000"]), "no command requested"),
        (
            Protocol::V2,
            request(&["command=fetch", "object-format=sha256", "0000"]),
            "mismatched object format: server sha1; client sha256",
        ),
        (
            Protocol::V2,
            fetch("want xyz"),
            "git upload-pack: protocol error, expected to get object ID, not 'want xyz'",
        ),
        (Protocol::V2, fetch("deepen 0"), "Invalid deepen: deepen 0"),
        (Protocol::V2, fetch("sing"), "unexpected line: 'sing'"),
        (Protocol::V2, fetch("filter sparse:oid=main:x"), "invalid filter-spec 'sparse:oid=main:x'"),
        (Protocol::V2, request(&["command=fetch", "0001", &want]), "expected flush after arguments"),
        (Protocol::V2, b"00zz".to_vec(), "protocol error: bad line length character: 00zz"),
        (
            Protocol::V0,
            request(&[&want, "0000", "gimme"]),
            "git upload-pack: expected SHA1 list, got 'gimme'",
        ),
        (
            Protocol::V0,
            request(&[&format!("{want} object-format=sha256"), "0000", "done"]),
            "mismatched object format: server sha1; client sha256",
        ),
        (
            Protocol::V0,
            request(&[&want, "deepen 1", "deepen-since 5", "0000", "done"]),
            "git upload-pack: deepen and deepen-since (or deepen-not) cannot be used together",
        ),
    ] {
        let (out, result) = ask(&snapshot, protocol, &body);
        assert!(
            matches!(&result, Err(Error::Refused { message }) if message == words),
            "{words}: {result:?}"
        );
        let mut packets = PacketSlice::new(&out);
        let told = packets.next_packet().unwrap().unwrap();
        assert_eq!(told.line().unwrap(), format!("ERR {words}").as_bytes());
    }
}

#[test]
fn damage_ends_in_an_error_never_in_a_short_pack() {
    let source = Source::with_history();
    let snapshot = source.snapshot_with(|mut pack| {
        let middle = pack.len() / 2;
        pack[middle] ^= 0x55;
        pack
    });
    let want = format!("want {}", source.oid("main"));
    let (out, result) =
        ask(&snapshot, Protocol::V2, &request(&["command=fetch", "0001", &want, "done", "0000"]));
    assert!(matches!(result, Err(Error::Corrupt { .. })), "{result:?}");
    let mut packets = PacketSlice::new(&out);
    let mut last = Packet::Flush;
    while let Some(packet) = packets.next_packet().unwrap() {
        last = packet;
    }
    assert_eq!(last.line().unwrap(), b"\x03upload-pack: the repository is damaged on the server");
    let (out, result) = ask(&snapshot, Protocol::V0, &request(&[&want, "0000", "done"]));
    assert!(matches!(result, Err(Error::Corrupt { .. })), "{result:?}");
    assert!(out.starts_with(b"0008NAK\n"));
}

#[test]
fn the_advertisement_is_that_of_git() {
    let source = Source::with_history();
    let snapshot = source.snapshot();
    let body = advertise(&snapshot, Service::UploadPack, Protocol::V0);
    let mut packets = PacketSlice::new(&body);
    assert_eq!(packets.next_packet().unwrap().unwrap().line().unwrap(), b"# service=git-upload-pack");
    assert_eq!(packets.next_packet().unwrap(), Some(Packet::Flush));
    let mut shown = String::new();
    while let Some(Packet::Data(line)) = packets.next_packet().unwrap() {
        let line = String::from_utf8(line.to_vec()).unwrap();
        let (line, capabilities) = line.split_once('\0').unwrap_or((&line, ""));
        if shown.is_empty() {
            assert!(
                capabilities.contains(" symref=HEAD:refs/heads/main ") && capabilities.contains("no-done")
            );
        }
        shown.push_str(line.trim_end());
        shown.push('\n');
    }
    let expected = source.git(&["ls-remote", "."]).replace('\t', " ");
    assert_eq!(shown.trim_end(), expected);
}

#[test]
fn an_empty_repository_advertises_its_capabilities() {
    let snapshot = Source::empty().snapshot();
    for (service, word) in [(Service::UploadPack, " filter"), (Service::ReceivePack, " no-thin")] {
        let body = advertise(&snapshot, service, Protocol::V1);
        let text = String::from_utf8(body.to_vec()).unwrap();
        let zero = format!("{} capabilities^{{}}\0", "0".repeat(40));
        assert!(text.contains(&zero) && text.contains(word) && text.contains("000eversion 1\n"), "{text}");
        assert!(!text.contains("symref="));
    }
    let body = advertise(&snapshot, Service::UploadPack, Protocol::V2);
    assert!(body.starts_with(b"000eversion 2\n") && body.ends_with(b"0000"));
}

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

/// The pack inside the side-band frames of a version 2 answer.
fn pack_of(out: &[u8]) -> Vec<u8> {
    let mut packets = PacketSlice::new(out);
    let mut pack = Vec::new();
    let mut begun = false;
    while let Some(packet) = packets.next_packet().unwrap() {
        match packet.line() {
            Some(b"packfile") => begun = true,
            Some(_) if begun => {
                if let Packet::Data([1, bytes @ ..]) = packet {
                    pack.extend_from_slice(bytes);
                }
            }
            _ => {}
        }
    }
    pack
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
fn a_service_is_chosen_by_name_and_a_version_by_header() {
    assert_eq!(Service::from_name("git-receive-pack"), Some(Service::ReceivePack));
    assert_eq!(Service::from_name("git-upload-archive"), None);
    for (header, protocol) in [
        (None, Protocol::V0),
        (Some("version=1"), Protocol::V1),
        (Some("version=2:version=1"), Protocol::V2),
        (Some("hello=x:version=1:version=9"), Protocol::V1),
    ] {
        assert_eq!(Protocol::from_header(header), protocol, "{header:?}");
    }
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
