//! The table of figures against their goals.

use std::fmt;
use std::time::Duration;

use crate::tools::Result;

/// What was measured so far.
#[derive(Debug)]
pub(crate) struct Table(Vec<String>);

impl Table {
    pub(crate) fn new() -> Self {
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load = load.split(' ').next().unwrap_or("?").to_owned();
        let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
        Self(vec![format!("{cores} cores, load {load} at the start")])
    }

    /// Adds a figure that may be at most `most`.
    pub(crate) fn at_most(&mut self, what: &str, figure: f64, most: f64, unit: &str) {
        let verdict = if figure <= most { "reached" } else { "MISSED" };
        self.add(format!("{what:<62} {figure:>12.1} {unit:<6} ≤ {most} {verdict}"));
    }

    /// Adds a figure that has to be at least `least`.
    pub(crate) fn at_least(&mut self, what: &str, figure: f64, least: f64, unit: &str) {
        let verdict = if figure >= least { "reached" } else { "MISSED" };
        self.add(format!("{what:<62} {figure:>12.1} {unit:<6} ≥ {least} {verdict}"));
    }

    /// Adds a figure without a goal.
    pub(crate) fn figure(&mut self, what: &str, figure: f64, unit: &str) {
        self.add(format!("{what:<62} {figure:>12.1} {unit}"));
    }

    fn add(&mut self, line: String) {
        eprintln!("{line}");
        self.0.push(line);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|line| writeln!(out, "{line}"))
    }
}

/// The median and the 99th of a hundred, in milliseconds.
pub(crate) fn percentiles(mut times: Vec<Duration>) -> Result<(f64, f64)> {
    times.sort_unstable();
    let at = |percent: usize| {
        let time = times.get((times.len() * percent / 100).min(times.len().saturating_sub(1)));
        time.map(|time| time.as_secs_f64() * 1e3).ok_or("nothing was measured")
    };
    Ok((at(50)?, at(99)?))
}
