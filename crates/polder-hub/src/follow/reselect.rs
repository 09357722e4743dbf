//! Making the rules hold for what was read before they did.

use std::collections::HashSet;

use polder_db::{LogBody, LogHeadRow, MirrorMode};
use polder_log::Body;
use polder_types::Sha256;

use super::select::Subject;
use crate::Hub;
use crate::error::Result;

/// Repositories looked through at a time.
const PAGE: i64 = 500;

impl Hub {
    /// Takes every repository of an upstream as its rules now say.
    pub(crate) async fn reselect(&self, log: i64) -> Result<()> {
        let selection = self.selection(log).await?;
        let moved = self.moves(log).await?;
        let mut after = None;
        loop {
            let mirrors = self.db.list_mirrors(log, after, PAGE).await?;
            let heads = self.db.list_log_heads(log, after, PAGE).await?;
            // Whatever is mirrored has a head, so that no page of these ends before one of those.
            let Some(last) = heads.last().map(|head| head.rid) else { return Ok(()) };
            let mirrors: Vec<_> = mirrors.into_iter().filter(|mirror| mirror.rid <= last).collect();
            let known: HashSet<Sha256> = mirrors.iter().map(|mirror| mirror.rid).collect();
            let mut modes = Vec::new();
            for mirror in mirrors {
                let asks = selection.asks_for_more(&mirror.path);
                let body = if asks { self.body_of_mirror(&mirror).await? } else { None };
                let meta = body.as_ref().and_then(|body| body.meta.as_ref());
                let subject = meta.map_or_else(|| Subject::called(&mirror.path), Subject::of);
                let nsid = body.as_ref().and_then(|body| body.nsid);
                let mode = selection.mode(&subject, nsid).unwrap_or(MirrorMode::Metadata);
                if mode != mirror.mode {
                    modes.push((mirror.rid, mode));
                }
            }
            if !modes.is_empty() {
                self.db.set_mirror_modes(log, modes).await?;
            }
            let mut targets = Vec::new();
            let is_new = |head: &&LogHeadRow| head.leaf.kind.is_repo() && !known.contains(&head.rid);
            for head in heads.iter().filter(is_new).filter(|head| !moved.has_left(&head.leaf)) {
                let LogBody::Held(bytes) = self.db.log_body(head.leaf.body_sha256).await? else { continue };
                targets.extend(Body::decode(&bytes).ok().and_then(|body| selection.target(&body)));
            }
            if !targets.is_empty() {
                self.db.add_mirrors(log, targets).await?;
            }
            self.mirrors_bell.send_replace(());
            after = Some(last);
        }
    }
}
