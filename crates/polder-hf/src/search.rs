//! Looking for repositories.
//!
//! Source: `huggingface_hub` 2.4.0 `hf_api.py`, `list_models`, `list_datasets`, `list_spaces`; 0.36.2 for
//! the older spellings.

use http::StatusCode;
use polder_http::{Response, respond};
use polder_hub::{Error, FoundRepo, Grant, Kind, RepoOrder, RepoQuery, See};
use polder_types::{ObjectId, RepoKind, Visibility};
use serde_json::Value;

use crate::ask::{Ask, is_true};
use crate::failure::Failure;
use crate::shown::{Shown, Wanted};
use crate::tree::sibling;

/// Repositories of a page, and of one whose items have what each is looked at for: all files, or their bytes.
const PAGE: usize = 1_000;
const FULL_PAGE: usize = 100;
/// Most files that an item lists, and most files and folders that are looked at for them.
const SIBLINGS_MAX: usize = 1_000;
const SIBLINGS_LOOKED_AT_MAX: usize = 2_000;
/// Fields that are left out unless they are asked for: by name, or with `full`.
const COSTLY: [(&str, bool); 6] = [
    ("cardData", true),
    ("config", false),
    ("safetensors", true),
    ("mask_token", false),
    ("widgetData", false),
    ("model-index", false),
];

/// Answers `GET /api/models`, `/api/datasets`, `/api/spaces` and `/api/kernels`.
pub(crate) async fn search(ask: &Ask<'_>, kind: RepoKind) -> Result<Response, Failure> {
    let caller = ask.caller().await?;
    let wanted = Wanted(ask.queries("expand"));
    let has_files = ask.flag("full") || wanted.is_named("siblings");
    let weighs = wanted.is_named("usedStorage");
    let limit = if has_files || weighs { FULL_PAGE } else { PAGE };
    if kind == RepoKind::Model && served_elsewhere(ask) {
        return Ok(respond::json(StatusCode::OK, &Vec::<Value>::new()));
    }
    let mut query = query(ask, kind)?;
    query.limit = ask.limit(limit, limit);
    let page = ask.hub.find_repos(caller.principal(), query).await?;
    let mut items = Vec::with_capacity(page.repos.len());
    for found in &page.repos {
        let mut fields = shown(found).fields(&wanted);
        for (key, in_full) in COSTLY {
            if !(wanted.is_named(key) || ask.flag(key) || (in_full && ask.flag("full"))) {
                fields.remove(key);
            }
        }
        if (has_files || weighs)
            && let Ok(grant) = caller.see(&polder_http::Target::Name(found.name.clone())).await
        {
            if weighs {
                let used_bytes = ask.hub.used_bytes(&grant, found.commit_id).await?;
                fields.insert("usedStorage".to_owned(), used_bytes.into());
            }
            if let Some(commit_id) = found.commit_id.filter(|_| has_files) {
                fields.insert("siblings".to_owned(), files(ask, &grant, commit_id).await?);
            }
        }
        items.push(Value::Object(fields));
    }
    let mut response = respond::json(StatusCode::OK, &items);
    if let Some(next) = page.next {
        ask.link_next(&mut response, "cursor", &next);
    }
    Ok(response)
}

async fn files(ask: &Ask<'_>, grant: &Grant<See>, commit_id: ObjectId) -> Result<Value, Failure> {
    let list = ask.hub.list_files(grant, commit_id, SIBLINGS_MAX, SIBLINGS_LOOKED_AT_MAX).await?;
    Ok(Value::Array(list.files.iter().map(|entry| sibling(entry, false)).collect()))
}

/// Whether only models are asked for that somebody serves: `inference=warm`, `inference_provider=…`. Nobody
/// serves any that are here.
fn served_elsewhere(ask: &Ask<'_>) -> bool {
    ["inference", "inference_provider"].iter().any(|key| ask.queries(key).iter().any(|word| !word.is_empty()))
}

fn shown(found: &FoundRepo) -> Shown<'_> {
    Shown {
        name: &found.name,
        is_private: found.visibility == Visibility::Private,
        gate: found.gate,
        created: found.created,
        commit_id: found.commit_id,
        changed: found.changed,
        likes: found.likes,
        activity: found.activity,
        facts: &found.facts,
    }
}

