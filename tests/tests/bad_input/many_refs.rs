//! More refs than a repository may have.

use polder_tests::{Git, Hub, Memory, Work, push_body, sideband_text, zero};

use crate::place::{CAPABILITIES, PUSH_TYPE, all_ok};

const REFS_MAX: usize = 50_000;
const REFS_A_PUSH: usize = 1_000;
/// Most that a list of all of them may add to the server's memory (attack A25 asks for 50).
const GROWTH_MIB_MAX: u64 = 50;

#[test]
fn refs_over_the_limit_are_refused_and_those_below_are_listed_in_bounded_memory() {
    let hub = Hub::start();
    let token = hub.acme();
    hub.repo("acme/many");
    let work = Work::new();
    let tip = work.commit_file("a", b"a\n");
    work.ok(&["push", "-q", &hub.repo_url_as("acme/many", &token), "main"]);
    let push = |from: usize, count: usize| {
        let names: Vec<String> = (from..from + count).map(|n| format!("refs/heads/branch-{n}")).collect();
        let zero = zero();
        let creations: Vec<_> =
            names.iter().map(|name| (zero.as_str(), tip.as_str(), name.as_str())).collect();
        let pack = polder_tests::pack_exactly(&work, &[]);
        let body = push_body(&creations, CAPABILITIES, &pack);
        let request = hub.http().post("/acme/many.git/git-receive-pack", body);
        let answer = request.header("Content-Type", PUSH_TYPE).basic(&token.user, &token.secret).send();
        sideband_text(&answer.expect(200).body)
    };
    // `main` is one of them.
    for from in (0..REFS_MAX - REFS_A_PUSH).step_by(REFS_A_PUSH) {
        let told = push(from, REFS_A_PUSH);
        assert!(all_ok(&told), "{from}: {}", &told[..told.len().min(300)]);
    }
    assert!(all_ok(&push(REFS_MAX - REFS_A_PUSH, REFS_A_PUSH - 1)));
    let told = push(REFS_MAX, 1);
    assert!(told.contains("ng refs/heads/branch-50000 too many refs"), "{told}");

    for git in Git::every(&work.path()) {
        let memory = Memory::watch(hub.pid());
        let listed = git.ok(&work.path(), &["ls-remote", "--refs", &hub.repo_url("acme/many")]);
        assert_eq!(listed.lines().count(), REFS_MAX, "{}", git.label());
        let growth = memory.growth_mib();
        println!("{}: {growth} MiB for {REFS_MAX} refs", git.label());
        assert!(growth <= GROWTH_MIB_MAX, "{}: {growth} MiB", git.label());
    }
    let log = hub.log();
    assert!(!log.contains("panicked") && !log.contains("ERROR"), "{log}");
}
