//! Listing collections.

use polder_db::{COLLECTIONS_ASKED_MAX, CollectionQuery};

use super::{CollectionSearch, ShownCollection};
use crate::Hub;
use crate::access::Principal;
use crate::error::{Error, Result};

/// Most collections of a page.
const PAGE_MAX: usize = 100;
/// Items that a listing shows of each.
const SHOWN_ITEMS: usize = 4;

impl Hub {
    /// One page of collections, the last changed first, each with its first items; and what to pass as `cursor`
    /// for the next.
    ///
    /// # Errors
    /// [`crate::Kind::Invalid`] for a cursor that is none, and for too many owners or items.
    pub async fn collections(
        &self,
        principal: &Principal,
        search: CollectionSearch,
    ) -> Result<(Vec<ShownCollection>, Option<String>)> {
        if search.owners.len().max(search.items.len()) > COLLECTIONS_ASKED_MAX {
            let message =
                format!("at most {COLLECTIONS_ASKED_MAX} owners and items may be asked for at once");
            return Err(Error::invalid(message));
        }
        let (mut owners, mut with) = (Vec::new(), Vec::new());
        for owner in &search.owners {
            owners.extend(self.db.find_account(&owner.to_ascii_lowercase()).await?.map(|account| account.id));
        }
        for item in &search.items {
            let (kind, id) = item.split_once('/').unwrap_or((item, ""));
            with.extend(self.collected(principal, kind.trim_end_matches('s'), id).await.ok());
        }
        // Nobody and nothing that is named is here.
        if owners.is_empty() != search.owners.is_empty() || with.is_empty() != search.items.is_empty() {
            return Ok((Vec::new(), None));
        }
        let token = principal.unbound();
        let limit = search.limit.clamp(1, PAGE_MAX);
        let query = CollectionQuery {
            sees_all: token.is_some_and(|token| token.account.is_admin),
            account: token.map(|token| token.account.id),
            owners,
            with,
            after: search.cursor.as_deref().map(parse_cursor).transpose()?,
            limit: i64::try_from(limit).map_err(Error::internal)?.saturating_add(1),
        };
        let mut found = self.db.list_collections(&query).await?;
        let has_more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| has_more).map(|last| format!("{}-{}", last.updated.0, last.id));
        let mut shown = Vec::with_capacity(found.len());
        for collection in found {
            let items = self.shown_items(principal, collection.id, SHOWN_ITEMS).await?;
            shown.push(ShownCollection { collection, items });
        }
        Ok((shown, next))
    }
}

fn parse_cursor(text: &str) -> Result<(i64, i64)> {
    let parsed = text.split_once('-').and_then(|(time, id)| Some((time.parse().ok()?, id.parse().ok()?)));
    parsed.ok_or_else(|| Error::invalid("this cursor belongs to another listing; start again without one"))
}