fn query(ask: &Ask<'_>, kind: RepoKind) -> Result<RepoQuery, Error> {
    let mut tags = ask.queries("filter");
    for key in ["pipeline_tag", "library", "language", "tags"] {
        tags.extend(ask.queries(key));
    }
    for (key, word) in [("models", "model"), ("datasets", "dataset")] {
        if kind == RepoKind::Space {
            tags.extend(ask.queries(key).into_iter().map(|id| format!("{word}:{id}")));
        }
    }
    if kind == RepoKind::Model {
        tags.extend(ask.queries("apps").iter().map(|app| format!("app:{}", app.to_ascii_lowercase())));
    }
    tags.sort_unstable();
    tags.dedup();
    Ok(RepoQuery {
        kind,
        gated: ask.query("gated").map(|value| is_true(&value)),
        author: ask.query("author"),
        texts: ask.queries("search"),
        linked: kind == RepoKind::Space && ask.flag("linked"),
        tags,
        parameters: parameters(ask.query("num_parameters").as_deref())?,
        order: order(ask.query("sort").as_deref())?,
        ascending: is_ascending(ask.query("direction").as_deref()),
        cursor: ask.query("cursor"),
        limit: PAGE,
    })
}

fn order(sort: Option<&str>) -> Result<RepoOrder, Error> {
    match sort {
        None | Some("" | "lastModified" | "last_modified") => Ok(RepoOrder::Changed),
        Some("downloads") => Ok(RepoOrder::Downloads),
        Some("createdAt" | "created_at") => Ok(RepoOrder::Created),
        Some("likes") => Ok(RepoOrder::Likes),
        Some("trendingScore" | "trending_score" | "likes7d") => Ok(RepoOrder::Trend),
        Some(other) => {
            let known = "`lastModified`, `createdAt`, `likes`, `downloads` or `trendingScore`";
            Err(Error::new(Kind::Invalid, format!("`{other}` is nothing to sort by; say {known}")))
        }
    }
}

/// What 0.36 sends if it is told to: -1 for the largest first, anything else for the smallest. Nothing of it, and all
/// later clients, means the largest.
fn is_ascending(direction: Option<&str>) -> bool {
    direction.is_some_and(|direction| !matches!(direction, "" | "-1"))
}

/// `min:6B,max:128B`: either may be missing; K, M, B and T count.
fn parameters(text: Option<&str>) -> Result<(Option<i64>, Option<i64>), Error> {
    let mut range = (None, None);
    for part in text.unwrap_or_default().split(',').filter(|part| !part.is_empty()) {
        let number = |text: &str| {
            let (digits, factor) = match text.trim().to_ascii_uppercase() {
                text if text.ends_with('K') => (text, 1e3),
                text if text.ends_with('M') => (text, 1e6),
                text if text.ends_with('B') => (text, 1e9),
                text if text.ends_with('T') => (text, 1e12),
                text => (text, 1.0),
            };
            let digits: f64 = digits.trim_end_matches(|c: char| c.is_ascii_alphabetic()).parse().ok()?;
            whole(digits * factor)
        };
        let bad = || {
            Error::new(Kind::Invalid, format!("`{part}` is no number of parameters; say `min:6B,max:128B`"))
        };
        match part.split_once(':') {
            Some(("min", text)) => range.0 = Some(number(text).ok_or_else(bad)?),
            Some(("max", text)) => range.1 = Some(number(text).ok_or_else(bad)?),
            _ => return Err(bad()),
        }
    }
    Ok(range)
}

/// A number without its fraction, if it is one that can count something.
fn whole(number: f64) -> Option<i64> {
    (number.is_finite() && (0.0..1e18).contains(&number))
        .then(|| format!("{number:.0}").parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_comes_first_unless_a_direction_says_otherwise() {
        for (direction, expected) in
            [(None, false), (Some(""), false), (Some("-1"), false), (Some("1"), true), (Some("asc"), true)]
        {
            assert_eq!(is_ascending(direction), expected, "{direction:?}");
        }
    }

    #[test]
    fn a_range_of_parameters_is_read_in_any_unit() {
        for (text, expected) in [
            ("min:6B,max:128B", (Some(6_000_000_000), Some(128_000_000_000))),
            ("max:1.5M", (None, Some(1_500_000))),
            ("min:10", (Some(10), None)),
            ("min:500k", (Some(500_000), None)),
            ("", (None, None)),
        ] {
            assert_eq!(parameters(Some(text)).unwrap(), expected, "{text}");
        }
        for bad in ["6B", "min:x", "least:6B", "min:-1", "min:1e300T", "min:"] {
            assert!(parameters(Some(bad)).is_err(), "{bad}");
        }
    }
}
