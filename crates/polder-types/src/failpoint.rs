//! Named places where a test can make the process die, as a power cut would.
//!
//! Each durable step calls [`hit`] with its name. Built without the feature `failpoints` (every
//! release) the call is empty. With it, the binary arms one name at start; reaching it for the n-th
//! time ends the process at once: nothing is flushed, no destructor runs.

#[cfg(feature = "failpoints")]
use std::{
    path::PathBuf,
    sync::OnceLock,
    sync::atomic::{AtomicU32, Ordering},
};

#[cfg(feature = "failpoints")]
struct Armed {
    name: String,
    left: AtomicU32,
    once: Option<PathBuf>,
}

#[cfg(feature = "failpoints")]
static ARMED: OnceLock<Armed> = OnceLock::new();

/// Dies at the `count`-th [`hit`] of `name` (1 is the first); with `once`, of those after that file is
/// there, so that what a start does by itself does not count. Only the first call arms.
#[cfg(feature = "failpoints")]
pub fn arm(name: &str, count: u32, once: Option<PathBuf>) {
    ARMED.get_or_init(|| Armed { name: name.to_owned(), left: AtomicU32::new(count), once });
}

/// Marks a step; see the module page.
#[cfg(feature = "failpoints")]
pub fn hit(name: &str) {
    if let Some(armed) = ARMED.get()
        && armed.name == name
        && armed.once.as_ref().is_none_or(|file| file.exists())
        && armed.left.fetch_sub(1, Ordering::SeqCst) == 1
    {
        std::process::abort();
    }
}

/// Marks a step; see the module page.
#[cfg(not(feature = "failpoints"))]
#[inline]
pub fn hit(_name: &str) {}
