//! Absolute http and https URLs, read one way for the check and for the connection.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use http::uri::PathAndQuery;

use crate::error::{Error, Reason};

/// Longest URL, in bytes.
const URL_BYTES_MAX: usize = 8 << 10;
/// Longest host name, in bytes (RFC 1035 §2.3.4).
const NAME_BYTES_MAX: usize = 253;
/// Longest label of one, in bytes.
const LABEL_BYTES_MAX: usize = 63;

/// How a host is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// In clear.
    Http,
    /// With TLS.
    Https,
}

impl Scheme {
    /// `http` or `https`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// A host: a name of lower-case letters, digits, `-`, `_` and dots, or an address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// A name to resolve.
    Name(String),
    /// An address.
    Address(IpAddr),
}

impl fmt::Display for Host {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => out.write_str(name),
            Self::Address(IpAddr::V4(v4)) => write!(out, "{v4}"),
            Self::Address(IpAddr::V6(v6)) => write!(out, "[{v6}]"),
        }
    }
}

/// Scheme, host and port: who is spoken to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    pub(crate) scheme: Scheme,
    pub(crate) host: Host,
    pub(crate) port: u16,
}

impl Origin {
    /// How it is spoken to.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The port, the scheme's own where the URL has none.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}://{}", self.scheme.as_str(), self.host)?;
        if self.port == self.scheme.default_port() { Ok(()) } else { write!(out, ":{}", self.port) }
    }
}

/// An absolute http or https URL without user, password or fragment.
///
/// ```
/// use polder_egress::Url;
/// let url: Url = "https://Hub.example.org/acme/m".parse().unwrap();
/// assert_eq!(url.to_string(), "https://hub.example.org/acme/m");
/// assert_eq!(url.under("info/refs").unwrap().to_string(), "https://hub.example.org/acme/m/info/refs");
/// assert!("https://ada:secret@hub.example.org/".parse::<Url>().is_err());
/// assert!("http://0177.0.0.1/".parse::<Url>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Url {
    origin: Origin,
    path: PathAndQuery,
}

impl Url {
    /// Who is spoken to.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The path, which starts with a slash.
    pub fn path(&self) -> &str {
        self.path.path()
    }

    /// What is behind `?`.
    pub fn query(&self) -> Option<&str> {
        self.path.query()
    }

    /// The URL of `path` (with a query, perhaps) below this one, whose own query is dropped.
    ///
    /// # Errors
    /// When that is no URL.
    pub fn under(&self, path: &str) -> Result<Self, Error> {
        format!("{}{}/{path}", self.origin, self.path().trim_end_matches('/')).parse()
    }

    /// The URL that `reference` names in a document at this one: absolute, or relative to it.
    ///
    /// # Errors
    /// When that is no http or https URL that may be used.
    pub fn join(&self, reference: &str) -> Result<Self, Error> {
        let reference = reference.split('#').next().unwrap_or_default();
        if has_scheme(reference) {
            return reference.parse();
        }
        if reference.starts_with("//") {
            return format!("{}:{reference}", self.origin.scheme.as_str()).parse();
        }
        let path = self.path();
        let joined = match reference.as_bytes().first() {
            Some(b'/') => format!("{}{reference}", self.origin),
            Some(b'?') => format!("{}{path}{reference}", self.origin),
            Some(_) => {
                let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
                format!("{}{directory}/{reference}", self.origin)
            }
            None => return Ok(self.clone()),
        };
        joined.parse()
    }

    pub(crate) fn to_uri(&self) -> Result<http::Uri, Error> {
        let unreadable =
            |error| Error::refused(&self.origin.to_string(), Reason::Unreadable).caused_by(error);
        self.to_string().parse().map_err(unreadable)
    }

    /// Whether the path would be another one if a server read its dots.
    fn climbs(&self) -> bool {
        self.path().split('/').any(|part| matches!(part, ".." | "."))
    }
}

impl fmt::Display for Url {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}{}", self.origin, self.path)
    }
}

impl FromStr for Url {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let refuse = |reason| Error::refused(&without_secrets(text), reason);
        if text.len() > URL_BYTES_MAX {
            return Err(refuse(Reason::TooLong));
        }
        let (scheme, rest) = text.split_once("://").ok_or_else(|| refuse(Reason::Scheme))?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err(refuse(Reason::Scheme)),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).ok_or_else(|| refuse(Reason::Unreadable))?;
        if authority.contains('@') {
            return Err(refuse(Reason::Userinfo));
        }
        let (host, port) = split_port(authority).ok_or_else(|| refuse(Reason::Host))?;
        let host = parse_host(host).ok_or_else(|| refuse(Reason::Host))?;
        let port = match port {
            Some(digits) => parse_port(digits).ok_or_else(|| refuse(Reason::Host))?,
            None => scheme.default_port(),
        };
        let path = path.split('#').next().unwrap_or_default();
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let path =
            PathAndQuery::from_str(&path).map_err(|error| refuse(Reason::Unreadable).caused_by(error))?;
        let url = Self { origin: Origin { scheme, host, port }, path };
        if url.climbs() { Err(refuse(Reason::Unreadable)) } else { Ok(url) }
    }
}

