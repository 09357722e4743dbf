//! Processor time used, as the system counts it.

use std::time::Duration;

use crate::tools::Result;

/// The system's clock tick in `/proc` (`USER_HZ`), which is 100 a second on every Linux.
const TICKS_PER_SECOND: u32 = 100;

/// What a running process has used, with the children it has waited for.
pub(crate) fn of_process(pid: u32) -> Result<Duration> {
    let fields = stat(&format!("/proc/{pid}/stat"))?;
    Ok(ticks(&fields, 11..15))
}

/// What the ended children of this process have used, and their children: the time of a process chain
/// (`RUSAGE_CHILDREN`).
pub(crate) fn of_children() -> Result<Duration> {
    let fields = stat("/proc/self/stat")?;
    Ok(ticks(&fields, 13..15))
}

/// What the calling thread has used, to the nanosecond.
pub(crate) fn of_thread() -> Result<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanos = text.split(' ').next().and_then(|field| field.parse().ok());
    Ok(Duration::from_nanos(nanos.ok_or("schedstat is not as expected")?))
}

/// The fields from the third on: the second is a name that may hold anything.
fn stat(path: &str) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(path)?;
    let (_, fields) = text.rsplit_once(") ").ok_or("stat is not as expected")?;
    Ok(fields.split(' ').map(str::to_owned).collect())
}

fn ticks(fields: &[String], which: std::ops::Range<usize>) -> Duration {
    let ticks: u64 =
        fields.get(which).unwrap_or_default().iter().filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_secs(ticks) / TICKS_PER_SECOND
}
