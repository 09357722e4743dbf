//! The request lines of git and git-lfs clients.

use http::Method;
use polder_http::{Access, Place, Url};
use polder_types::{RepoKind, Sha256};

polder_http::route_kinds! {
    /// Kinds of [`Route`].
    pub enum RouteKind {
        /// `GET …/info/refs?service=git-upload-pack`.
        AdvertiseFetch => "advertise-fetch", Access::Read,
        /// `GET …/info/refs?service=git-receive-pack`.
        AdvertisePush => "advertise-push", Access::Write,
        /// `POST …/git-upload-pack`.
        UploadPack => "upload-pack", Access::Read,
        /// `POST …/git-receive-pack`.
        ReceivePack => "receive-pack", Access::Write,
        /// `GET …/info/refs` for the dumb protocol or an unknown service.
        UnknownService => "unknown-service", Access::Open,
        /// A git address with another method.
        GitWrongMethod => "git-wrong-method", Access::Open,
        /// `POST …/info/lfs/objects/batch`.
        LfsBatch => "lfs-batch", Access::Batch,
        /// `GET …/info/lfs/objects/{oid}` with a signed query.
        LfsDownload => "lfs-download", Access::Signed,
        /// `PUT …/info/lfs/objects/{oid}` with a signed query.
        LfsUpload => "lfs-upload", Access::Signed,
        /// `POST …/info/lfs/verify`.
        LfsVerify => "lfs-verify", Access::Write,
        /// `POST …/info/lfs/objects/{oid}/verify` with a signed query.
        LfsVerifyLink => "lfs-verify-link", Access::Signed,
        /// `PUT …/info/lfs/objects/{oid}/parts/{number}` with a signed query.
        LfsUploadPart => "lfs-upload-part", Access::Signed,
        /// `POST …/info/lfs/objects/{oid}/complete` with a signed query.
        LfsComplete => "lfs-complete", Access::Signed,
        /// `GET …/info/lfs/locks`.
        LfsLocks => "lfs-locks", Access::Read,
        /// `POST …/info/lfs/locks`.
        LfsLock => "lfs-lock", Access::Write,
        /// `POST …/info/lfs/locks/verify`.
        LfsLocksVerify => "lfs-locks-verify", Access::Write,
        /// `POST …/info/lfs/locks/{id}/unlock`.
        LfsUnlock => "lfs-unlock", Access::Write,
        /// Any other address under `…/info/lfs`.
        LfsUnknown => "lfs-unknown", Access::Open,
        /// An LFS address with another method.
        LfsWrongMethod => "lfs-wrong-method", Access::Open,
    }
}

/// A parsed request line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// [`RouteKind::AdvertiseFetch`].
    AdvertiseFetch(Place),
    /// [`RouteKind::AdvertisePush`].
    AdvertisePush(Place),
    /// [`RouteKind::UploadPack`].
    UploadPack(Place),
    /// [`RouteKind::ReceivePack`].
    ReceivePack(Place),
    /// [`RouteKind::UnknownService`], with the service asked for.
    UnknownService(Option<String>),
    /// [`RouteKind::GitWrongMethod`], with the methods there are.
    GitWrongMethod(&'static str),
    /// [`RouteKind::LfsBatch`].
    LfsBatch(Place),
    /// [`RouteKind::LfsDownload`].
    LfsDownload(LfsLink),
    /// [`RouteKind::LfsUpload`].
    LfsUpload(LfsLink),
    /// [`RouteKind::LfsVerify`].
    LfsVerify(Place),
    /// [`RouteKind::LfsVerifyLink`].
    LfsVerifyLink(LfsLink),
    /// [`RouteKind::LfsUploadPart`], with the part's number.
    LfsUploadPart(LfsLink, u64),
    /// [`RouteKind::LfsComplete`].
    LfsComplete(LfsLink),
    /// [`RouteKind::LfsLocks`].
    LfsLocks(Place),
    /// [`RouteKind::LfsLock`].
    LfsLock(Place),
    /// [`RouteKind::LfsLocksVerify`].
    LfsLocksVerify(Place),
    /// [`RouteKind::LfsUnlock`], with the lock's id as sent.
    LfsUnlock(Place, String),
    /// [`RouteKind::LfsUnknown`].
    LfsUnknown,
    /// [`RouteKind::LfsWrongMethod`], with the methods there are.
    LfsWrongMethod(&'static str),
}

/// An object's address, whose query carries the permission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LfsLink {
    /// The repository.
    pub place: Place,
    /// The object.
    pub oid: Sha256,
    /// The query as sent.
    pub query: String,
}

