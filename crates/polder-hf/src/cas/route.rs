//! The request lines below the URL where chunks are stored.
//!
//! Source: `hf_xet` 1.8.0 `xet-client` `cas_client/remote_client.rs`; the spellings of 1.1.0 and 1.1.10 as
//! those clients were seen to send them. What they ask beyond that they do without when told 404.

use http::Method;
use polder_http::{Access, Url};
use polder_hub::is_xet_memory;
use polder_xet::{ChunkHash, FileHash, XorbHash};

/// First segment of all of it: no namespace can be called so.
pub(crate) const CAS: &str = "cas";
/// What chunks and xorbs are asked for under; both name the same.
const PREFIXES: [&str; 2] = ["default", "default-merkledb"];

polder_http::route_kinds! {
    /// Kinds of [`Route`].
    pub enum RouteKind {
        /// Whether a chunk is here already.
        Chunk => "chunk", Access::XetRead,
        /// What a file is made of.
        Reconstruction => "reconstruction", Access::XetRead,
        /// Bytes of a file.
        Data => "data", Access::Signed,
        /// An xorb to be stored.
        Xorb => "xorb", Access::XetWrite,
        /// Which files the stored xorbs make.
        Shard => "shard", Access::XetWrite,
        /// What a client tells of itself.
        Telemetry => "telemetry", Access::Open,
        /// Nothing that is answered here.
        Unknown => "unknown", Access::Open,
    }
}

/// Which form of an answer is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// The first.
    V1,
    /// The second.
    V2,
}

/// A parsed request line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// [`RouteKind::Chunk`].
    Chunk(ChunkHash),
    /// [`RouteKind::Reconstruction`].
    Reconstruction(Version, FileHash),
    /// [`RouteKind::Data`], of a file as this xorb.
    Data(XorbHash),
    /// [`RouteKind::Xorb`].
    Xorb(XorbHash),
    /// [`RouteKind::Shard`].
    Shard(Version),
    /// [`RouteKind::Telemetry`].
    Telemetry,
    /// [`RouteKind::Unknown`].
    Unknown,
}

impl Route {
    /// Reads a request line; `None` when it is not of this dialect.
    pub fn parse(method: &Method, url: &Url<'_>) -> Option<Self> {
        let segments: Vec<&str> = url.segments().iter().map(AsRef::as_ref).collect();
        match segments.as_slice() {
            // At the root of the host, wherever the rest is.
            ["v1", "telemetry"] if *method == Method::POST => Some(Self::Telemetry),
            // The word is the client's own affair: whatever it is, the token says what may be done.
            [CAS, memory, rest @ ..] if is_xet_memory(memory) => {
                Some(Self::below(method, rest).unwrap_or(Self::Unknown))
            }
            [CAS, rest @ ..] => Some(Self::below(method, rest).unwrap_or(Self::Unknown)),
            _ => None,
        }
    }

    fn below(method: &Method, segments: &[&str]) -> Option<Self> {
        let (version, words) = match segments {
            ["v2", words @ ..] => (Version::V2, words),
            // Without it: clients before 1.4.2, and that one's shards.
            ["v1", words @ ..] | words => (Version::V1, words),
        };
        let is_known = |prefix: &str| PREFIXES.contains(&prefix);
        match (method.as_str(), words) {
            ("GET", ["chunks" | "chunk", prefix, hash]) if is_known(prefix) => {
                hash.parse().ok().map(Self::Chunk)
            }
            ("GET", ["reconstructions" | "reconstruction", hash]) => {
                hash.parse().ok().map(|hash| Self::Reconstruction(version, hash))
            }
            ("GET" | "HEAD", ["data", hash]) => hash.parse().ok().map(Self::Data),
            ("POST", ["xorbs" | "xorb", prefix, hash]) if is_known(prefix) => {
                hash.parse().ok().map(Self::Xorb)
            }
            ("POST", ["shards"]) => Some(Self::Shard(version)),
            // What it is called is seen from its bytes.
            ("POST", ["shard", prefix, _]) if is_known(prefix) => Some(Self::Shard(version)),
            _ => None,
        }
    }

