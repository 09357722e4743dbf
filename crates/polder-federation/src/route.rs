//! The request lines of other hubs.
//!
//! ```text
//! /.well-known/polder
//! /polder/v1/log/checkpoint
//! /polder/v1/log/tile/<L>/<N>[.p/W]            hashes
//! /polder/v1/log/tile/entries/<N>[.p/W]        leaves
//! /polder/v1/log/body/<sha256>
//! POST /polder/v1/log/bodies                    hashes, for many bodies at once
//! /polder/v1/log/events?from=I&limit=4096&wait=60&select=…
//! /polder/v1/snapshot                          where the newest is
//! /polder/v1/snapshot/<index>/<sha256>         a part; the event at the index names them
//! /polder/v1/ns/<nsid>
//! /polder/v1/repos/<rid>[/refs/<sha256>|/manifest/<sha256>]
//! /polder/v1/proof/<repository>                what checks a clone, by the repository's name here
//! /polder/v1/git/<rid>/…                       git's smart HTTP, to fetch from
//! /polder/v1/objects/sha256/<oid>[/chunks|/extents]
//! /polder/v1/ping
//! /polder/v1/downloads
//! /polder/v1/mirror/<sha256 of an origin>/…    all of that but ping and downloads for the log of another hub
//! ```

use http::Method;
use polder_http::{Access, Url};
use polder_hub::{PageQuery, SELECT_TERMS_MAX, Select, Term};
use polder_log::{BundleId, PAGE_LEAVES_MAX, TileId};
use polder_types::{RepoName, Sha256};

polder_http::route_kinds! {
    /// Kinds of [`Route`].
    pub enum RouteKind {
        /// Who this hub is.
        WellKnown => "well-known", Access::Open,
        /// The signed end of a log.
        Checkpoint => "checkpoint", Access::Open,
        /// Hashes of a log.
        Tile => "tile", Access::Open,
        /// Leaves of a log.
        Entries => "entries", Access::Open,
        /// A body.
        Body => "body", Access::Open,
        /// Leaves and bodies from some index on, or as soon as there are some.
        Events => "events", Access::Open,
        /// Some bodies.
        Bodies => "bodies", Access::Open,
        /// Where the newest snapshot is.
        Snapshot => "snapshot", Access::Open,
        /// A part of a snapshot.
        SnapshotPart => "snapshot-part", Access::Open,
        /// The operations of a namespace.
        Namespace => "namespace", Access::Open,
        /// The newest event of a repository.
        Repo => "repo", Access::Open,
        /// A ref map.
        Refs => "refs", Access::Public,
        /// A manifest of large objects.
        Manifest => "manifest", Access::Public,
        /// What checks a clone.
        Proof => "proof", Access::Public,
        /// `GET …/info/refs?service=git-upload-pack`.
        AdvertiseFetch => "advertise-fetch", Access::Public,
        /// `POST …/git-upload-pack`.
        UploadPack => "upload-pack", Access::Public,
        /// A large object.
        Object => "object", Access::Public,
        /// Its chunk list.
        Chunks => "chunks", Access::Public,
        /// Some of its bytes.
        Extents => "extents", Access::Public,
        /// A hint that there is something new elsewhere.
        Ping => "ping", Access::Open,
        /// How often mirrors of repositories from here were downloaded elsewhere.
        Downloads => "downloads", Access::Open,
        /// Nothing that is asked for here.
        Unknown => "unknown", Access::Open,
        /// One of these addresses with another method.
        WrongMethod => "wrong-method", Access::Open,
    }
}

/// Whose log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Log {
    /// This hub's.
    Own,
    /// That of the hub whose origin has this hash.
    Mirror(Sha256),
}

