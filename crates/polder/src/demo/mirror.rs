//! The demo's second hub, which follows the first.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::time::Duration;

use polder_http::Stop;
use polder_hub::{FollowRequest, FollowRule, Hub, LimitChanges, MirrorMode, MirrorState};
use polder_types::AccountName;
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;

use super::{name, say};
use crate::Error;
use crate::config::{Config, PublicUrl};

/// How often a hub that does not answer well is tried again, and after which pause.
const TRIES_MAX: u32 = 50;
const PAUSE: Duration = Duration::from_millis(200);

/// The first hub's configuration but for its place, and the port after that of the first, if this is chosen.
pub(super) fn config(first: &Config, scratch: &Path) -> Config {
    let port = match first.listen.port() {
        0 => 0,
        port => port.checked_add(1).unwrap_or(0),
    };
    Config {
        data: scratch.join("mirror"),
        database: None,
        store_dir: None,
        listen: SocketAddr::from(([127, 0, 0, 1], port)),
        public_url: None,
        tls: None,
        warnings: Vec::new(),
        ..first.clone()
    }
}

/// Mirrors all of the first hub, under the same names for these namespaces; says so or why not. A hub that
/// has just begun needs a moment until its log tells of them.
pub(super) async fn follow(second: &Hub, first: &Hub, url: &PublicUrl, namespaces: &[&str]) {
    let mut tries = 1..=TRIES_MAX;
    loop {
        let Err(error) = try_follow(second, first, url, namespaces).await else { return };
        if tries.next().is_none() {
            say(&format!("the second hub does not mirror the first: {error}"));
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn try_follow(second: &Hub, first: &Hub, url: &PublicUrl, namespaces: &[&str]) -> Result<(), Error> {
    let key = first.log_key().await?.verifier;
    let aliases = namespaces.iter().map(|text| name::<AccountName>(text).map(|name| (name.clone(), name)));
    let request = FollowRequest {
        limits: LimitChanges::default(),
        url: url.to_string(),
        rules: vec![FollowRule { pattern: "*".to_owned(), mode: MirrorMode::Full }],
        key: Some(key),
        accept_epoch: None,
        sources: Vec::new(),
        aliases: aliases.collect::<Result<_, Error>>()?,
    };
    second.follow(request).await?;
    Ok(())
}

/// Says so when all that the second hub knows of is there.
pub(super) async fn tell_when_ready(second: &Hub) {
    for _try in 1..=TRIES_MAX {
        tokio::time::sleep(PAUSE).await;
        let Ok(followed) = second.list_followed().await else { return };
        let mirrors: Vec<_> = followed.iter().flat_map(|one| &one.mirrors).collect();
        if !mirrors.is_empty() && mirrors.iter().all(|mirror| mirror.state == MirrorState::Ready) {
            say(&format!("the second hub has verified mirrors of {} repositories", mirrors.len()));
            return;
        }
    }
}

/// Ends the first hub when something comes from standard input.
pub(super) async fn end_on_enter(first: &Stop, mirror: &PublicUrl) {
    let Ok(input) = io::stdin().as_fd().try_clone_to_owned() else { return };
    // Without a standard input nobody presses anything.
    if matches!(File::from_std(input.into()).read(&mut [0; 1]).await, Ok(1..)) {
        first.press();
        say(&format!("the first hub ends; what it had is at {mirror}"));
    }
}
