//! What a request cost the server in memory.

/// Watches the peak of one process from here on.
pub(crate) struct Memory {
    pid: u32,
    before_kib: u64,
}

impl Memory {
    /// Forgets the peak so far.
    pub(crate) fn watch(pid: u32) -> Self {
        // Linux proc(5): 5 resets the peak resident set size.
        std::fs::write(format!("/proc/{pid}/clear_refs"), "5").unwrap();
        Self { pid, before_kib: field(pid, "VmRSS:") }
    }

    /// The most that has been in use at once, in MiB.
    pub(crate) fn peak_mib(&self) -> u64 {
        field(self.pid, "VmHWM:") >> 10
    }

    /// How far the peak has risen above what was in use, in MiB.
    pub(crate) fn growth_mib(&self) -> u64 {
        field(self.pid, "VmHWM:").saturating_sub(self.before_kib) >> 10
    }
}

fn field(pid: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