const GET: &str = "GET, HEAD";
const POST: &str = "POST";
const TRANSFER: &str = "GET, HEAD, PUT";
const PUT: &str = "PUT";
const LOCKS: &str = "GET, HEAD, POST";

impl Route {
    /// Reads a request line; `None` when it is not git's or git-lfs's.
    ///
    /// A repository is `ns/name` or `kind/ns/name`, with or without `.git`. One segment, or two after a
    /// kind, is read as a repository too, one that cannot exist: it is answered like a missing one.
    pub fn parse(method: &Method, url: &Url<'_>) -> Option<Self> {
        let segments = url.segments();
        let counts = match segments.first().and_then(|word| RepoKind::from_plural(word)) {
            Some(_) => [3, 2],
            None => [2, 1],
        };
        counts.into_iter().find_map(|count| {
            let suffix: Vec<&str> = segments.get(count..)?.iter().map(AsRef::as_ref).collect();
            Self::of_suffix(method, url, count, &suffix)
        })
    }

    fn of_suffix(method: &Method, url: &Url<'_>, count: usize, suffix: &[&str]) -> Option<Self> {
        let place = || Place::read(url, count, true);
        let get = matches!(*method, Method::GET | Method::HEAD);
        let post = *method == Method::POST;
        Some(match suffix {
            ["info", "refs"] if get => match url.parameter("service").as_deref() {
                Some("git-upload-pack") => Self::AdvertiseFetch(place()),
                Some("git-receive-pack") => Self::AdvertisePush(place()),
                other => Self::UnknownService(other.map(str::to_owned)),
            },
            ["info", "refs"] => Self::GitWrongMethod(GET),
            ["git-upload-pack"] if post => Self::UploadPack(place()),
            ["git-receive-pack"] if post => Self::ReceivePack(place()),
            ["git-upload-pack" | "git-receive-pack"] => Self::GitWrongMethod(POST),
            ["info", "lfs", "objects", "batch"] if post => Self::LfsBatch(place()),
            ["info", "lfs", "verify"] if post => Self::LfsVerify(place()),
            ["info", "lfs", "objects", "batch"] | ["info", "lfs", "verify"] => Self::LfsWrongMethod(POST),
            ["info", "lfs", "objects", oid] => {
                let Ok(oid) = oid.parse() else { return Some(Self::LfsUnknown) };
                let link = || LfsLink { place: place(), oid, query: url.query().to_owned() };
                match *method {
                    Method::GET | Method::HEAD => Self::LfsDownload(link()),
                    Method::PUT => Self::LfsUpload(link()),
                    _ => Self::LfsWrongMethod(TRANSFER),
                }
            }
            ["info", "lfs", "objects", oid, what @ ("verify" | "complete")] => match oid.parse() {
                Ok(oid) if post => {
                    let link = LfsLink { place: place(), oid, query: url.query().to_owned() };
                    if *what == "verify" { Self::LfsVerifyLink(link) } else { Self::LfsComplete(link) }
                }
                Ok(_) => Self::LfsWrongMethod(POST),
                Err(_) => Self::LfsUnknown,
            },
            ["info", "lfs", "objects", oid, "parts", number] => match (oid.parse(), number.parse()) {
                (Ok(oid), Ok(number)) if *method == Method::PUT => Self::LfsUploadPart(
                    LfsLink { place: place(), oid, query: url.query().to_owned() },
                    number,
                ),
                (Ok(_), Ok(_)) => Self::LfsWrongMethod(PUT),
                _ => Self::LfsUnknown,
            },
            ["info", "lfs", "locks"] if get => Self::LfsLocks(place()),
            ["info", "lfs", "locks"] if post => Self::LfsLock(place()),
            ["info", "lfs", "locks"] => Self::LfsWrongMethod(LOCKS),
            ["info", "lfs", "locks", "verify"] if post => Self::LfsLocksVerify(place()),
            ["info", "lfs", "locks", id, "unlock"] if post => Self::LfsUnlock(place(), (*id).to_owned()),
            ["info", "lfs", "locks", "verify"] | ["info", "lfs", "locks", _, "unlock"] => {
                Self::LfsWrongMethod(POST)
            }
            ["info", "lfs", ..] => Self::LfsUnknown,
            _ => return None,
        })
    }

