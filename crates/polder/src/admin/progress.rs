//! Lines that a running command writes: how far it is, and output too long for one answer.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::Error;

/// Lines that wait for a slow reader.
const LINES_WAITING_MAX: usize = 64;

/// A line of a running command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Line {
    /// How far it is.
    Progress(String),
    /// How far it is; the next one takes its place.
    Status(String),
    /// A part of what it was asked for.
    Output(String),
}

/// Where a command writes its lines. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Progress(mpsc::Sender<Line>);

impl Progress {
    /// A progress and the end at which its lines come out.
    pub fn new() -> (Self, mpsc::Receiver<Line>) {
        let (sender, lines) = mpsc::channel(LINES_WAITING_MAX);
        (Self(sender), lines)
    }

    /// Where the hub's use cases tell how far they are; telling never waits, and with a slow reader a line
    /// is lost, since the next one says more.
    pub fn teller(&self) -> polder_hub::Progress {
        self.telling(Line::Progress)
    }

    /// The same for lines that take each other's place.
    pub fn status_teller(&self) -> polder_hub::Progress {
        self.telling(Line::Status)
    }

    fn telling(&self, line: fn(String) -> Line) -> polder_hub::Progress {
        let lines = self.0.clone();
        Arc::new(move |text: &str| {
            // A full or closed channel loses a line that only informs.
            let _told = lines.try_send(line(text.to_owned()));
        })
    }

    /// Writes a line of output; waits for the reader.
    ///
    /// # Errors
    /// When there is none any more.
    pub async fn output(&self, line: String) -> Result<(), Error> {
        let gone = |error| Error::caused_by("nobody reads the output any more", error);
        self.0.send(Line::Output(line)).await.map_err(gone)
    }
}