/// A parsed request line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// [`RouteKind::WellKnown`].
    WellKnown,
    /// [`RouteKind::Checkpoint`].
    Checkpoint(Log),
    /// [`RouteKind::Tile`].
    Tile(Log, TileId),
    /// [`RouteKind::Entries`].
    Entries(Log, BundleId),
    /// [`RouteKind::Body`].
    Body(Log, Sha256),
    /// [`RouteKind::Events`], and for how many seconds to wait.
    Events(Log, PageQuery, u64),
    /// [`RouteKind::Bodies`].
    Bodies(Log),
    /// [`RouteKind::Snapshot`].
    Snapshot(Log),
    /// [`RouteKind::SnapshotPart`].
    SnapshotPart(Log, Sha256),
    /// [`RouteKind::Namespace`].
    Namespace(Log, Sha256),
    /// [`RouteKind::Repo`].
    Repo(Log, Sha256),
    /// [`RouteKind::Refs`]: repository and file.
    Refs(Log, Sha256, Sha256),
    /// [`RouteKind::Manifest`]: repository and file.
    Manifest(Log, Sha256, Sha256),
    /// [`RouteKind::Proof`].
    Proof(RepoName),
    /// [`RouteKind::AdvertiseFetch`].
    AdvertiseFetch(Sha256),
    /// [`RouteKind::UploadPack`].
    UploadPack(Sha256),
    /// [`RouteKind::Object`].
    Object(Log, Sha256),
    /// [`RouteKind::Chunks`]: from which chunk on, and how many.
    Chunks(Sha256, u32, u32),
    /// [`RouteKind::Extents`].
    Extents(Sha256),
    /// [`RouteKind::Ping`].
    Ping,
    /// [`RouteKind::Downloads`].
    Downloads,
    /// [`RouteKind::Unknown`].
    Unknown,
    /// [`RouteKind::WrongMethod`], with those that are right.
    WrongMethod(&'static str),
}

const GET: &str = "GET, HEAD";
const POST: &str = "POST";

impl Route {
    /// Reads a request line; `None` when it is not of this dialect.
    pub fn parse(method: &Method, url: &Url<'_>) -> Option<Self> {
        let segments: Vec<&str> = url.segments().iter().map(AsRef::as_ref).collect();
        let route = match segments.as_slice() {
            [".well-known", "polder"] => Some(Self::WellKnown),
            ["polder", "v1", "ping"] => Some(Self::Ping),
            ["polder", "v1", "downloads"] => Some(Self::Downloads),
            ["polder", "v1", "mirror", origin, rest @ ..] => {
                origin.parse().ok().and_then(|origin| Self::of_log(Log::Mirror(origin), rest, url))
            }
            ["polder", "v1", "proof", name @ ..] => name.join("/").parse().ok().map(Self::Proof),
            ["polder", "v1", rest @ ..] => Self::of_log(Log::Own, rest, url),
            _ => return None,
        };
        let Some(route) = route else { return Some(Self::Unknown) };
        let allow = route.methods();
        let fits = match *method {
            Method::GET | Method::HEAD => allow == GET,
            Method::POST => allow == POST,
            _ => false,
        };
        Some(if fits { route } else { Self::WrongMethod(allow) })
    }

    fn of_log(log: Log, segments: &[&str], url: &Url<'_>) -> Option<Self> {
        let hash = |text: &str| text.parse::<Sha256>().ok();
        match segments {
            ["log", "checkpoint"] => Some(Self::Checkpoint(log)),
            ["log", "tile", "entries", bundle @ ..] => {
                bundle.join("/").parse().ok().map(|bundle| Self::Entries(log, bundle))
            }
            ["log", "tile", tile @ ..] => tile.join("/").parse().ok().map(|tile| Self::Tile(log, tile)),
            ["log", "body", sha256] => hash(sha256).map(|sha256| Self::Body(log, sha256)),
            ["log", "events"] => events(log, url),
            ["log", "bodies"] => Some(Self::Bodies(log)),
            ["snapshot"] => Some(Self::Snapshot(log)),
            ["snapshot", index, part] if index.parse::<u64>().is_ok() => {
                hash(part).map(|part| Self::SnapshotPart(log, part))
            }
            ["ns", nsid] => hash(nsid).map(|nsid| Self::Namespace(log, nsid)),
            ["repos", rid] => hash(rid).map(|rid| Self::Repo(log, rid)),
            ["repos", rid, "refs", file] => {
                hash(rid).zip(hash(file)).map(|(rid, file)| Self::Refs(log, rid, file))
            }
            ["repos", rid, "manifest", file] => {
                hash(rid).zip(hash(file)).map(|(rid, file)| Self::Manifest(log, rid, file))
            }
            ["git", rid, "info", "refs"]
                if url.parameter("service").as_deref() == Some("git-upload-pack") =>
            {
                hash(rid).map(Self::AdvertiseFetch)
            }
            ["git", rid, "git-upload-pack"] => hash(rid).map(Self::UploadPack),
            ["objects", "sha256", oid] => hash(oid).map(|oid| Self::Object(log, oid)),
            ["objects", "sha256", oid, "chunks"] => {
                let number =
                    |name| url.parameter(name).map_or(Some(None), |text| text.parse().ok().map(Some));
                let (from, count) = (number("from")?.unwrap_or(0), number("count")?.unwrap_or(u32::MAX));
                hash(oid).map(|oid| Self::Chunks(oid, from, count))
            }
            ["objects", "sha256", oid, "extents"] => hash(oid).map(Self::Extents),
            _ => None,
        }
    }