    /// Which route it is.
    pub const fn kind(&self) -> RouteKind {
        match self {
            Self::AdvertiseFetch(_) => RouteKind::AdvertiseFetch,
            Self::AdvertisePush(_) => RouteKind::AdvertisePush,
            Self::UploadPack(_) => RouteKind::UploadPack,
            Self::ReceivePack(_) => RouteKind::ReceivePack,
            Self::UnknownService(_) => RouteKind::UnknownService,
            Self::GitWrongMethod(_) => RouteKind::GitWrongMethod,
            Self::LfsBatch(_) => RouteKind::LfsBatch,
            Self::LfsDownload(_) => RouteKind::LfsDownload,
            Self::LfsUpload(_) => RouteKind::LfsUpload,
            Self::LfsVerify(_) => RouteKind::LfsVerify,
            Self::LfsVerifyLink(_) => RouteKind::LfsVerifyLink,
            Self::LfsUploadPart(..) => RouteKind::LfsUploadPart,
            Self::LfsComplete(_) => RouteKind::LfsComplete,
            Self::LfsLocks(_) => RouteKind::LfsLocks,
            Self::LfsLock(_) => RouteKind::LfsLock,
            Self::LfsLocksVerify(_) => RouteKind::LfsLocksVerify,
            Self::LfsUnlock(..) => RouteKind::LfsUnlock,
            Self::LfsUnknown => RouteKind::LfsUnknown,
            Self::LfsWrongMethod(_) => RouteKind::LfsWrongMethod,
        }
    }

