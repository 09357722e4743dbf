//! Where the lines of a running command are shown while somebody waits for its answer.

use std::io::{self, IsTerminal as _, Write};
use std::time::{Duration, Instant};

use crate::admin::Line;

/// Time between two statuses where they cannot take each other's place.
const STATUS_PERIOD: Duration = Duration::from_secs(10);
/// Back to the beginning of a line of a terminal, which is empty then.
const ANEW: &str = "\r\x1b[K";
/// What is too long for a line of a terminal is cut off, from the first on, until the second.
const CUT: [&str; 2] = ["\x1b[?7l", "\x1b[?7h"];

/// Shows lines: what was asked for on `out`, the rest on `aside`.
#[derive(Debug)]
pub(crate) struct Screen<O, A> {
    out: O,
    aside: A,
    is_terminal: bool,
    /// Whether the last line that a terminal shows is a status.
    is_status: bool,
    status_at: Option<Instant>,
}

impl Screen<io::Stdout, io::Stderr> {
    /// Progress goes to standard error, so that standard output is only what was asked for.
    pub(crate) fn of_process() -> Self {
        Self::new(io::stdout(), io::stderr(), io::stderr().is_terminal())
    }
}

impl<O: Write, A: Write> Screen<O, A> {
    fn new(out: O, aside: A, is_terminal: bool) -> Self {
        Self { out, aside, is_terminal, is_status: false, status_at: None }
    }

    /// Shows a line. What cannot be written is lost: it is in nobody's way.
    pub(crate) fn show(&mut self, line: &Line) {
        let _shown = self.try_show(line, Instant::now());
    }

    /// Makes room for the answer.
    pub(crate) fn end(mut self) {
        let _ended = self.clear();
    }

    fn try_show(&mut self, line: &Line, now: Instant) -> io::Result<()> {
        match line {
            Line::Status(text) if self.is_terminal => {
                let [cut, whole] = CUT;
                self.is_status = true;
                write!(self.aside, "{ANEW}{cut}{text}{whole}")?;
                self.aside.flush()
            }
            Line::Status(text) => {
                if self.status_at.is_some_and(|at| now.saturating_duration_since(at) < STATUS_PERIOD) {
                    return Ok(());
                }
                self.status_at = Some(now);
                writeln!(self.aside, "{text}")
            }
            Line::Progress(text) => {
                self.clear()?;
                writeln!(self.aside, "{text}")
            }
            Line::Output(text) => {
                self.clear()?;
                writeln!(self.out, "{text}")
            }
        }
    }

    fn clear(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.is_status) {
            write!(self.aside, "{ANEW}")?;
            self.aside.flush()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is shown of lines, each so many seconds after the first.
    fn shown(is_terminal: bool, lines: &[(u64, Line)]) -> (String, String) {
        let (mut out, mut aside, began) = (Vec::new(), Vec::new(), Instant::now());
        let mut screen = Screen::new(&mut out, &mut aside, is_terminal);
        for (seconds, line) in lines {
            screen.try_show(line, began + Duration::from_secs(*seconds)).unwrap();
        }
        screen.end();
        (String::from_utf8(out).unwrap(), String::from_utf8(aside).unwrap())
    }

    fn status(text: &str) -> Line {
        Line::Status(text.to_owned())
    }

    #[test]
    fn a_status_takes_the_place_of_the_one_before_on_a_terminal() {
        let lines = [
            (0, status("one")),
            (1, status("two")),
            (1, Line::Progress("a line".to_owned())),
            (2, Line::Output("asked for".to_owned())),
            (3, status("three")),
        ];
        let (out, aside) = shown(true, &lines);
        assert_eq!(out, "asked for\n");
        let one = |text: &str| format!("\r\x1b[K\x1b[?7l{text}\x1b[?7h");
        assert_eq!(aside, format!("{}{}\r\x1b[Ka line\n{}\r\x1b[K", one("one"), one("two"), one("three")));
    }

    #[test]
    fn a_status_is_a_line_now_and_then_elsewhere() {
        let lines = [
            (0, status("one")),
            (9, status("two")),
            (9, Line::Progress("a line".to_owned())),
            (10, status("three")),
            (19, status("four")),
            (20, status("five")),
        ];
        assert_eq!(shown(false, &lines).1, "one\na line\nthree\nfive\n");
    }
}
