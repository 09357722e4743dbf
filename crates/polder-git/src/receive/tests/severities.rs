//! The table for readers says what the code does, and leaves no message of git out.

use std::collections::BTreeMap;

use super::*;
use crate::receive::check::{Gravity, Problem};

/// Message, in a push, in an import.
fn table() -> BTreeMap<&'static str, (&'static str, &'static str)> {
    let rows = include_str!("../severity.md").lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        (cells[1].trim_matches('`'), (cells[2], cells[3]))
    })
    .collect()
}

#[test]
fn every_problem_has_its_row_and_the_row_says_what_is_done() {
    let table = table();
    for problem in Problem::EVERY {
        let expected = match problem.gravity() {
            Gravity::Error => ("refused", "refused"),
            Gravity::Blemish => ("refused", "reported"),
            Gravity::Note => ("reported", "reported"),
        };
        assert_eq!(table.get(problem.id()), Some(&expected), "{}", problem.id());
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "tests drive the real git")]
fn every_message_of_both_gits_has_a_row_and_no_row_is_made_up() {
    let mut known = Vec::new();
    for git in ["/usr/bin/git", "/usr/local/bin/git"] {
        let Ok(output) = Process::new(git).args(["help", "--config"]).output() else { continue };
        let text = String::from_utf8(output.stdout).unwrap();
        let messages = text.lines().filter_map(|line| line.strip_prefix("fsck."));
        known.extend(messages.filter(|name| *name != "skipList").map(str::to_owned));
    }
    assert!(known.len() > 50, "git help --config lists them: {known:?}");
    let table = table();
    for message in &known {
        assert!(table.contains_key(message.as_str()), "{message} has no row");
    }
    for message in table.keys() {
        assert!(known.iter().any(|name| name == message), "git has no {message}");
    }
}