    /// What the caller must show.
    pub const fn access(&self) -> Access {
        self.kind().access()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use polder_http::Target;

    const OID: &str = "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393";

    fn parse(line: &str) -> Option<Route> {
        let (method, uri) = line.split_once(' ').expect("a method");
        let uri = uri.parse().expect("URI");
        Route::parse(&method.parse().expect("method"), &Url::parse(&uri).expect("UTF-8"))
    }

    fn place(route: &Route) -> Option<&Place> {
        match route {
            Route::AdvertiseFetch(place)
            | Route::AdvertisePush(place)
            | Route::UploadPack(place)
            | Route::ReceivePack(place)
            | Route::LfsBatch(place)
            | Route::LfsVerify(place)
            | Route::LfsLocks(place)
            | Route::LfsLock(place)
            | Route::LfsLocksVerify(place)
            | Route::LfsUnlock(place, _) => Some(place),
            Route::LfsDownload(link)
            | Route::LfsUpload(link)
            | Route::LfsVerifyLink(link)
            | Route::LfsUploadPart(link, _)
            | Route::LfsComplete(link) => Some(&link.place),
            Route::UnknownService(_)
            | Route::GitWrongMethod(_)
            | Route::LfsUnknown
            | Route::LfsWrongMethod(_) => None,
        }
    }

    /// One request line for every kind of route.
    fn examples() -> Vec<(RouteKind, String)> {
        use RouteKind as K;
        vec![
            (K::AdvertiseFetch, "GET {id}/info/refs?service=git-upload-pack".to_owned()),
            (K::AdvertisePush, "GET {id}/info/refs?service=git-receive-pack".to_owned()),
            (K::UploadPack, "POST {id}/git-upload-pack".to_owned()),
            (K::ReceivePack, "POST {id}/git-receive-pack".to_owned()),
            (K::UnknownService, "GET {id}/info/refs".to_owned()),
            (K::GitWrongMethod, "GET {id}/git-receive-pack".to_owned()),
            (K::LfsBatch, "POST {id}/info/lfs/objects/batch".to_owned()),
            (K::LfsDownload, format!("GET {{id}}/info/lfs/objects/{OID}")),
            (K::LfsUpload, format!("PUT {{id}}/info/lfs/objects/{OID}")),
            (K::LfsVerify, "POST {id}/info/lfs/verify".to_owned()),
            (K::LfsVerifyLink, format!("POST {{id}}/info/lfs/objects/{OID}/verify")),
            (K::LfsUploadPart, format!("PUT {{id}}/info/lfs/objects/{OID}/parts/1")),
            (K::LfsComplete, format!("POST {{id}}/info/lfs/objects/{OID}/complete")),
            (K::LfsLocks, "GET {id}/info/lfs/locks".to_owned()),
            (K::LfsLock, "POST {id}/info/lfs/locks".to_owned()),
            (K::LfsLocksVerify, "POST {id}/info/lfs/locks/verify".to_owned()),
            (K::LfsUnlock, "POST {id}/info/lfs/locks/7/unlock".to_owned()),
            (K::LfsUnknown, "GET {id}/info/lfs/objects/xyz".to_owned()),
            (K::LfsWrongMethod, format!("DELETE {{id}}/info/lfs/objects/{OID}")),
        ]
    }

    #[test]
    fn every_kind_is_reached_by_every_form_of_address() {
        let examples = examples();
        let kinds: Vec<_> = examples.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds, RouteKind::ALL);
        for (kind, line) in &examples {
            for (address, name) in [
                ("/acme/m", "acme/m"),
                ("/acme/m.git", "acme/m"),
                ("/models/acme/m.git", "acme/m"),
                ("/datasets/acme/d", "datasets/acme/d"),
                ("/datasets/acme/d.git", "datasets/acme/d"),
                ("/spaces/a/b.git", "spaces/a/b"),
                ("/kernels/a/b", "kernels/a/b"),
                ("/%61cme/m%2Egit", "acme/m"),
                ("/acme/info", "acme/info"),
            ] {
                let route = parse(&line.replace("{id}", address)).expect(line);
                assert_eq!(route.kind(), *kind, "{line} {address}");
                if let Some(place) = place(&route) {
                    assert_eq!(place.target, Target::Name(name.parse().expect("name")), "{line} {address}");
                }
            }
        }
    }

    #[test]
    fn names_that_cannot_exist_are_read_as_such() {
        for address in
            ["/m.git", "/datasets/d", "/api/m", "/acme/..%2Fm", "/acme/m.git.git", "/a%2Fb", "/-/m", "//m"]
        {
            for (kind, line) in examples() {
                let route = parse(&line.replace("{id}", address)).expect(address);
                assert_eq!(route.kind(), kind, "{line} {address}");
                if let Some(place) = place(&route) {
                    assert!(matches!(place.target, Target::Impossible(_)), "{line} {address}: {place:?}");
                }
            }
        }
    }

