//! Pushes at the same time: the server decides, and every client is told the truth.

use polder_tests::{Work, pack_of, push_body, sideband_text};

use crate::place::Place;

#[test]
fn of_concurrent_pushes_to_one_branch_exactly_one_wins_and_the_others_are_told() {
    let place = Place::new();
    let base = place.with_work("acme/race");
    let clones: Vec<Work> = (0..6).map(|_| contestant(&place, "acme/race")).collect();
    let results: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = clones
            .iter()
            .map(|work| scope.spawn(|| work.run(&["push", "origin", "HEAD:refs/heads/main"])))
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let winners: Vec<usize> = (0..6).filter(|n| results[*n].success()).collect();
    assert_eq!(winners.len(), 1, "{results:#?}");
    for (n, result) in results.iter().enumerate() {
        assert!(n == winners[0] || result.stderr.contains("rejected"), "{}", result.stderr);
    }
    base.ok(&["fetch", "-q", "origin"]);
    let tip = base.ok(&["rev-parse", "origin/main"]);
    assert_eq!(tip, clones[winners[0]].ok(&["rev-parse", "HEAD"]));
    base.git.fsck(&base.path());
}

/// A clone of `repo` with one commit of its own.
fn contestant(place: &Place, repo: &str) -> Work {
    let work = Work::new();
    work.ok(&["remote", "add", "origin", &place.url(repo)]);
    work.ok(&["fetch", "-q", "origin"]);
    work.ok(&["reset", "-q", "--hard", "origin/main"]);
    let name = work.path().display().to_string().replace('/', "_");
    work.commit_file("mine", name.as_bytes());
    work
}

#[test]
fn of_pushes_that_saw_the_same_tip_the_server_takes_exactly_one() {
    let place = Place::new();
    let base = place.with_work("acme/cas");
    let old = base.ok(&["rev-parse", "HEAD"]);
    let bodies: Vec<Vec<u8>> = (0..8)
        .map(|n| {
            base.ok(&["reset", "-q", "--hard", &old]);
            let new = base.commit_file("n", format!("{n}\n").as_bytes());
            let pack = pack_of(&base, &[&new, &format!("^{old}")]);
            push_body(&[(&old, &new, "refs/heads/main")], "report-status side-band-64k", &pack)
        })
        .collect();
    let answers: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = bodies
            .into_iter()
            .map(|body| {
                let request = place
                    .hub
                    .http()
                    .post("/acme/cas.git/git-receive-pack", body)
                    .header("Content-Type", "application/x-git-receive-pack-request")
                    .basic(&place.token.user, &place.token.secret);
                scope.spawn(move || sideband_text(&request.send().expect(200).body))
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let count = |word: &str| answers.iter().filter(|text| text.contains(word)).count();
    assert_eq!(count("ok refs/heads/main"), 1, "{answers:#?}");
    assert_eq!(count("ng refs/heads/main"), 7, "{answers:#?}");
    place.hub.fsck();
}

#[test]
fn of_first_pushes_to_an_empty_repository_the_server_takes_exactly_one() {
    let place = Place::new();
    place.hub.repo("acme/first");
    let works: Vec<Work> = (0..5).map(|_| Work::new()).collect();
    let done: Vec<bool> = std::thread::scope(|scope| {
        let threads: Vec<_> = works
            .iter()
            .enumerate()
            .map(|(n, work)| {
                work.commit_file("a", format!("{n}\n").as_bytes());
                let url = place.url("acme/first");
                scope.spawn(move || work.run(&["push", "-q", &url, "main"]).success())
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(done.iter().filter(|won| **won).count(), 1, "{done:?}");
    let winner = &works[done.iter().position(|won| *won).unwrap()];
    let expected = winner.ok(&["rev-parse", "HEAD"]);
    assert_eq!(place.refs("acme/first"), format!("{expected}\tHEAD\n{expected}\trefs/heads/main"));
}

#[test]
fn concurrent_pushes_to_different_branches_all_win() {
    let place = Place::new();
    let base = place.with_work("acme/many");
    let clones: Vec<Work> = (0..6).map(|_| contestant(&place, "acme/many")).collect();
    std::thread::scope(|scope| {
        for (n, work) in clones.iter().enumerate() {
            scope.spawn(move || work.ok(&["push", "-q", "origin", &format!("HEAD:refs/heads/b{n}")]));
        }
    });
    base.ok(&["fetch", "-q", "origin"]);
    for (n, work) in clones.iter().enumerate() {
        let tip = base.ok(&["rev-parse", &format!("origin/b{n}")]);
        assert_eq!(tip, work.ok(&["rev-parse", "HEAD"]));
    }
    base.git.fsck(&base.path());
}