    /// Which route it is.
    pub const fn kind(&self) -> RouteKind {
        match self {
            Self::Chunk(_) => RouteKind::Chunk,
            Self::Reconstruction(..) => RouteKind::Reconstruction,
            Self::Data(_) => RouteKind::Data,
            Self::Xorb(_) => RouteKind::Xorb,
            Self::Shard(_) => RouteKind::Shard,
            Self::Telemetry => RouteKind::Telemetry,
            Self::Unknown => RouteKind::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A word under which a client keeps what it sends.
    const MEMORY: &str = "0123456789abcdef0123456789abcdef";

    fn parse(method: &Method, uri: &str) -> Option<Route> {
        let uri = uri.replace("HASH", &XorbHash::new([7; 32]).to_string()).parse().expect(uri);
        Route::parse(method, &Url::parse(&uri).expect("UTF-8"))
    }

    #[test]
    fn every_spelling_of_every_client_is_read() {
        let (get, post) = (Method::GET, Method::POST);
        let (chunk, xorb) = (Route::Chunk(ChunkHash::new([7; 32])), Route::Xorb(XorbHash::new([7; 32])));
        let file = |version| Route::Reconstruction(version, FileHash::new([7; 32]));
        for (method, uri, expected) in [
            (&get, "/cas/v1/chunks/default/HASH", chunk.clone()),
            (&get, "/cas/v1/chunks/default-merkledb/HASH", chunk.clone()),
            (&get, "/cas/chunks/default-merkledb/HASH", chunk.clone()),
            (&get, "/cas/chunk/default-merkledb/HASH", chunk),
            (&get, "/cas/reconstruction/HASH", file(Version::V1)),
            (&get, "/cas/reconstructions/HASH", file(Version::V1)),
            (&get, "/cas/v1/reconstructions/HASH", file(Version::V1)),
            (&get, "/cas/v2/reconstructions/HASH", file(Version::V2)),
            (&post, "/cas/v1/xorbs/default/HASH", xorb.clone()),
            (&post, "/cas/xorbs/default/HASH", xorb.clone()),
            (&post, "/cas/xorb/default/HASH", xorb),
            (&post, "/cas/shards", Route::Shard(Version::V1)),
            (&post, "/cas/shard/default-merkledb/HASH", Route::Shard(Version::V1)),
            (&post, "/cas/v1/shards", Route::Shard(Version::V1)),
            (&post, "/cas/v2/shards", Route::Shard(Version::V2)),
            (&get, "/cas/data/HASH?a=b", Route::Data(XorbHash::new([7; 32]))),
            (&post, "/v1/telemetry", Route::Telemetry),
        ] {
            assert_eq!(parse(method, uri), Some(expected.clone()), "{method} {uri}");
            if let Some(rest) = uri.strip_prefix("/cas/") {
                let uri = format!("/cas/{MEMORY}/{rest}");
                assert_eq!(parse(method, &uri), Some(expected), "{method} {uri}");
            }
        }
    }

    #[test]
    fn what_is_not_known_is_unknown_whatever_the_method() {
        for uri in [
            "/cas",
            "/cas/",
            "/cas/v1/chunks/other/HASH",
            "/cas/v1/chunks/default/abc",
            "/cas/v1/reconstructions?file_id=HASH",
            "/cas/v2/file-chunk-hashes/HASH",
            "/cas/v1/xorb-grants/default/HASH",
            "/cas/v3/shards",
            "/cas/0123456789abcdef0123456789abcde/v1/shards",
            "/cas/0123456789abcdef0123456789abcdeF/v1/shards",
            "/cas/0123456789abcdef0123456789abcdef",
            "/cas/0123456789abcdef0123456789abcdef/0123456789abcdef0123456789abcdef/v1/shards",
        ] {
            for method in [Method::GET, Method::POST, Method::PUT, Method::HEAD, Method::DELETE] {
                assert_eq!(parse(&method, uri), Some(Route::Unknown), "{method} {uri}");
            }
        }
        assert_eq!(parse(&Method::GET, "/v1/telemetry"), None);
        assert_eq!(parse(&Method::GET, "/cashier/m/resolve/main/f"), None);
    }
}
