//! A hub, and another one that is to follow it.

use serde_json::Value;

use crate::{Done, Hub, Token, Work, until};

/// Waits until a hub has a log that others can follow.
#[track_caller]
pub fn until_followable(hub: &Hub) {
    until("its log to begin", 60, || {
        (hub.http().get("/.well-known/polder").send().status == 200).then_some(())
    });
}

/// A hub with `acme/m`, and another hub that is to follow it.
#[derive(Debug)]
pub struct Pair {
    /// The hub that is followed.
    pub home: Hub,
    /// Who may push to it.
    pub token: Token,
    /// The hub that follows.
    pub follower: Hub,
}

impl Pair {
    /// Starts both.
    #[track_caller]
    pub fn start() -> Self {
        Self::of(Hub::start(), Hub::start())
    }

    /// Makes two that run a pair.
    #[track_caller]
    pub fn of(home: Hub, follower: Hub) -> Self {
        [&home, &follower].into_iter().for_each(until_followable);
        let token = home.acme();
        home.repo("acme/m");
        Self { home, token, follower }
    }

    /// Pushes `model.bin` to `acme/m`: a large object of so many bytes, a multiple of four, that no
    /// compression makes smaller.
    #[track_caller]
    pub fn push(&self, bytes: u32) {
        let work = Work::with_lfs();
        work.ok(&["lfs", "track", "*.bin"]);
        let weights: Vec<u8> =
            (0..bytes / 4).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        work.write("model.bin", &weights);
        work.commit("weights");
        work.ok(&["push", "-q", "--force", &self.home.repo_url_as("acme/m", &self.token), "main"]);
    }

    /// `polder follow`, with more words.
    pub fn follow(&self, more: &[&str]) -> Done {
        let url = format!("http://{}", self.home.address());
        self.follower.cli(&[&["follow", &url][..], more].concat())
    }

    /// What the follower says of the hub, with its one repository.
    #[track_caller]
    pub fn upstream(&self) -> Value {
        let listed = self.follower.cli(&["mirrors", "--json"]).ok();
        let listed: Value = serde_json::from_str(&listed).expect("JSON");
        listed[0].clone()
    }
}
