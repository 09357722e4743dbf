//! Lines that tell how far a long command is.

use std::sync::Arc;

use tokio::sync::mpsc;

/// Lines that wait for a slow reader; more are dropped, since the next one says more.
const LINES_WAITING_MAX: usize = 64;

/// Where a command says how far it is. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Progress(mpsc::Sender<String>);

impl Progress {
    /// A progress and the end at which its lines come out.
    pub fn new() -> (Self, mpsc::Receiver<String>) {
        let (sender, lines) = mpsc::channel(LINES_WAITING_MAX);
        (Self(sender), lines)
    }

    /// Where the hub's use cases tell their lines; telling never waits.
    pub fn teller(&self) -> polder_hub::Progress {
        let lines = self.0.clone();
        Arc::new(move |line: &str| {
            // A full or closed channel loses a line that only informs.
            let _told = lines.try_send(line.to_owned());
        })
    }
}
