//! The large objects of a commit: by ranges, going on where an earlier attempt ended.

use std::sync::{Arc, Mutex, PoisonError};

use http::header::RANGE;
use http::{HeaderValue, Method};
use polder_egress::{Response, Url};
use polder_types::{RepoId, Sha256};
use polder_xet::Extent;

use super::api::Api;
use crate::Hub;
use crate::accept::Say;
use crate::body::BodyStream;
use crate::error::Result;
use crate::pull::large_objects::{Pointed, TRANSFERS_MAX, Transfers};
use crate::pull::object::ranged;
use crate::pull::patience::Rest;
use crate::transfer::{ObjectSource, SourceError, SourceFuture, Wanted};

impl Hub {
    /// Fetches those that are not linked to the repository; each is kept when it is here, whatever becomes of
    /// the others.
    pub(super) async fn fetch_large(
        &self,
        repo: RepoId,
        api: &Api,
        sha: &str,
        missing: &[Pointed],
        say: Say<'_>,
    ) -> Result<()> {
        let Some(first) = missing.first() else { return Ok(()) };
        // What every source would refuse is refused in its own words, and once.
        let head = api.head(sha, &first.path).await?;
        api.require_commit(head.commit.as_deref(), sha)?;
        let bytes: u64 = missing.iter().map(|wanted| wanted.size_bytes).sum();
        say(&format!("fetching {} large objects ({bytes} bytes)", missing.len()));
        let mut transfers = Transfers::new(missing.len(), bytes);
        for wanted in missing {
            transfers.until(TRANSFERS_MAX - 1, say).await?;
            let url = api.repo().file_url(sha, &wanted.path)?;
            let name = api.repo().endpoint().origin().to_string();
            let (settled, rest) = (Mutex::default(), Arc::new(Rest::of(api.patience())));
            let (hub, server, noted) = (self.clone(), api.repo().endpoint().clone(), Arc::clone(&rest));
            let source = Arc::new(HfObject { api: api.clone(), hub: hub.clone(), url, settled, name, rest });
            let (pointed, options) = (wanted.clone(), transfers.options(wanted.oid));
            let (oid, size_bytes) = (pointed.oid, pointed.size_bytes);
            let wanted = Wanted { repo, oid, size_bytes, xet: None, upstream: 0 };
            transfers.spawn(async move {
                hub.fetch_patiently(wanted, source, &server, &noted, options).await?;
                Ok(pointed)
            });
        }
        transfers.until(0, say).await
    }
}

/// One object of one commit.
struct HfObject {
    hub: Hub,
    api: Api,
    url: Url,
    /// Where that led the last time, for as long as it is good: each range need not ask the server itself.
    settled: Mutex<Option<Url>>,
    name: String,
    rest: Arc<Rest>,
}

impl HfObject {
    async fn ask(&self, place: Extent) -> Result<BodyStream, SourceError> {
        let settled = self.settled.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut answer = self.get(settled.as_ref().unwrap_or(&self.url), place).await?;
        if settled.is_some() && matches!(answer.status().as_u16(), 401 | 403 | 404 | 410) {
            // The link has expired.
            answer = self.get(&self.url, place).await?;
        }
        if answer.status().is_success() {
            let led_to = answer.url().clone();
            *self.settled.lock().unwrap_or_else(PoisonError::into_inner) = Some(led_to);
        }
        self.rest.hear(&answer);
        ranged(answer, place)
    }

    async fn get(&self, url: &Url, place: Extent) -> Result<Response, SourceError> {
        let range = format!("bytes={}-{}", place.offset, place.end().saturating_sub(1));
        let range = HeaderValue::from_str(&range).map_err(|error| SourceError::Failed(error.to_string()))?;
        let answer = self.hub.egress.send(self.api.request(Method::GET, url).header(RANGE, range)).await;
        answer.map_err(|error| SourceError::Failed(error.to_string()))
    }
}

impl ObjectSource for HfObject {
    fn name(&self) -> &str {
        &self.name
    }

    fn range(&self, _: Sha256, place: Extent) -> SourceFuture<'_, BodyStream> {
        Box::pin(self.ask(place))
    }
}
