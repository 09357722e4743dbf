//! The repository that a path names, and where the same path is after a rename.

use std::borrow::Cow;

use http::HeaderValue;
use polder_types::RepoName;

use crate::respond;
use crate::url::Url;

/// A repository as a path names it.
///
/// A name that cannot exist is kept as text: the answer for it must not differ from the answer for a
/// name that could exist and does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A name that a repository may have.
    Name(RepoName),
    /// A text that no repository can be called.
    Impossible(String),
}

/// Longest part of an impossible name that is repeated to the client, in characters.
const SHOWN_CHARS_MAX: usize = 100;

impl Target {
    /// Reads decoded path segments (`acme/m`, `datasets/acme/d`, `models/acme/m`, …).
    pub fn read(segments: &[Cow<'_, str>]) -> Self {
        let text = segments.join("/");
        // An encoded slash must not make two segments of one.
        let whole = segments.iter().all(|segment| !segment.contains('/'));
        match text.parse() {
            Ok(name) if whole => Self::Name(name),
            _ => Self::Impossible(
                text.chars()
                    .take(SHOWN_CHARS_MAX)
                    .map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c })
                    .collect(),
            ),
        }
    }
}

/// A repository in a URL, with the rest of the URL as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The repository.
    pub target: Target,
    /// Everything after the repository's name as sent: `.git` if it was there, the path, the query.
    tail: String,
    /// Whether the path is below `/api/`.
    api: bool,
}

impl Place {
    /// The repository in the first `count` segments of `url`; with `git_suffix`, a `.git` at the end of
    /// the last of them is not part of the name.
    pub fn read(url: &Url<'_>, count: usize, git_suffix: bool) -> Self {
        let mut segments = url.segments().get(..count).unwrap_or_default().to_vec();
        let mut tail = String::new();
        if git_suffix
            && let Some(last) = segments.last_mut()
            && let Some(stem) = last.strip_suffix(".git")
        {
            *last = Cow::Owned(stem.to_owned());
            tail.push_str(".git");
        }
        tail.push_str(url.raw_from(count));
        if !url.query().is_empty() {
            tail.push('?');
            tail.push_str(url.query());
        }
        Self { target: Target::read(&segments), tail, api: false }
    }

    /// The repository in the first `count` segments after `/api/`, the kind's word among them.
    pub fn read_api(url: &Url<'_>, count: usize) -> Self {
        let segments = url.segments().get(1..=count).unwrap_or_default();
        let mut tail = url.raw_from(count + 1).to_owned();
        if !url.query().is_empty() {
            tail.push('?');
            tail.push_str(url.query());
        }
        Self { target: Target::read(segments), tail, api: true }
    }

    /// The `Location` of the same path with `word` as the first after the repository's name, below `/api/` if
    /// `api`; `None` when it names no repository, or nothing after it.
    pub fn with_word(&self, public_url: &str, word: &str, api: bool) -> Option<HeaderValue> {
        let Target::Name(name) = &self.target else { return None };
        let (_, rest) = self.tail.strip_prefix('/')?.split_once('/')?;
        let other = Self { target: self.target.clone(), tail: format!("/{word}/{rest}"), api };
        Some(other.moved(public_url, name))
    }

    /// The `Location` of the same thing under the repository's new name: a path, so that the client
    /// stays on the host it knows and keeps its credentials.
    pub fn moved(&self, public_url: &str, to: &RepoName) -> HeaderValue {
        let (path, tail) = (path_of(public_url), &self.tail);
        respond::header_text(&if self.api {
            format!("{path}/api/{}/{}/{}{tail}", to.kind().plural(), to.namespace(), to.name())
        } else {
            format!("{path}/{to}{tail}")
        })
    }
}

/// The path part of the public URL, without a slash at the end: a proxy may serve the hub under one.
fn path_of(public_url: &str) -> &str {
    let after_scheme = public_url.split_once("://").map_or(public_url, |(_, rest)| rest);
    after_scheme.find('/').and_then(|at| after_scheme.get(at..)).unwrap_or_default().trim_end_matches('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(uri: &str, count: usize) -> Place {
        let uri = uri.parse().expect("URI");
        Place::read(&Url::parse(&uri).expect("UTF-8"), count, true)
    }

    #[test]
    fn a_moved_place_keeps_its_suffix_path_and_query() {
        let to = "datasets/acme/new".parse().expect("name");
        let place = place("/datasets/acme/old.git/info/refs?service=git-upload-pack", 3);
        assert_eq!(place.target, Target::Name("datasets/acme/old".parse().expect("name")));
        let moved = |public| place.moved(public, &to).to_str().expect("ASCII").to_owned();
        assert_eq!(moved("http://h:1"), "/datasets/acme/new.git/info/refs?service=git-upload-pack");
        assert_eq!(moved("https://h/hub/"), "/hub/datasets/acme/new.git/info/refs?service=git-upload-pack");
    }

    #[test]
    fn a_place_may_have_another_word() {
        let page = place("/acme/m/blob/refs%2Fpr%2F1/a%20b?download=true", 2);
        let leads = |api, word| page.with_word("http://h/hub", word, api).expect("a path");
        assert_eq!(leads(false, "resolve"), "/hub/acme/m/resolve/refs%2Fpr%2F1/a%20b?download=true");
        assert_eq!(leads(true, "tree"), "/hub/api/models/acme/m/tree/refs%2Fpr%2F1/a%20b?download=true");
        assert_eq!(place("/acme/m", 2).with_word("http://h", "resolve", false), None);
        assert_eq!(place("/acme/m%0D%0A/blob/main/a", 2).with_word("http://h", "resolve", false), None);
    }

    #[test]
    fn a_moved_place_of_the_api_keeps_its_kind() {
        let uri = "/api/models/acme/old/tree/main/a%2Fb?recursive=true".parse().expect("URI");
        let place = Place::read_api(&Url::parse(&uri).expect("UTF-8"), 3);
        assert_eq!(place.target, Target::Name("acme/old".parse().expect("name")));
        let to = "acme/new".parse().expect("name");
        let moved = place.moved("http://h/hub", &to);
        assert_eq!(moved, "/hub/api/models/acme/new/tree/main/a%2Fb?recursive=true");
    }

    #[test]
    fn an_encoded_slash_makes_no_name() {
        assert_eq!(place("/datasets/acme%2Fd", 2).target, Target::Impossible("datasets/acme/d".to_owned()));
        assert_eq!(place("/acme/m%0D%0A", 2).target, Target::Impossible("acme/m\u{fffd}\u{fffd}".to_owned()));
        assert_eq!(place("/%61cme/m.git", 2).target, Target::Name("acme/m".parse().expect("name")));
        assert_eq!(place("/acme/m.git.git", 2).target, Target::Impossible("acme/m.git".to_owned()));
    }
}
