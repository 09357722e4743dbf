//! A request's path and query, split and decoded once.

use std::borrow::Cow;

use http::Uri;
use percent_encoding::percent_decode_str;

/// A request URL whose path was split at `/` first and percent-decoded after, so that `%2F` stays
/// inside its segment.
#[derive(Debug)]
pub struct Url<'a> {
    path: &'a str,
    query: &'a str,
    segments: Vec<Cow<'a, str>>,
}

impl<'a> Url<'a> {
    /// Splits the URL of a request; `None` when the path is not percent-encoded UTF-8 that starts with `/`.
    pub fn parse(uri: &'a Uri) -> Option<Self> {
        Self::split(uri.path(), uri.query().unwrap_or_default())
    }

    fn split(path: &'a str, query: &'a str) -> Option<Self> {
        let inner = path.strip_prefix('/')?;
        let segments = inner
            .split('/')
            .map(|segment| percent_decode_str(segment).decode_utf8().ok())
            .collect::<Option<Vec<_>>>()?;
        Some(Self { path, query, segments })
    }

    /// The path as sent.
    pub fn path(&self) -> &'a str {
        self.path
    }

    /// The query as sent, without `?`; empty when there is none.
    pub fn query(&self) -> &'a str {
        self.query
    }

    /// The decoded segments; one empty segment for `/`.
    pub fn segments(&self) -> &[Cow<'a, str>] {
        &self.segments
    }

    /// The path as sent from segment `index` on, with the slash before it; empty past the end.
    pub fn raw_from(&self, index: usize) -> &'a str {
        let slash = self.path.match_indices('/').nth(index).map(|(at, _)| at);
        slash.and_then(|at| self.path.get(at..)).unwrap_or_default()
    }

    /// The decoded value of a query parameter. Of several, the last counts, as in git's own server.
    pub fn parameter(&self, name: &str) -> Option<String> {
        query_parameter(self.query, name)
    }
}

/// The decoded value of a parameter of a raw query. Of several, the last counts.
pub fn query_parameter(query: &str, name: &str) -> Option<String> {
    let value = query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .rfind(|(key, _)| *key == name)?
        .1
        .replace('+', " ");
    Some(percent_decode_str(&value).decode_utf8_lossy().into_owned())
}

/// The decoded values of every parameter of this name in a raw query or a posted form, in their order.
pub fn query_parameters(query: &str, name: &str) -> Vec<String> {
    query_pairs(query).filter(|(key, _)| key == name).map(|(_, value)| value).collect()
}

/// The decoded parameters of a raw query or a posted form, in their order.
pub fn query_pairs(query: &str) -> impl Iterator<Item = (String, String)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    pairs.map(move |pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(key), decode(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoded_slash_stays_inside_its_segment() {
        let url = Url::split("/acme/m/resolve/refs%2Fpr%2F1/a%20b/c%23", "").expect("UTF-8");
        assert_eq!(url.segments(), ["acme", "m", "resolve", "refs/pr/1", "a b", "c#"]);
        assert_eq!(url.raw_from(3), "/refs%2Fpr%2F1/a%20b/c%23");
        assert_eq!(url.raw_from(6), "");
    }

    #[test]
    fn a_path_that_is_not_utf8_is_no_url() {
        assert!(Url::split("/acme/%ff", "").is_none());
        assert!(Url::split("*", "").is_none());
        assert_eq!(Url::split("/", "").expect("UTF-8").segments(), [""]);
    }

    #[test]
    fn every_value_of_a_name_is_found_in_order() {
        let values = query_parameters("expand=a&x=y&expand=b%2Fc+d&expand%5B%5D=e&expand", "expand");
        assert_eq!(values, ["a", "b/c d", ""]);
        assert_eq!(query_parameters("expand%5B%5D=e", "expand[]"), ["e"]);
    }

    #[test]
    fn the_last_of_several_parameters_counts() {
        let url = Url::split("/", "service=a&x&service=git%2Db+c&service_=z").expect("UTF-8");
        assert_eq!(url.parameter("service").as_deref(), Some("git-b c"));
        assert_eq!(url.parameter("x").as_deref(), Some(""));
        assert_eq!(url.parameter("y"), None);
    }
}
