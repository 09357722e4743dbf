//! The request lines of Hugging Face clients.
//!
//! Source: `huggingface_hub` 2.4.0 `file_download.py`: the revision is quoted whole (`refs%2Fpr%2F1`),
//! a file's path keeps its slashes.

use http::Method;
use polder_http::{Access, Place, Url};
use polder_types::RepoKind;

polder_http::route_kinds! {
    /// Kinds of [`Route`].
    pub enum RouteKind {
        /// `GET …/resolve/{revision}/{path}`: the file itself.
        Resolve => "resolve",
        /// `GET …/raw/{revision}/{path}`: what git holds, so a pointer stays a pointer.
        Raw => "raw",
        /// One of these addresses with another method.
        WrongMethod => "wrong-method",
    }
}

impl RouteKind {
    /// What the caller must show.
    pub const fn access(self) -> Access {
        match self {
            Self::Resolve | Self::Raw => Access::Read,
            Self::WrongMethod => Access::Open,
        }
    }
}

/// A parsed request line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// [`RouteKind::Resolve`].
    Resolve(FileAt),
    /// [`RouteKind::Raw`].
    Raw(FileAt),
    /// [`RouteKind::WrongMethod`].
    WrongMethod,
}

/// A file of a repository at a revision, as the URL names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileAt {
    /// The repository.
    pub place: Place,
    /// The revision, decoded.
    pub revision: String,
    /// The path in the tree, decoded.
    pub path: String,
    /// Whether `?download=true` asks for a file to save rather than one to look at.
    pub download: bool,
}

impl Route {
    /// Reads a request line; `None` when it is not of this dialect.
    ///
    /// The repository is what stands before the word `resolve` or `raw`: `ns/name` or `kind/ns/name`.
    /// One segment, or two after a kind, is read as a repository too, one that cannot exist: it is
    /// answered like a missing one.
    pub fn parse(method: &Method, url: &Url<'_>) -> Option<Self> {
        let segments = url.segments();
        let counts = match segments.first().and_then(|word| RepoKind::from_plural(word)) {
            Some(_) => [3, 2],
            None => [2, 1],
        };
        counts.into_iter().find_map(|count| {
            let [action, revision, path @ ..] = segments.get(count..)? else { return None };
            if !matches!(action.as_ref(), "resolve" | "raw") || revision.is_empty() || path.is_empty() {
                return None;
            }
            if !matches!(*method, Method::GET | Method::HEAD) {
                return Some(Self::WrongMethod);
            }
            let file = FileAt {
                place: Place::read(url, count, false),
                revision: revision.clone().into_owned(),
                path: path.join("/"),
                download: matches!(url.parameter("download").as_deref(), Some("true" | "True" | "1" | "")),
            };
            Some(if action == "raw" { Self::Raw(file) } else { Self::Resolve(file) })
        })
    }

    /// Which route it is.
    pub const fn kind(&self) -> RouteKind {
        match self {
            Self::Resolve(_) => RouteKind::Resolve,
            Self::Raw(_) => RouteKind::Raw,
            Self::WrongMethod => RouteKind::WrongMethod,
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

    fn parse(method: &str, uri: &str) -> Option<Route> {
        let uri = uri.parse().expect("URI");
        Route::parse(&method.parse().expect("method"), &Url::parse(&uri).expect("UTF-8"))
    }

    fn read(uri: &str) -> (RouteKind, Target, String, String) {
        let route = parse("GET", uri).expect(uri);
        match route.clone() {
            Route::Resolve(at) | Route::Raw(at) => (route.kind(), at.place.target, at.revision, at.path),
            Route::WrongMethod => panic!("{uri}"),
        }
    }

    #[test]
    fn every_form_of_address_is_read() {
        use RouteKind::{Raw, Resolve};
        for (uri, kind, repo, revision, path) in [
            ("/acme/m/resolve/main/config.json", Resolve, "acme/m", "main", "config.json"),
            ("/models/acme/m/resolve/main/a", Resolve, "acme/m", "main", "a"),
            ("/datasets/acme/d/raw/main/a/b/c", Raw, "datasets/acme/d", "main", "a/b/c"),
            ("/spaces/a/b/resolve/dev%2Fx/f", Resolve, "spaces/a/b", "dev/x", "f"),
            ("/kernels/a/b/resolve/refs%2Fpr%2F1/f", Resolve, "kernels/a/b", "refs/pr/1", "f"),
            (
                "/a/b/resolve/main/dir%20with/fi%23le%25%C3%A9.txt?x=1",
                Resolve,
                "a/b",
                "main",
                "dir with/fi#le%é.txt",
            ),
            // The action word is found by its place, not by its first occurrence.
            ("/acme/resolve/resolve/resolve/resolve", Resolve, "acme/resolve", "resolve", "resolve"),
            (
                "/datasets/acme/raw/resolve/raw/resolve/raw",
                Resolve,
                "datasets/acme/raw",
                "raw",
                "resolve/raw",
            ),
            ("/a/b/resolve/main/info/refs", Resolve, "a/b", "main", "info/refs"),
            ("/a/b/resolve/main/x//y/", Resolve, "a/b", "main", "x//y/"),
        ] {
            let name = Target::Name(repo.parse().expect(repo));
            assert_eq!(read(uri), (kind, name, revision.to_owned(), path.to_owned()), "{uri}");
        }
    }

    #[test]
    fn names_that_cannot_exist_are_read_as_such() {
        for uri in [
            "/gpt2/resolve/main/f",
            "/datasets/squad/resolve/main/f",
            "/a/b.git/resolve/main/f",
            "/api/models/resolve/main/f",
            "/a%2Fb/resolve/main/f",
            "/a/..%2Fb/raw/main/f",
        ] {
            assert!(matches!(read(uri).1, Target::Impossible(_)), "{uri}");
        }
    }

    #[test]
    fn other_addresses_are_not_ours() {
        for uri in [
            "/",
            "/a/b",
            "/a/b/resolve",
            "/a/b/resolve/main",
            "/a/b/resolve//f",
            "/a/b/blob/main/f",
            "/a/b/resolve%2Fmain/f",
            "/a/b/Resolve/main/f",
            "/x/a/b/resolve/main/f",
            "/resolve/main/f/g",
            "/a/b/info/refs",
            "/a/b/c?/resolve/main/f",
        ] {
            assert_eq!(parse("GET", uri), None, "{uri}");
        }
        assert_eq!(parse("PUT", "/a/b/resolve/main/f"), Some(Route::WrongMethod));
        assert_eq!(parse("POST", "/a/b/raw/main/f"), Some(Route::WrongMethod));
    }

    #[test]
    fn a_query_cannot_change_what_a_path_needs() {
        for query in ["service=git-receive-pack", "sig=x&expires=9", "download=true", "access=open", "raw"] {
            let plain = parse("GET", "/a/b/resolve/main/f").expect("ours");
            let asked = parse("GET", &format!("/a/b/resolve/main/f?{query}")).expect("ours");
            assert_eq!((plain.kind(), plain.access()), (asked.kind(), asked.access()), "{query}");
            assert_eq!(asked.access(), Access::Read);
        }
    }

    #[test]
    fn only_the_words_for_yes_ask_for_a_download() {
        let asks = |query: &str| match parse("GET", &format!("/a/b/resolve/main/f{query}")) {
            Some(Route::Resolve(at)) => at.download,
            other => panic!("{other:?}"),
        };
        assert!(asks("?download=true") && asks("?download=1") && asks("?download"));
        assert!(!asks("") && !asks("?download=false") && !asks("?undownload=true"));
    }
}
