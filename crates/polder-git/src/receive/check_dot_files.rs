//! `.gitmodules` and `.gitattributes`: contents that have been used to attack clients.
//!
//! Source: git 2.47 `fsck.c` `fsck_blob`, `fsck_gitmodules_fn`; `submodule-config.c`
//! `check_submodule_name`, `check_submodule_url`; CVE-2018-11235, CVE-2018-17456, CVE-2019-19604,
//! CVE-2020-5260, CVE-2022-23521.

use super::check::Problem;
use super::config_file::{Setting, read_settings};

/// git's `ATTR_MAX_FILE_SIZE`, in bytes.
const ATTRIBUTES_BYTES_MAX: usize = 100 << 20;
/// git's `ATTR_MAX_LINE_LENGTH`, in bytes.
const ATTRIBUTES_LINE_BYTES_MAX: usize = 2048;

/// Checks the content of a file that a tree calls `.gitattributes`.
pub(super) fn check_attributes(content: &[u8], report: &mut dyn FnMut(Problem)) {
    if content.len() > ATTRIBUTES_BYTES_MAX {
        report(Problem::GitattributesLarge);
        return;
    }
    if content.split(|byte| *byte == b'\n').any(|line| line.len() >= ATTRIBUTES_LINE_BYTES_MAX) {
        report(Problem::GitattributesLineLength);
    }
}

/// Checks the content of a file that a tree calls `.gitmodules`.
pub(super) fn check_modules(content: &[u8], report: &mut dyn FnMut(Problem)) {
    let end = read_settings(content, &mut |setting| check_setting(&setting, report));
    if end.is_err() {
        report(Problem::GitmodulesParse);
    }
}

fn check_setting(setting: &Setting<'_>, report: &mut dyn FnMut(Problem)) {
    let (b"submodule", Some(name)) = (setting.section, setting.subsection) else { return };
    if !is_safe_name(name) {
        report(Problem::GitmodulesName);
    }
    let Some(value) = setting.value else { return };
    match setting.key {
        b"url" if !is_safe_url(value) => report(Problem::GitmodulesUrl),
        b"path" if looks_like_option(value) => report(Problem::GitmodulesPath),
        b"update" if value.first() == Some(&b'!') => report(Problem::GitmodulesUpdate),
        _ => {}
    }
}

/// No empty name and no `..` between separators of either kind.
fn is_safe_name(name: &[u8]) -> bool {
    !name.is_empty() && !name.split(|byte| matches!(byte, b'/' | b'\\')).any(|part| part == b"..")
}

fn looks_like_option(value: &[u8]) -> bool {
    value.first() == Some(&b'-')
}

/// `git-remote-*` must not be fed a newline, an option, or an address without a host.
fn is_safe_url(url: &[u8]) -> bool {
    if looks_like_option(url) {
        return false;
    }
    if is_relative(url) {
        let decoded = percent_decode(url);
        if decoded.contains(&b'\n') {
            return false;
        }
        // `../:x` and the like would turn `https://host/a` into `https::x`.
        let (ups, rest) = leading_ups(url);
        return !(ups > 0 && matches!(rest.first(), Some(b':' | b'/')));
    }
    match curl_url(url) {
        None => true,
        Some(http) => !percent_decode(http).contains(&b'\n') && is_well_formed(http),
    }
}

fn is_relative(url: &[u8]) -> bool {
    [b"./".as_slice(), b".\\", b"../", b"..\\"].iter().any(|start| url.starts_with(start))
}

/// How many `../` the address starts with (`./` counts for nothing), and what follows.
fn leading_ups(url: &[u8]) -> (usize, &[u8]) {
    let (mut ups, mut rest) = (0, url);
    loop {
        if let [b'.', b'.', b'/' | b'\\', more @ ..] = rest {
            (ups, rest) = (ups + 1, more);
        } else if let [b'.', b'/' | b'\\', more @ ..] = rest {
            rest = more;
        } else {
            return (ups, rest);
        }
    }
}

/// The address that `git-remote-curl` would get, if it would get one.
fn curl_url(url: &[u8]) -> Option<&[u8]> {
    const SCHEMES: [&[u8]; 4] = [b"http", b"https", b"ftp", b"ftps"];
    let forced = SCHEMES.iter().find_map(|scheme| url.strip_prefix(*scheme)?.strip_prefix(b"::"));
    let plain = || SCHEMES.iter().any(|s| url.strip_prefix(*s).is_some_and(|rest| rest.starts_with(b"://")));
    forced.or_else(|| plain().then_some(url))
}

/// Whether git's `url_normalize` takes the address: escapes in order, a host, a port that is a number.
fn is_well_formed(url: &[u8]) -> bool {
    let Some(at) = url.windows(3).position(|three| three == b"://") else { return false };
    let rest = url.get(at + 3..).unwrap_or_default();
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
    let authority = rest.get(..end).unwrap_or_default();
    let host_and_port = authority.rsplit(|byte| *byte == b'@').next().unwrap_or_default();
    let (host, port) = match host_and_port.iter().rposition(|byte| *byte == b':') {
        Some(colon) if host_and_port.last() != Some(&b']') => host_and_port.split_at(colon),
        _ => (host_and_port, b"".as_slice()),
    };
    let host_is_plain = host.iter().all(|b| b.is_ascii_alphanumeric() || b".-_[:]".contains(b));
    let number = port.get(1..).filter(|digits| !digits.is_empty());
    let port_is_number = number.is_none_or(|digits| {
        str::from_utf8(digits).is_ok_and(|text| text.parse::<u16>().is_ok_and(|port| port > 0))
    });
    let escapes_are_whole = url
        .split(|byte| *byte == b'%')
        .skip(1)
        .all(|tail| tail.get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)));
    !host.is_empty() && host_is_plain && port_is_number && escapes_are_whole
}

fn percent_decode(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, more)) = rest.split_first() {
        let escape =
            (*byte == b'%').then(|| more.get(..2)).flatten().and_then(|digits| str::from_utf8(digits).ok());
        if let Some(value) = escape.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            decoded.push(value);
            rest = more.get(2..).unwrap_or_default();
        } else {
            decoded.push(*byte);
            rest = more;
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_fool_a_remote_helper_are_refused() {
        for bad in [
            "-u./x",
            "../%0ahost=x",
            "https://a%0a.example",
            "https::https://",
            "http:///x",
            "https://",
            "../../:x",
            "..//x",
            "https://:80/x",
            "https::x",
            "https://h:0/",
            "https://h/%zz",
            "https://a b/",
        ] {
            assert!(!is_safe_url(bad.as_bytes()), "{bad}");
        }
        for good in [
            "https://host.example/a",
            "../a",
            "./a",
            "ssh://host/a%0a",
            "git@host:a",
            "/abs",
            "https://u@h:1/p",
        ] {
            assert!(is_safe_url(good.as_bytes()), "{good}");
        }
    }
}
