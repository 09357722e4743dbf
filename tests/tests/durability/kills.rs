//! A hub under load is killed again and again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use polder_tests::{Hub, LargeObject, Work, poll};

use crate::Place;

/// What one client was told, in the order in which it was told.
#[derive(Default)]
struct Journal {
    /// Tips of the client's branch that were acknowledged, and last the one that was under way.
    tips: Vec<String>,
    acknowledged: usize,
    objects: Vec<LargeObject>,
}

#[test]
fn nothing_acknowledged_is_lost_in_a_loop_of_kills_under_load() {
    const ROUNDS: u64 = 25;
    let mut place = Place::new(Hub::start());
    let base = place.work("acme/m");
    let pushers: Vec<Work> = (0..2)
        .map(|_| {
            let work = Work::new();
            work.ok(&["fetch", "-q", &place.url("acme/m"), "main"]);
            work.ok(&["reset", "-q", "--hard", "FETCH_HEAD"]);
            work
        })
        .collect();
    let mut journals = [Journal::default(), Journal::default()];
    let mut everything: Vec<LargeObject> = Vec::new();
    for round in 0..ROUNDS {
        let stop = AtomicBool::new(false);
        let mut objects = Journal::default();
        std::thread::scope(|scope| {
            let (place, stop) = (&place, &stop);
            for (n, (work, journal)) in pushers.iter().zip(&mut journals).enumerate() {
                scope.spawn(move || push_until(stop, place, work, n, journal));
            }
            let uploads = &mut objects;
            scope.spawn(move || upload_until(stop, place, round, uploads));
            // Which moment is hit differs from round to round, over a few requests' time.
            let moment = Instant::now() + Duration::from_millis(30 + round * 37 % 400);
            poll(10, || (Instant::now() >= moment).then_some(()));
            let pid = rustix::process::Pid::from_raw(i32::try_from(place.hub.pid()).unwrap()).unwrap();
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
            stop.store(true, Ordering::SeqCst);
        });
        place.hub.kill();
        place.hub.serve(None);

        let refs = place.refs(&base, "acme/m");
        for (n, journal) in journals.iter_mut().enumerate() {
            let found = refs.get(&format!("refs/heads/p{n}"));
            let allowed = &journal.tips[journal.acknowledged.saturating_sub(1)..];
            let fits = found.map_or(journal.acknowledged == 0, |tip| allowed.contains(tip));
            assert!(fits, "round {round}: branch p{n} is at {found:?}, told {allowed:?}");
            journal.tips = found.cloned().into_iter().collect();
            journal.acknowledged = journal.tips.len();
        }
        for object in &objects.objects {
            let found = place.download("acme/m", object);
            assert!(found.as_ref() == Some(&object.bytes), "round {round}: {} was lost", object.oid);
        }
        everything.append(&mut objects.objects);
        place.nothing_is_left_over();
    }
    place.hub.fsck();
    for object in everything.iter().step_by(7) {
        assert!(place.download("acme/m", object).as_ref() == Some(&object.bytes), "{} was lost", object.oid);
    }
    base.git.ok(&base.beside(""), &["clone", "-q", "--mirror", &place.url("acme/m"), "clone"]);
    base.git.fsck(&base.beside("clone"));
    assert!(!everything.is_empty(), "the load did nothing");
}

fn push_until(stop: &AtomicBool, place: &Place, work: &Work, n: usize, journal: &mut Journal) {
    let (url, branch) = (place.url("acme/m"), format!("HEAD:refs/heads/p{n}"));
    while !stop.load(Ordering::SeqCst) {
        let content = format!("{}\n", journal.tips.len());
        journal.tips.push(work.commit_file("file", content.as_bytes()));
        if work.run(&["push", "-q", "--force", &url, &branch]).success() {
            journal.acknowledged = journal.tips.len();
        } else {
            return;
        }
    }
}

fn upload_until(stop: &AtomicBool, place: &Place, round: u64, journal: &mut Journal) {
    let http = place.hub.http();
    for n in 0..10_000 {
        if stop.load(Ordering::SeqCst) {
            return;
        }
        let object = LargeObject::random(round * 100_000 + n, 60_000);
        let batch = std::panic::catch_unwind(|| object.action(http, "acme/m", "upload", Some(&place.token)));
        let Ok(Some(href)) = batch else { return };
        match http.put(&href, object.bytes.clone()).try_send() {
            Some(answer) if answer.status == 200 => journal.objects.push(object),
            _ => return,
        }
    }
}
