//! The wish that the server end, seen by everyone who can end something early.

use std::sync::Arc;

use tokio::sync::watch;

/// A switch that is pressed once. Cheap to clone; all clones are the same switch.
///
/// The server's own is among the extensions of each request, for answers that wait for something.
#[derive(Debug, Clone)]
pub struct Stop(Arc<watch::Sender<bool>>);

impl Default for Stop {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }
}

impl Stop {
    /// Asks everyone to end. Pressing again changes nothing.
    pub fn press(&self) {
        self.0.send_replace(true);
    }

    /// Whether it was pressed.
    pub fn is_pressed(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns as soon as it was pressed.
    pub async fn pressed(&self) {
        let mut seen = self.0.subscribe();
        while !*seen.borrow_and_update() {
            // The sender lives as long as `self`, so this cannot fail.
            if seen.changed().await.is_err() {
                return;
            }
        }
    }
}
