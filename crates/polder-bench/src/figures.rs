//! The table that the bench prints.

use std::fmt;

use crate::tools::Tools;

/// What a ratio has to be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    AtLeast(f64),
    AtMost(f64),
    /// Taken to be seen; another issue sets its goal.
    None,
}

#[derive(Debug)]
struct Row {
    what: &'static str,
    ours: String,
    peer: String,
    ratio: f64,
    goal: Goal,
}

/// What was measured so far.
#[derive(Debug)]
pub(crate) struct Figures {
    rows: Vec<Row>,
    notes: Vec<String>,
}

impl Figures {
    pub(crate) fn new(tools: &Tools) -> Self {
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load = load.split(' ').next().unwrap_or("?").to_owned();
        let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
        let notes = vec![format!("peer: {}; {cores} cores, load {load} at the start", tools.git_version)];
        Self { rows: Vec::new(), notes }
    }

    /// Adds a line; `ratio` is written out as it is compared with `goal`.
    pub(crate) fn add(&mut self, what: &'static str, ours: String, peer: String, ratio: f64, goal: Goal) {
        eprintln!("{what}: {ours} against {peer}");
        self.rows.push(Row { what, ours, peer, ratio, goal });
    }

    /// Says what could not be measured.
    pub(crate) fn missing(&mut self, what: &str) {
        eprintln!("MISSING {what}");
        self.notes.push(format!("MISSING {what}"));
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "{:<34} {:>16} {:>16} {:>8}  goal", "", "polder", "peer", "ratio")?;
        for Row { what, ours, peer, ratio, goal } in &self.rows {
            let goal = match goal {
                Goal::AtLeast(least) => format!("≥ {least} {}", said(ratio >= least)),
                Goal::AtMost(most) => format!("≤ {most} {}", said(ratio <= most)),
                Goal::None => "-".to_owned(),
            };
            writeln!(out, "{what:<34} {ours:>16} {peer:>16} {ratio:>8.2}  {goal}")?;
        }
        self.notes.iter().try_for_each(|note| writeln!(out, "{note}"))
    }
}

fn said(is_reached: bool) -> &'static str {
    if is_reached { "reached" } else { "MISSED" }
}
