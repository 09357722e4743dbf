//! Named places where a test can make the process die, as a power cut would.
//!
//! Each durable step calls [`hit`] with its name. Built without the feature `failpoints` (every
//! release) the call is empty. With it, the binary arms one name at start; reaching it for the n-th
//! time ends the process at once: nothing is flushed, no destructor runs.

#[cfg(feature = "failpoints")]
static ARMED: std::sync::OnceLock<(String, std::sync::atomic::AtomicU32)> = std::sync::OnceLock::new();

/// Dies at the `count`-th [`hit`] of `name` (1 is the first). Only the first call arms.
#[cfg(feature = "failpoints")]
pub fn arm(name: &str, count: u32) {
    ARMED.get_or_init(|| (name.to_owned(), std::sync::atomic::AtomicU32::new(count)));
}

/// Marks a step; see the module page.
#[cfg(feature = "failpoints")]
pub fn hit(name: &str) {
    use std::sync::atomic::Ordering;
    if let Some((armed, left)) = ARMED.get()
        && armed == name
        && left.fetch_sub(1, Ordering::SeqCst) == 1
    {
        std::process::abort();
    }
}

/// Marks a step; see the module page.
#[cfg(not(feature = "failpoints"))]
#[inline]
pub fn hit(_name: &str) {}
