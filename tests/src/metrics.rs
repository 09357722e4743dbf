//! What a hub says of itself in numbers.

use crate::Hub;

impl Hub {
    /// Bytes that the hub got from others since it was started.
    #[track_caller]
    pub fn received_bytes(&self) -> u64 {
        let metrics = self.http().get("/metrics").send().expect(200).text();
        let count = metrics.lines().find_map(|line| line.strip_prefix("polder_egress_received_bytes_total "));
        // Before the first byte there is no such line.
        count.map_or(0, |count| count.parse().expect("a count"))
    }
}
