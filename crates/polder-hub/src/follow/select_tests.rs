//! Rules by licence and tag, between two hubs.

use polder_db::{FollowRule, MirrorMode, MirrorState};

use super::rehearsal::{Pair, URL};

impl Pair {
    async fn rules(&self, patterns: &[&str]) {
        let rule = |pattern: &&str| FollowRule { pattern: (*pattern).to_owned(), mode: MirrorMode::Full };
        let rules = patterns.iter().map(rule).collect();
        self.hub().db.set_upstream(self.log, URL.to_owned(), rules).await.expect("set");
    }

    async fn card(&self, name: &str, card: &str) {
        self.commit(name, "README.md", &format!("---\n{card}\n---\n")).await;
    }

    /// What there is a mirror of, and its state.
    async fn known(&self) -> Vec<(String, MirrorState)> {
        let mirrors = self.hub().db.list_mirrors(self.log, None, 100).await.expect("read");
        let mut known: Vec<_> = mirrors.into_iter().map(|mirror| (mirror.path, mirror.state)).collect();
        known.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        known
    }
}

fn states(of: &[(&str, MirrorState)]) -> Vec<(String, MirrorState)> {
    of.iter().map(|(path, state)| ((*path).to_owned(), *state)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_followed_by_its_licence_comes_with_it_and_is_left_when_it_changes() {
    use MirrorState::{Known, Ready};
    let pair = Pair::open(MirrorMode::Full).await;
    pair.rules(&["license:mit"]).await;
    for (name, card) in [("open", "license: MIT"), ("other", "license: apache-2.0"), ("none", "tags: [mit]")]
    {
        if name != "open" {
            pair.add(&format!("acme/{name}")).await;
        }
        pair.card(&format!("acme/{name}"), card).await;
    }
    pair.sync().await;
    assert_eq!(pair.known().await, states(&[("acme/open", Ready)]));
    assert!(pair.shown("open").await.is_some() && pair.shown("other").await.is_none());

    pair.card("acme/other", "license: mit").await;
    pair.sync().await;
    assert_eq!(pair.known().await, states(&[("acme/open", Ready), ("acme/other", Ready)]));

    // Under another licence no more of it is taken; what is here stays.
    let shown = pair.shown("open").await;
    pair.card("acme/open", "license: proprietary").await;
    pair.sync().await;
    assert_eq!(pair.known().await, states(&[("acme/open", Known), ("acme/other", Ready)]));
    assert_eq!(pair.shown("open").await, shown);
    pair.card("acme/open", "license: mit").await;
    pair.sync().await;
    assert_eq!(pair.known().await, states(&[("acme/open", Ready), ("acme/other", Ready)]));
    assert_ne!(pair.shown("open").await, shown);
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_by_tag_hold_for_what_was_heard_of_before() {
    use MirrorState::{Known, Ready};
    let pair = Pair::open(MirrorMode::Full).await;
    pair.rules(&["acme/*,license:mit"]).await;
    pair.add("acme/other").await;
    pair.card("acme/open", "license: mit\ntags: [bert]").await;
    pair.card("acme/other", "license: apache-2.0\ntags: [bert, small]").await;
    pair.sync().await;
    assert_eq!(pair.known().await, states(&[("acme/open", Ready)]));

    pair.rules(&["tag:bert,tag:small"]).await;
    pair.hub().reselect(pair.log).await.expect("selected");
    pair.sync().await;
    assert_eq!(pair.known().await, states(&[("acme/open", Known), ("acme/other", Ready)]));
    pair.rules(&["tag:ber*"]).await;
    pair.hub().reselect(pair.log).await.expect("selected");
    pair.sync().await;
    assert_eq!(pair.known().await, states(&[("acme/open", Ready), ("acme/other", Ready)]));
}
