//! How a browser may treat a file that anybody could have uploaded.
//!
//! Rule (scorecard A38): nothing a repository holds runs in the hub's origin. Scripts are impossible
//! under the sandbox, types are never guessed, and only plain text and a few images are shown at all.

use http::header::X_CONTENT_TYPE_OPTIONS;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const OCTETS: &str = "application/octet-stream";
const TEXT: &str = "text/plain; charset=utf-8";

/// RFC 8187 `attr-char` stays as it is.
const FILE_NAME: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// The content type of a file by its name, and whether a browser may show it.
fn shown_as(file_name: &str) -> (&'static str, bool) {
    let name = file_name.to_ascii_lowercase();
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    match extension {
        "png" => ("image/png", true),
        "jpg" | "jpeg" => ("image/jpeg", true),
        "gif" => ("image/gif", true),
        "webp" => ("image/webp", true),
        "txt" | "md" | "json" | "jsonl" | "csv" | "tsv" | "yaml" | "yml" | "toml" | "ini" | "cfg" | "py"
        | "jinja" | "gitattributes" | "gitignore" => (TEXT, true),
        _ if matches!(name.as_str(), "license" | "readme" | "notice") => (TEXT, true),
        _ => (OCTETS, false),
    }
}

/// Puts the headers on a file's response. `download` asks for a file to save.
pub(crate) fn present(headers: &mut HeaderMap, path: &str, download: bool) {
    let file_name = path.rsplit_once('/').map_or(path, |(_, name)| name);
    let (content_type, may_show) = shown_as(file_name);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CONTENT_DISPOSITION, disposition(file_name, may_show && !download));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox; default-src 'none'"));
    headers.insert(CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
}

/// RFC 6266, with the exact name (RFC 8187) before a plain one for old programs.
fn disposition(file_name: &str, inline: bool) -> HeaderValue {
    let kind = if inline { "inline" } else { "attachment" };
    let plain: String = file_name
        .chars()
        .map(|c| if (' '..='~').contains(&c) && !matches!(c, '"' | '\\' | '%') { c } else { '_' })
        .collect();
    let exact = utf8_percent_encode(file_name, FILE_NAME);
    let text = format!("{kind}; filename*=UTF-8''{exact}; filename=\"{plain}\"");
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("attachment"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn presented(path: &str, download: bool) -> (String, String) {
        let mut headers = HeaderMap::new();
        present(&mut headers, path, download);
        assert_eq!(headers[X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(headers[CONTENT_SECURITY_POLICY], "sandbox; default-src 'none'");
        assert_eq!(headers[CROSS_ORIGIN_RESOURCE_POLICY], "same-origin");
        let text = |name| headers[name].to_str().expect("ASCII").to_owned();
        (text(CONTENT_TYPE), text(CONTENT_DISPOSITION))
    }

    #[test]
    fn whatever_a_browser_could_run_is_a_file_to_save() {
        for path in [
            "a.html",
            "a.HTM",
            "x.svg",
            "x.xml",
            "x.xhtml",
            "x.mhtml",
            "x.pdf",
            "x.js",
            "x.css",
            "x.wasm",
            "x",
            "png",
            "x.png.html",
            "x.safetensors",
            "x.md/evil.shtml",
            "",
            "x.png ",
            ".html",
        ] {
            let (content_type, disposition) = presented(path, false);
            assert_eq!(content_type, OCTETS, "{path}");
            assert!(disposition.starts_with("attachment; "), "{path}: {disposition}");
        }
    }

    #[test]
    fn text_and_images_are_shown_unless_asked_otherwise() {
        for (path, expected) in [
            ("README.md", TEXT),
            ("a/b/config.json", TEXT),
            (".gitattributes", TEXT),
            ("LICENSE", TEXT),
            ("evil.html.txt", TEXT),
            ("cover.PNG", "image/png"),
            ("a.jpeg", "image/jpeg"),
        ] {
            assert_eq!(presented(path, false).0, expected, "{path}");
            assert!(presented(path, false).1.starts_with("inline; "), "{path}");
            assert!(presented(path, true).1.starts_with("attachment; "), "{path}");
        }
    }

    #[test]
    fn a_file_name_cannot_leave_its_header() {
        let (_, disposition) = presented("a/b \"x\"; filename=evil.exe\r\nX: y\\%é.bin", false);
        assert_eq!(
            disposition,
            "attachment; filename*=UTF-8''b%20%22x%22%3B%20filename%3Devil.exe%0D%0AX%3A%20y%5C%25%C3%A9.bin; \
             filename=\"b _x_; filename=evil.exe__X: y___.bin\""
        );
        assert_eq!(
            presented("模型.bin", false).1,
            "attachment; filename*=UTF-8''%E6%A8%A1%E5%9E%8B.bin; filename=\"__.bin\""
        );
    }
}