    #[test]
    fn other_addresses_are_not_ours() {
        for line in [
            "GET /",
            "GET /acme/m",
            "GET /acme/m.git",
            "GET /info/refs",
            "POST /git-upload-pack",
            "GET /x/acme/m/info/refs?service=git-upload-pack",
            "GET /acme/m/info%2Frefs",
            "GET /acme/m/Info/refs",
            "GET /acme/m/info/refs/",
            "GET /acme/m.git//info/refs",
            "GET /acme/m/resolve/main/info/refs",
            "GET /acme/m/raw/info/refs",
            "POST /acme/m/resolve/main/git-upload-pack",
            "GET /acme/m/HEAD",
            "GET /acme/m.git/objects/info/packs",
            "GET /api/models?x=/acme/m/info/refs",
        ] {
            assert_eq!(parse(line), None, "{line}");
        }
    }

    /// `info/refs` is the one address where the query chooses the route. It chooses what is done and
    /// what is needed together, because the route is all that either is made from.
    #[test]
    fn a_query_cannot_change_what_a_path_needs() {
        let queries = [
            "service=git-upload-pack",
            "service=git-receive-pack",
            "sig=x&size=1&expires=9",
            "operation=download",
            "a",
        ];
        for (kind, line) in examples().into_iter().filter(|(_, line)| !line.contains("info/refs")) {
            for query in queries {
                let asked = parse(&format!("{}?{query}", line.replace("{id}", "/acme/m.git"))).expect("ours");
                assert_eq!((asked.kind(), asked.access()), (kind, kind.access()), "{line} {query}");
            }
        }
        for (query, kind, access) in [
            ("service=git-upload-pack", RouteKind::AdvertiseFetch, Access::Read),
            ("service=git-receive-pack", RouteKind::AdvertisePush, Access::Write),
            ("service=git%2Dreceive%2Dpack", RouteKind::AdvertisePush, Access::Write),
            ("service=git-upload-pack&service=git-receive-pack", RouteKind::AdvertisePush, Access::Write),
            ("service=git-receive-pack&service=git-upload-pack", RouteKind::AdvertiseFetch, Access::Read),
            ("service=git-receive-pack&x=service=git-upload-pack", RouteKind::AdvertisePush, Access::Write),
            ("service=git-receive-pack%00", RouteKind::UnknownService, Access::Open),
            ("service=GIT-UPLOAD-PACK", RouteKind::UnknownService, Access::Open),
            ("Service=git-upload-pack", RouteKind::UnknownService, Access::Open),
        ] {
            let route = parse(&format!("GET /acme/m/info/refs?{query}")).expect("ours");
            assert_eq!((route.kind(), route.access()), (kind, access), "{query}");
        }
    }

    #[test]
    fn other_methods_are_named_not_guessed() {
        for (line, allow) in [
            ("POST /a/b/info/refs?service=git-receive-pack", GET),
            ("PUT /a/b/git-upload-pack", POST),
            ("HEAD /a/b/git-receive-pack", POST),
        ] {
            assert_eq!(parse(line), Some(Route::GitWrongMethod(allow)), "{line}");
        }
        assert_eq!(parse("GET /a/b/info/lfs/objects/batch"), Some(Route::LfsWrongMethod(POST)));
        assert_eq!(parse("GET /a/b/info/lfs/verify"), Some(Route::LfsWrongMethod(POST)));
        assert_eq!(parse("DELETE /a/b/info/lfs/locks"), Some(Route::LfsWrongMethod(LOCKS)));
        assert_eq!(parse("GET /a/b/info/lfs/locks/verify"), Some(Route::LfsWrongMethod(POST)));
        assert_eq!(parse("DELETE /a/b/info/lfs/locks/7/unlock"), Some(Route::LfsWrongMethod(POST)));
        assert_eq!(
            parse(&format!("POST /a/b/info/lfs/objects/{OID}")),
            Some(Route::LfsWrongMethod(TRANSFER))
        );
        let upper = OID.to_uppercase();
        assert_eq!(parse(&format!("GET /a/b/info/lfs/objects/{upper}")), Some(Route::LfsUnknown));
    }
}
