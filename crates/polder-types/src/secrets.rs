//! Hiding secrets in texts that are kept or shown.

use std::borrow::Cow;

/// What stands before a secret: our tokens, signatures in links, and the two `Authorization` schemes. Whatever
/// follows `pld_` is hidden with it, so a token is recognised wherever a client has put it.
const MARKS: [&str; 4] = ["pld_", "sig=", "Bearer ", "Basic "];
/// Shorter texts after a mark are words, not secrets.
const SECRET_CHARS_MIN: usize = 8;

/// `text` with `…` for everything in it that looks like an access token, a signature or credentials.
///
/// ```
/// let text = polder_types::without_secrets("GET /x?token=pld_abcdefgh12345678&a=b");
/// assert_eq!(text, "GET /x?token=pld_…&a=b");
/// ```
pub fn without_secrets(text: &str) -> Cow<'_, str> {
    let mut shown = String::new();
    let mut rest = text;
    while let Some(start) = next_secret(rest) {
        let (before, secret) = rest.split_at(start);
        shown.push_str(before);
        shown.push('…');
        rest = secret.trim_start_matches(is_of_secret);
    }
    if shown.is_empty() {
        return Cow::Borrowed(text);
    }
    shown.push_str(rest);
    Cow::Owned(shown)
}

/// Where the first secret of `text` starts, after its mark.
fn next_secret(text: &str) -> Option<usize> {
    let first = |mark: &str| {
        let starts = text.match_indices(mark).map(|(at, mark)| at + mark.len());
        starts.into_iter().find(|start| {
            let secret = text.get(*start..).unwrap_or_default();
            secret.chars().take_while(|c| is_of_secret(*c)).count() >= SECRET_CHARS_MIN
        })
    };
    MARKS.iter().filter_map(|mark| first(mark)).min()
}

/// The alphabets of base64, plain and for URLs.
fn is_of_secret(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '+' | '/' | '=' | '%')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_and_everything_else_stays() {
        for (text, shown) in [
            ("", ""),
            ("plain", "plain"),
            ("pld_", "pld_"),
            ("http://ada:pld_0123456789abcdef@h/x", "http://ada:pld_…@h/x"),
            ("a pld_0123456789abcdef b pld_0123456789abcdef", "a pld_… b pld_…"),
            ("?size=1&sig=AbCdEfGhIjKl_-12&x=1", "?size=1&sig=…&x=1"),
            ("Authorization: Basic YWRhOnBsZF94eXo=", "Authorization: Basic …"),
            ("only Basic and Bearer are known", "only Basic and Bearer are known"),
        ] {
            assert_eq!(without_secrets(text), shown, "{text}");
        }
    }
}
