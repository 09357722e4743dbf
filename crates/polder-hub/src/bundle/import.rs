//! Taking over a bundle.

use std::path::Path;
use std::sync::Arc;

use polder_db::{Log, UpstreamState};
use polder_log::{Checkpoint, LogName, Origin, VerifierKey, split_note};

use super::cursor::rules;
use super::layout::{BUNDLE, CHECKPOINT, wrong};
use super::peer::BundlePeer;
use super::reader::Bundle;
use super::row::{Key, Kind};
use crate::audit::Entry;
use crate::blocking::in_place;
use crate::error::{Error, Kind as ErrorKind, Result};
use crate::exchange::Progress;
use crate::follow::TakenOver;
use crate::{About, Hub};

/// What came of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleImported {
    /// The hub whose log it has.
    pub origin: String,
    /// Events that were new here.
    pub events: u64,
    /// Repositories of it that are served as it has them, or newer.
    pub ready: usize,
    /// The others that are followed, and what is wrong with each.
    pub troubled: Vec<(String, String)>,
}

impl Hub {
    /// Takes over what a bundle has and is followed here, through the checks that all that is mirrored goes
    /// through. A hub that is not followed is followed from then on, by the selection of the bundle.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] or [`ErrorKind::NotFound`] for a file of the bundle that is another or missing, or a
    /// hub that is not followed, without its key; [`ErrorKind::Conflict`] when it has another key than before;
    /// [`ErrorKind::Unavailable`] when the log in it is not what was signed, or does not go on from here.
    pub async fn import_bundle(
        &self,
        dir: &Path,
        key: Option<VerifierKey>,
        say: Progress,
    ) -> Result<BundleImported> {
        let (path, tell) = (dir.to_owned(), Arc::clone(&say));
        let bundle = Arc::new(self.door.run(move || Bundle::open(&path, &*tell)).await?);
        let name = name_of(&bundle, dir)?;
        let log = match self.followed_log(&name).await? {
            Some(log) if key.as_ref().is_some_and(|key| *key != log.key) => {
                return Err(another_key(&name));
            }
            Some(log) => log,
            None => self.follow_bundle(&bundle, &name, key, dir).await?,
        };
        let peer = Arc::new(BundlePeer::new(Arc::clone(&bundle), log.key, self.leaf.clone()));
        let has = |rid| in_place(|| Ok(bundle.get(&Key::of(Kind::Pack, rid))?.is_some()));
        let TakenOver { events, ready, troubled } = self.take_from(log.id, peer, &has, &say).await?;
        self.names.clear();
        self.follow_bell.notify_one();
        let entry = Entry::operator("bundle.import").with("log", name.to_string().as_str());
        self.record(entry.with("events", events)).await;
        Ok(BundleImported { origin: name.origin.to_string(), events, ready, troubled })
    }

    async fn followed_log(&self, name: &LogName) -> Result<Option<Log>> {
        let Some(log) = self.db.log_named(name).await? else { return Ok(None) };
        match self.db.upstream(log.id).await?.map(|upstream| upstream.state) {
            Some(UpstreamState::Following) => Ok(Some(log)),
            Some(UpstreamState::Frozen) => {
                let message = format!("`{}` has signed contradictory logs and is not followed", name.origin);
                Err(Error::new(ErrorKind::Conflict, message))
            }
            Some(UpstreamState::Unfollowed) | None => Ok(None),
        }
    }

    /// Begins to follow the hub of a bundle.
    async fn follow_bundle(
        &self,
        bundle: &Bundle,
        name: &LogName,
        key: Option<VerifierKey>,
        dir: &Path,
    ) -> Result<Log> {
        let key = key.ok_or_else(|| {
            Error::invalid(format!(
                "`{}` is not followed, and nobody vouches for it: give its key with --key",
                name.origin
            ))
        })?;
        if Checkpoint::open(&bundle.note, &key).is_err() {
            let what = format!(
                "the key given has not signed it: KeyMismatch, or it is damaged, for `{}`",
                name.origin
            );
            return Err(wrong(&dir.join(CHECKPOINT), &what));
        }
        let about = About { log: name.clone(), key };
        let url = url_of(&name.origin);
        let log = self.begin_with(&about, &url, None).await?;
        let entry = Entry::operator("hub.follow").with("url", url.as_str());
        self.audited(entry).set_upstream(log.id, url, rules(&bundle.contents.select)).await?;
        self.reselect(log.id).await?;
        Ok(log)
    }
}

/// Whose log a bundle has; its files agree.
fn name_of(bundle: &Bundle, dir: &Path) -> Result<LogName> {
    let contents = &bundle.contents;
    let origin = contents.origin.parse().map_err(|error| wrong(&dir.join(BUNDLE), &format!("{error}")));
    let name = LogName { origin: origin?, epoch: contents.epoch };
    let path = dir.join(CHECKPOINT);
    let signed = split_note(&bundle.note).and_then(|(text, _)| Checkpoint::parse(text));
    let signed = signed.map_err(|error| wrong(&path, &error.to_string()))?;
    if signed.log != name || signed.size != contents.size {
        return Err(wrong(&path, &format!("it is not the end of the log that {BUNDLE} names")));
    }
    Ok(name)
}

fn another_key(name: &LogName) -> Error {
    Error::invalid(format!("`{}` is followed with another key than the one given", name.origin))
}

/// Where a hub is reached as long as nobody says otherwise.
fn url_of(origin: &Origin) -> String {
    format!("https://{}", origin.as_str().replace('_', ":"))
}