    fn methods(&self) -> &'static str {
        match self {
            Self::UploadPack(_) | Self::Extents(_) | Self::Bodies(_) | Self::Ping | Self::Downloads => POST,
            _ => GET,
        }
    }

    /// Which route it is.
    pub const fn kind(&self) -> RouteKind {
        match self {
            Self::WellKnown => RouteKind::WellKnown,
            Self::Checkpoint(_) => RouteKind::Checkpoint,
            Self::Tile(..) => RouteKind::Tile,
            Self::Entries(..) => RouteKind::Entries,
            Self::Body(..) => RouteKind::Body,
            Self::Events(..) => RouteKind::Events,
            Self::Bodies(_) => RouteKind::Bodies,
            Self::Snapshot(_) => RouteKind::Snapshot,
            Self::SnapshotPart(..) => RouteKind::SnapshotPart,
            Self::Namespace(..) => RouteKind::Namespace,
            Self::Repo(..) => RouteKind::Repo,
            Self::Refs(..) => RouteKind::Refs,
            Self::Manifest(..) => RouteKind::Manifest,
            Self::Proof(_) => RouteKind::Proof,
            Self::AdvertiseFetch(_) => RouteKind::AdvertiseFetch,
            Self::UploadPack(_) => RouteKind::UploadPack,
            Self::Object(..) => RouteKind::Object,
            Self::Chunks(..) => RouteKind::Chunks,
            Self::Extents(_) => RouteKind::Extents,
            Self::Ping => RouteKind::Ping,
            Self::Downloads => RouteKind::Downloads,
            Self::Unknown => RouteKind::Unknown,
            Self::WrongMethod(_) => RouteKind::WrongMethod,
        }
    }
}

fn events(log: Log, url: &Url<'_>) -> Option<Route> {
    let number = |name: &str, default: u64| url.parameter(name).map_or(Some(default), |n| n.parse().ok());
    let most = u64::try_from(PAGE_LEAVES_MAX).unwrap_or(u64::MAX);
    let query = PageQuery {
        from: number("from", 0)?,
        limit: number("limit", most)?,
        select: match url.parameter("select") {
            None => Select::All,
            Some(text) => select(&text)?,
        },
    };
    Some(Route::Events(log, query, number("wait", 0)?))
}