/// Whether `reference` starts with a scheme and a colon (RFC 3986 §3.1).
fn has_scheme(reference: &str) -> bool {
    let Some((scheme, _)) = reference.split_once(':') else { return false };
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

/// The text without what may be a password or a signature, for a message.
fn without_secrets(text: &str) -> String {
    let shown: String = text.split(['?', '#']).next().unwrap_or_default().chars().take(200).collect();
    let Some((before, after)) = shown.rsplit_once('@') else { return shown };
    let scheme = before.split_once("://").map(|(scheme, _)| scheme);
    scheme.map_or_else(|| format!("…@{after}"), |scheme| format!("{scheme}://…@{after}"))
}

fn split_port(authority: &str) -> Option<(&str, Option<&str>)> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (_, after) = rest.split_once(']')?;
        let host = authority.get(..authority.len() - after.len())?;
        return match after.strip_prefix(':') {
            Some(port) => Some((host, Some(port))),
            None if after.is_empty() => Some((host, None)),
            None => None,
        };
    }
    match authority.split_once(':') {
        Some((host, port)) => Some((host, Some(port))),
        None => Some((authority, None)),
    }
}

fn parse_port(digits: &str) -> Option<u16> {
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain { digits.parse().ok().filter(|port| *port != 0) } else { None }
}

/// Reads a host in its only spelling: other spellings of an address (decimal, octal, hexadecimal, short) are
/// for those who want to get past a check.
fn parse_host(host: &str) -> Option<Host> {
    if let Some(inside) = host.strip_prefix('[') {
        let address: Ipv6Addr = inside.strip_suffix(']')?.parse().ok()?;
        return Some(Host::Address(IpAddr::V6(address)));
    }
    let labels_are_good = host.split('.').all(|label| {
        (1..=LABEL_BYTES_MAX).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    });
    if host.len() > NAME_BYTES_MAX || !labels_are_good {
        return None;
    }
    let last = host.rsplit('.').next()?;
    // What a resolver would read as a number (WHATWG URL §3.5, "ends in a number").
    if last.starts_with(|first: char| first.is_ascii_digit()) {
        let number = last.bytes().all(|byte| byte.is_ascii_digit())
            || last.strip_prefix("0x").or_else(|| last.strip_prefix("0X")).is_some();
        if number {
            return host.parse::<Ipv4Addr>().ok().map(|v4| Host::Address(IpAddr::V4(v4)));
        }
    }
    Some(Host::Name(host.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn a_url_has_one_reading() {
        for (text, shown) in [
            ("http://hub.example.org", "http://hub.example.org/"),
            ("HTTPS://Hub.Example.ORG:443/A?b=C", "https://hub.example.org/A?b=C"),
            ("http://127.0.0.1:8080/a//b", "http://127.0.0.1:8080/a//b"),
            ("http://[::1]:80/x", "http://[::1]/x"),
            ("http://my_hub/x?a=http://b/", "http://my_hub/x?a=http://b/"),
            ("http://hub.example.org?x#y", "http://hub.example.org/?x"),
        ] {
            assert_eq!(url(text).to_string(), shown);
        }
        for wrong in [
            "",
            "hub.example.org",
            "/x",
            "//hub/x",
            "file:///etc/passwd",
            "git://h/x",
            "ssh://h/x",
            "gopher://h/",
            "ext::sh -c x",
            "ftp://h/",
            "http:///x",
            "http://",
            "http://:80/",
            "http://h:/",
            "http://h:0/",
            "http://h:65536/",
            "http://h:+80/",
            "http://h:8 0/",
            "http://a@h/",
            "http://a:b@h/",
            "http://h@127.0.0.1/",
            "http://h\\@127.0.0.1/",
            "http://127.0.0.1\\@h/",
            "http://h%2e/",
            "http://h./",
            "http://.h/",
            "http://h..x/",
            "http://-h/",
            "http://ü.example/",
            "http://[::1/",
            "http://[fe80::1%25eth0]/",
            "http://[::1]x/",
            "http://[127.0.0.1]/",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://0177.0.0.1/",
            "http://127.1/",
            "http://127.0.0.01/",
            "http://0x7f.0.0.1/",
            "http://127.0.0.0x1/",
            "http://256.0.0.1/",
            "http://1.2.3/",
            "http://h/a b",
            "http://h/\r\nx: y",
            "http://h/\u{fc}\u{0}",
            "http://h/a/../b",
            "http://h/..",
            "http://h/./x",
        ] {
            let refused = wrong.parse::<Url>().expect_err(wrong);
            assert!(!refused.to_string().contains("a:b@"), "{refused}");
        }
    }

    #[test]
    fn a_reference_is_read_where_it_stands() {
        let base = url("https://h.example:8443/a/b?c");
        for (reference, shown) in [
            ("http://other/x", "http://other/x"),
            ("//other/x", "https://other/x"),
            ("/x?y", "https://h.example:8443/x?y"),
            ("?y", "https://h.example:8443/a/b?y"),
            ("x/y#z", "https://h.example:8443/a/x/y"),
            ("", "https://h.example:8443/a/b?c"),
            ("x:y/..z", ""),
            ("javascript:alert(1)", ""),
            ("../x", ""),
        ] {
            let joined = base.join(reference).map(|url| url.to_string()).unwrap_or_default();
            assert_eq!(joined, shown, "{reference}");
        }
        assert_eq!(url("http://h").under("a?b").expect("URL").to_string(), "http://h/a?b");
        assert_eq!(url("http://h/x/?q").under("a").expect("URL").to_string(), "http://h/x/a");
    }
}
