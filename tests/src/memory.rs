//! What requests cost the server in memory.

/// Watches the peak of one process from here on.
#[derive(Debug)]
pub struct Memory {
    pid: u32,
    before_kib: u64,
}

impl Memory {
    /// Forgets the peak so far.
    pub fn watch(pid: u32) -> Self {
        // Linux proc(5): 5 resets the peak resident set size.
        std::fs::write(format!("/proc/{pid}/clear_refs"), "5").expect("reset the peak");
        Self { pid, before_kib: field(pid, "VmRSS:") }
    }

    /// The most that has been in use at once, in MiB.
    pub fn peak_mib(&self) -> u64 {
        field(self.pid, "VmHWM:") >> 10
    }

    /// The same without the program itself: how much of that is mapped says how large a build is, not what
    /// was sent to it.
    pub fn own_peak_mib(&self) -> u64 {
        field(self.pid, "VmHWM:").saturating_sub(field(self.pid, "RssFile:")) >> 10
    }

    /// How far the peak has risen above what was in use, in MiB.
    pub fn growth_mib(&self) -> u64 {
        field(self.pid, "VmHWM:").saturating_sub(self.before_kib) >> 10
    }
}

/// A size in `/proc/PID/status`, in KiB.
fn field(pid: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process lives");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a field of the status");
    line.trim().trim_end_matches(" kB").parse().expect("a size")
}