/// Reads `all`, `none`, or terms with commas between: `rid:<hex>`, `ns:<hex>`, `kind:model`, `license:mit`.
fn select(text: &str) -> Option<Select> {
    match text {
        "all" => return Some(Select::All),
        "none" => return Some(Select::Any(Vec::new())),
        _ => {}
    }
    let term = |term: &str| {
        let (word, value) = term.split_once(':')?;
        match word {
            "rid" => value.parse().ok().map(Term::Rid),
            "ns" => value.parse().ok().map(Term::Namespace),
            "kind" => value.parse().ok().map(Term::Kind),
            "license" => Some(Term::License(value.to_owned())),
            _ => None,
        }
    };
    let terms = text.split(',').map(term).collect::<Option<Vec<_>>>()?;
    (terms.len() <= SELECT_TERMS_MAX).then_some(Select::Any(terms))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn parse(method: &Method, uri: &str) -> Option<Route> {
        let uri = uri.parse().unwrap();
        Route::parse(method, &Url::parse(&uri).unwrap())
    }

    fn kind(uri: &str) -> RouteKind {
        parse(&Method::GET, uri).expect(uri).kind()
    }

    #[test]
    fn every_address_is_read_for_the_own_log_and_for_mirrors() {
        for (rest, expected) in [
            ("log/checkpoint".to_owned(), RouteKind::Checkpoint),
            ("log/tile/0/x001/x234/067.p/5".to_owned(), RouteKind::Tile),
            ("log/tile/entries/000".to_owned(), RouteKind::Entries),
            (format!("log/body/{HASH}"), RouteKind::Body),
            ("log/events?from=7&limit=10&wait=60&select=none".to_owned(), RouteKind::Events),
            ("snapshot".to_owned(), RouteKind::Snapshot),
            (format!("snapshot/7/{HASH}"), RouteKind::SnapshotPart),
            (format!("ns/{HASH}"), RouteKind::Namespace),
            (format!("repos/{HASH}"), RouteKind::Repo),
            (format!("repos/{HASH}/refs/{HASH}"), RouteKind::Refs),
            (format!("repos/{HASH}/manifest/{HASH}"), RouteKind::Manifest),
            (format!("git/{HASH}/info/refs?service=git-upload-pack"), RouteKind::AdvertiseFetch),
            (format!("objects/sha256/{HASH}"), RouteKind::Object),
            (format!("objects/sha256/{HASH}/chunks?from=5"), RouteKind::Chunks),
        ] {
            assert_eq!(kind(&format!("/polder/v1/{rest}")), expected);
            assert_eq!(kind(&format!("/polder/v1/mirror/{HASH}/{rest}")), expected);
        }
        assert_eq!(kind("/.well-known/polder"), RouteKind::WellKnown);
        assert_eq!(kind("/polder/v1/proof/datasets/acme/d"), RouteKind::Proof);
        assert_eq!(parse(&Method::POST, "/polder/v1/ping"), Some(Route::Ping));
        assert_eq!(parse(&Method::POST, "/polder/v1/downloads"), Some(Route::Downloads));
        assert_eq!(parse(&Method::POST, "/polder/v1/log/bodies"), Some(Route::Bodies(Log::Own)));
    }

    #[test]
    fn what_cannot_be_meant_is_nowhere() {
        for rest in [
            "log/tile/0/1",
            "log/tile/9/000",
            "log/tile/entries/000.p/257",
            "log/body/abc",
            "log/events?from=-1",
            "log/events?select=rid:abc",
            "git/abc/info/refs?service=git-upload-pack",
            "mirror/abc/log/checkpoint",
            "",
        ] {
            assert_eq!(kind(&format!("/polder/v1/{rest}")), RouteKind::Unknown, "{rest}");
        }
        let push = format!("/polder/v1/git/{HASH}/info/refs?service=git-receive-pack");
        assert_eq!(kind(&push), RouteKind::Unknown, "nothing is pushed to");
        assert_eq!(parse(&Method::GET, "/polder/m"), None);
        assert_eq!(parse(&Method::POST, "/.well-known/polder"), Some(Route::WrongMethod(GET)));
        assert_eq!(parse(&Method::GET, "/polder/v1/ping"), Some(Route::WrongMethod(POST)));
    }

    #[test]
    fn a_selection_is_read_term_by_term() {
        let expected = Select::Any(vec![Term::License("mit".to_owned()), Term::Rid(HASH.parse().unwrap())]);
        assert_eq!(select(&format!("license:mit,rid:{HASH}")), Some(expected));
        assert_eq!(select(&["kind:model"; 64].join(",")).map(|_| ()), Some(()));
        assert_eq!(select(&["kind:model"; 65].join(",")), None);
    }
}
