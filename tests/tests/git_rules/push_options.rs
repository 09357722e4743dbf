//! `git push --push-option` (A17).

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use polder_tests::{FLUSH, Hub, have, pack_of, pkt, push_body, sideband_text, zero};

use crate::place::{BOTH, CAPABILITIES, Place};

/// A hub whose hook writes down what it was given, in `out`.
fn with_hook(out: &Path, config: &str) -> Place {
    let hook = out.join("hook");
    let script = format!(
        "#!/bin/sh\nenv | sort > {0}/env; printf '%s\\n' \"$#\" \"$@\" > {0}/argv\necho count=$GIT_PUSH_OPTION_COUNT\n",
        out.display()
    );
    std::fs::write(&hook, script).unwrap();
    std::fs::set_permissions(&hook, PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::set_permissions(out, PermissionsExt::from_mode(0o777)).unwrap();
    let hooks = format!("{config}\n[hooks]\npre-receive = [\"{}\"]", hook.display());
    Place::on(Hub::builder().config(&hooks).start())
}

/// A push of a new branch with these options, by hand.
fn body(place: &Place, options: &[&[u8]]) -> Vec<u8> {
    let tip = place.work.ok(&["rev-parse", "main"]);
    let capabilities = format!("{CAPABILITIES} push-options");
    let mut body = push_body(&[(&zero(), &tip, "refs/heads/options")], &capabilities, b"");
    for option in options {
        body.extend(pkt(option));
    }
    body.extend_from_slice(FLUSH);
    body.extend(pack_of(&place.work, &["main", "^main"]));
    body
}

#[test]
fn push_options_reach_hooks_as_git_hands_them_over_and_only_in_the_environment() {
    if !have(&BOTH) {
        return;
    }
    let out = tempfile::tempdir().unwrap();
    let place = with_hook(out.path(), "[git]\npush-options = true");
    let read = |name: &str| std::fs::read_to_string(out.path().join(name)).unwrap();
    let options = |env: &str| {
        let lines = env.lines().filter(|line| line.contains("PUSH_OPTION"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    // A client without options does not ask for them, and then git sets nothing either.
    assert_eq!(options(&read("env")), [""; 0]);
    for (number, git) in polder_tests::Git::every(&place.work.beside("home")).iter().enumerate() {
        place.work.commit_file("a", format!("{number}\n").as_bytes());
        let args = ["push", "-o", "ci.skip", "-o", "title=$(touch x) 'a b'", "origin", "main"];
        let done = git.run(&place.work.path(), &args);
        done.ok();
        assert!(done.stderr.contains("count=2"), "{}: {}", git.label(), done.stderr);
        let expected = [
            "GIT_PUSH_OPTION_0=ci.skip",
            "GIT_PUSH_OPTION_1=title=$(touch x) 'a b'",
            "GIT_PUSH_OPTION_COUNT=2",
        ];
        assert_eq!(options(&read("env")), expected, "{}", git.label());
        assert_eq!(read("argv").lines().next(), Some("0"));
        assert_eq!(read("env").matches("ci.skip").count(), 1);
    }
    let said = place.work.run(&["push", "-o", "a;b", "origin", "main:semi"]).fails();
    assert!(said.contains("without control characters and semicolons"), "{said}");
    assert!(!place.hub.log().contains("ci.skip"), "the log is none of theirs");
}

#[test]
fn options_that_are_more_than_text_are_refused_before_anything_is_done() {
    let out = tempfile::tempdir().unwrap();
    let place = with_hook(out.path(), "[git]\npush-options = true");
    std::fs::remove_file(out.path().join("env")).unwrap();
    let before = (place.refs(), place.hub.stored_files());
    let piece = vec![b'x'; 60_000];
    let megabyte: Vec<&[u8]> = vec![&piece; 18];
    let many: Vec<&[u8]> = vec![b"x"; 10_000];
    for (what, options) in [
        ("a semicolon", &[&b"a;b"[..]][..]),
        ("a line break", &[b"a\nGIT_DIR=/"]),
        ("a NUL", &[b"a\0b"]),
        ("an escape", &[b"\x1b]0;x\x07"]),
        ("no text", &[b"\xff\xfe"]),
        ("nothing", &[b""]),
        ("a megabyte", &megabyte),
        ("ten thousand", &many),
    ] {
        let text = sideband_text(&place.push(body(&place, options)).body);
        assert!(
            text.contains("unpack ") && text.contains("push option") && !text.contains("ok "),
            "{what}: {text}"
        );
        assert_eq!((place.refs(), place.hub.stored_files()), before, "{what}");
        assert!(!out.path().join("env").exists(), "{what}: no hook ran");
    }
    let text = sideband_text(&place.push(body(&place, &[b"fine"])).body);
    assert!(text.contains("unpack ok") && text.contains("ok refs/heads/options"), "{text}");
}

#[test]
fn without_the_setting_push_options_are_neither_offered_nor_taken() {
    if !have(&BOTH) {
        return;
    }
    let out = tempfile::tempdir().unwrap();
    let place = with_hook(out.path(), "");
    assert!(!std::fs::read_to_string(out.path().join("env")).unwrap().contains("PUSH_OPTION"));
    let said = place.work.run(&["push", "-o", "x", "origin", "main:x"]).fails();
    assert!(said.contains("does not support push options"), "{said}");
    let text = sideband_text(&place.push(body(&place, &[b"x"])).body);
    assert!(text.contains("unpack push options are off on this hub"), "{text}");
    assert!(!place.refs().contains("options"));
}
