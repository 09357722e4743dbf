//! Waiting for something that another process does.

use std::time::{Duration, Instant};

use crate::program::Done;

const STEP: Duration = Duration::from_millis(10);

/// Asks until there is an answer or `seconds` have passed.
pub fn poll<T>(seconds: u64, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if Instant::now() >= deadline {
            return None;
        }
        std::thread::sleep(STEP);
    }
}

/// Asks until there is an answer; panics after `seconds`, naming what was awaited.
#[track_caller]
pub fn until<T>(what: &str, seconds: u64, ask: impl FnMut() -> Option<T>) -> T {
    poll(seconds, ask).unwrap_or_else(|| panic!("waited {seconds} s for {what}"))
}

/// Runs a program until it exits with 0; what it said. Panics after `seconds` with its last words.
#[track_caller]
pub fn until_ok(what: &str, seconds: u64, mut run: impl FnMut() -> Done) -> String {
    let mut last = None;
    let said = poll(seconds, || {
        let done = run();
        let said = done.success().then(|| done.text());
        last = Some(done);
        said
    });
    said.unwrap_or_else(|| {
        panic!("waited {seconds} s for {what}: {}", last.map_or_else(String::new, |done| done.fails()))
    })
}
