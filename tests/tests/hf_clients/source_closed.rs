//! Sources that not everyone may read: their copies are open to no more people, and to no one meanwhile.

use polder_tests::{Hub, LargeObject, Token, until};
use serde_json::json;

use crate::source::Two;

/// How long the next pull that works may take: one that is under way when a gate moves may fail as well, and the pause
/// after the third failure in a row is up to 120 s.
const FAILURES_MAX_SECONDS: u64 = 180;

impl Two {
    /// A file with that token.
    fn token_file(&self, token: &Token) -> String {
        let path = self.to.dir.path().join("token");
        std::fs::write(&path, format!("{}\n", token.secret)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Nobody who shows no token reads it here; about what is in it, the API answers this.
    fn unseen(&self, id: &str, status: u16) {
        let http = self.to.hub.http();
        http.get(&format!("/{id}/resolve/main/a.txt")).send().expect(status);
        self.git.run(self.to.dir.path(), &["ls-remote", &self.to.hub.repo_url(id)]).fails();
    }

    /// The line of a repository in a list.
    fn line(&self, list: &str, id: &str) -> String {
        let listed = self.to.hub.cli(&["repo", list]).ok();
        let words = |line: &&str| line.split_whitespace().next() == Some(id);
        listed.lines().find(words).unwrap_or_else(|| panic!("{listed}")).to_owned()
    }

    /// Whether other hubs were told of a repository.
    fn is_told(&self, id: &str) -> bool {
        let log = self.to.hub.http().get("/polder/v1/log/events?from=0").send().expect(200).body;
        log.windows(id.len()).any(|part| part == id.as_bytes())
    }
}

#[test]
fn a_private_source_needs_a_token_and_a_gate_is_respected() {
    let two = Two::new();
    two.from.hub.cli(&["repo", "add", "acme/secret", "--private"]).ok();
    two.commit("acme/secret", &[("a.txt", "a")], &[], &[]);
    let told = two.import(&["hf:acme/secret"]).fails();
    assert!(told.contains("--token-file"), "{told}");
    let token = two.to.dir.path().join("token");
    std::fs::write(&token, "polder_wrong\n").unwrap();
    let with_token = ["hf:acme/secret", "--token-file", token.to_str().unwrap()];
    let told = two.import(&with_token).fails();
    assert!(told.contains("token") && !told.contains("polder_wrong"), "{told}");
    assert!(!two.to.hub.cli(&["repo", "list"]).ok().contains("acme/secret"), "nothing was made");
    std::fs::write(&token, format!("{}\n", two.from.ada.secret)).unwrap();
    two.proxy.behave(|passes| passes.gated = true);
    let told = two.import(&with_token).fails();
    assert!(told.contains(&format!("ask for access at {}/acme/secret ", two.proxy.url())), "{told}");
    two.proxy.behave(|passes| passes.gated = false);
    two.import(&with_token).ok();
    // What is private there is private here, though nobody said so.
    two.unseen("acme/secret", 401);
    two.import(&[with_token.as_slice(), &["--every", "10s"]].concat()).ok();

    // A gate that closes is tried at once each period, and said where mirrors are listed.
    two.proxy.behave(|passes| passes.gated = true);
    two.commit("acme/secret", &[("b.txt", "b")], &[], &[]);
    let listed = until("a failure", 40, || {
        let listed = two.to.hub.cli(&["repo", "mirrors"]).ok();
        listed.contains("is gated").then_some(listed)
    });
    assert!(listed.contains("failed"), "{listed}");
    assert!(!listed.contains(&two.from.ada.secret), "{listed}");
    two.proxy.behave(|passes| passes.gated = false);
    until("the gate to be passed", FAILURES_MAX_SECONDS, || {
        two.to.hub.cli(&["repo", "mirrors"]).ok().contains("1 refs changed").then_some(())
    });
    assert!(!two.to.hub.log().contains(&two.from.ada.secret));
}

/// `acme/m` behind a gate, and the token of `ann`, to whom that opens.
fn gated() -> (Two, Token) {
    let two = Two::new();
    two.from.create("model", "m");
    two.commit("acme/m", &[("a.txt", "a")], &[("w.bin", &LargeObject::random(1, 100_000))], &[]);
    two.from.hub.cli(&["repo", "gate", "acme/m", "manual"]).ok();
    let ann = two.from.hub.user("ann", "read");
    (two, ann)
}

fn admit(from: &Hub, ann: &Token) {
    from.http().post("/api/models/acme/m/user-access-request", "").bearer(&ann.secret).send().expect(200);
    from.cli(&["repo", "requests", "acme/m", "--accept", "ann"]).ok();
}

#[test]
fn a_gated_hub_is_mirrored_by_whom_it_gave_access_behind_a_gate_of_ours() {
    let (two, ann) = gated();
    let (from, to) = (&two.from.hub, &two.to.hub);
    let (token, endpoint) = (two.token_file(&ann), from.url(""));
    let whole = ["hf:acme/m", "--endpoint", &endpoint, "--token-file", &token];
    let through = ["hf:acme/m", "acme/through", "--token-file", &token];
    for args in [whole.as_slice(), through.as_slice()] {
        let told = two.import(args).fails();
        assert!(told.contains("is gated: ask for access at ") && told.contains("/acme/m "), "{told}");
    }
    admit(from, &ann);
    two.import(&whole).ok();
    two.import(&through).ok();
    let refs = |hub: &Hub, token: &Token| {
        two.git.ok(two.to.dir.path(), &["ls-remote", &hub.repo_url_as("acme/m", token)])
    };
    assert_eq!(refs(to, &two.to.ada), refs(from, &ann));
    // Known to anyone, and read by nobody whom this hub gave no access.
    let eve = to.user("eve", "read");
    for id in ["acme/m", "acme/through"] {
        two.unseen(id, 401);
        let info = to.http().get(&format!("/api/models/{id}")).send().expect(200).json();
        assert_eq!((&info["private"], &info["gated"]), (&json!(false), &json!("manual")), "{id}");
        to.http().get(&format!("/{id}/resolve/main/a.txt")).bearer(&eve.secret).send().expect(403);
        to.http().get(&format!("/{id}/resolve/main/a.txt")).bearer(&two.to.ada.secret).send().expect(200);
    }
    // Nobody knows of one that shall be private; and who may show it says so.
    two.import(&["hf:acme/m", "acme/hidden", "--token-file", &token, "--private"]).ok();
    two.unseen("acme/hidden", 401);
    assert!(two.line("list", "acme/hidden").contains("private"), "{}", two.line("list", "acme/hidden"));
    two.import(&["hf:acme/m", "acme/shown", "--token-file", &token, "--public"]).ok();
    to.http().get("/acme/shown/resolve/main/a.txt").send().expect(200);
    until("other hubs to hear of it", 60, || two.is_told("acme/shown").then_some(()));
    for id in ["acme/m", "acme/through", "acme/hidden"] {
        assert!(!two.is_told(id), "{id}");
    }
    to.fsck();
}

#[test]
fn what_closes_there_is_closed_here_before_anything_new_comes_and_not_opened_again() {
    let two = Two::new();
    two.from.create("model", "m");
    two.commit("acme/m", &[("a.txt", "a")], &[], &[]);
    let (from, to) = (&two.from.hub, &two.to.hub);
    let token = two.token_file(&two.from.ada);
    let scheduled = ["--token-file", &token, "--every", "10s"];
    two.import(&[["hf:acme/m", "acme/follows"].as_slice(), &scheduled].concat()).ok();
    two.import(&[["hf:acme/m", "acme/shown", "--public"].as_slice(), &scheduled].concat()).ok();
    let anyone = |id: &str| to.http().get(&format!("/{id}/resolve/main/a.txt")).send();
    anyone("acme/follows").expect(200);
    assert!(!two.line("mirrors", "acme/follows").contains("there"));

    // The pull that finds the gate fetches nothing: it is closed all the same.
    from.cli(&["repo", "gate", "acme/m", "manual"]).ok();
    two.proxy.behave(|passes| passes.gated = true);
    two.commit("acme/m", &[("a.txt", "secret")], &[], &[]);
    until("the gate", FAILURES_MAX_SECONDS, || {
        let line = two.line("mirrors", "acme/follows");
        (line.contains("gated there; failed") && line.contains("is gated: ask")).then_some(())
    });
    two.unseen("acme/follows", 401);
    assert!(two.line("list", "acme/follows").contains("gated"));
    two.proxy.behave(|passes| passes.gated = false);
    until("the open one", FAILURES_MAX_SECONDS, || {
        let answer = anyone("acme/shown");
        (answer.expect(200).text() == "secret").then_some(())
    });
    let line = two.line("mirrors", "acme/shown");
    assert!(line.contains("gated there, and left open here; "), "{line}");

    from.cli(&["repo", "visibility", "acme/m", "private"]).ok();
    until("the hiding", FAILURES_MAX_SECONDS, || {
        two.line("mirrors", "acme/follows").contains("private there; ").then_some(())
    });
    two.unseen("acme/follows", 401);
    to.http().get("/api/models/acme/follows").send().expect(401);
    anyone("acme/shown").expect(200);

    from.cli(&["repo", "gate", "acme/m", "off"]).ok();
    from.cli(&["repo", "visibility", "acme/m", "public"]).ok();
    until("the opening there", FAILURES_MAX_SECONDS, || {
        (!two.line("mirrors", "acme/follows").contains("there")).then_some(())
    });
    two.unseen("acme/follows", 401);
    assert!(two.line("list", "acme/follows").contains("private"));
    to.fsck();
}
