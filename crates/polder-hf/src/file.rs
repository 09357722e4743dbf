//! Answering with a file of a repository.

use http::header::{LINK, LOCATION, RANGE};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use polder_http::{FileSource, Response, file_response, object_response, respond};
use polder_hub::{FileContent, OpenFile};

use crate::ask::Ask;
use crate::failure::{Failure, X_REPO_COMMIT};
use crate::not_served::not_served;
use crate::presentation::present;
use crate::route::At;
use crate::xet_token;

const X_LINKED_SIZE: HeaderName = HeaderName::from_static("x-linked-size");
const X_LINKED_ETAG: HeaderName = HeaderName::from_static("x-linked-etag");
const X_XET_HASH: HeaderName = HeaderName::from_static("x-xet-hash");

/// Answers `GET` and `HEAD` of `…/resolve/…`: a pointer is followed to its bytes.
pub(crate) async fn resolve(ask: &Ask<'_>) -> Result<Response, Failure> {
    let grant = ask.read().await?;
    let file = ask.hub.open_file(&grant, &ask.at.revision, &ask.at.path).await?;
    let commit_id = file.commit_id;
    let chunked = match &file.content {
        FileContent::Object(object) => object.announced(),
        FileContent::Git(_) => None,
    };
    let mut response = answer(ask.at, ask.parts, file).await?;
    if let Some(hash) = chunked {
        let headers = response.headers_mut();
        headers.insert(X_XET_HASH, respond::header_text(&hash.to_string()));
        let link = xet_token::link(ask.hub, grant.repo(), commit_id);
        headers.insert(LINK, respond::header_text(&format!("<{link}>; rel=\"xet-auth\"")));
    }
    if response.status().is_success() && is_from_the_start(ask.parts) {
        ask.hub.count_download(&grant);
    }
    Ok(response)
}

/// Whether a file is asked for, not a look at it, nor a later part.
fn is_from_the_start(parts: &Parts) -> bool {
    let range = parts.headers.get(RANGE).map(HeaderValue::as_bytes);
    parts.method == Method::GET && range.is_none_or(|range| range.starts_with(b"bytes=0-"))
}

/// Answers `GET` and `HEAD` of `…/raw/…`: what git holds.
pub(crate) async fn raw(ask: &Ask<'_>) -> Result<Response, Failure> {
    let grant = ask.read().await?;
    let file = ask.hub.open_raw(&grant, &ask.at.revision, &ask.at.path).await?;
    Ok(answer(ask.at, ask.parts, file).await?)
}

/// Answers with where what the page shows is. Nothing is looked up for it: what is there decides.
pub(crate) fn page(ask: &Ask<'_>, word: &str, api: bool) -> Response {
    let Some(location) = ask.at.place.with_word(ask.hub.public_url(), word, api) else {
        return not_served(ask);
    };
    let mut response = respond::text(StatusCode::TEMPORARY_REDIRECT, "");
    response.headers_mut().insert(LOCATION, location);
    response
}

/// The file with what the clients make their cache from: the commit, and as the entity tag git's hash of
/// a small file or SHA-256 of a large one.
///
/// Source: `huggingface_hub` 2.4.0 `file_download.py`, `get_hf_file_metadata`.
async fn answer(at: &At, parts: &Parts, file: OpenFile) -> polder_hub::Result<Response> {
    let OpenFile { commit_id, entry, content } = file;
    let mut response = match content {
        FileContent::Git(bytes) => {
            let (source, etag) = (FileSource::Memory(bytes), format!("\"{}\"", entry.oid));
            file_response(&parts.method, &parts.headers, source, &etag)
        }
        FileContent::Object(object) => {
            let (size_bytes, etag) = (object.size_bytes(), format!("\"{}\"", object.sha256()));
            let mut response = object_response(&parts.method, &parts.headers, object).await?;
            let headers = response.headers_mut();
            headers.insert(X_LINKED_SIZE, HeaderValue::from(size_bytes));
            headers.insert(X_LINKED_ETAG, respond::header_text(&etag));
            response
        }
    };
    let headers = response.headers_mut();
    headers.insert(X_REPO_COMMIT, respond::header_text(&commit_id.to_string()));
    present(headers, &at.path, at.download);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::sync::Arc;

    use bytes::Bytes;
    use http::StatusCode;
    use polder_http::Url;
    use polder_hub::{EntryKind, OpenBlob, OpenObject, TreeEntry};
    use polder_types::{ObjectId, Sha256};

    use crate::Route;

    fn at(path: &str) -> At {
        let uri = format!("/acme/m/resolve/main/{path}").parse().expect("URI");
        Route::parse(&Method::GET, &Url::parse(&uri).expect("UTF-8")).expect("ours").at
    }

    fn open(content: FileContent) -> OpenFile {
        let entry = TreeEntry {
            path: "f".to_owned(),
            is_exact: true,
            kind: EntryKind::File,
            oid: ObjectId::new([0xab; 20]),
            size_bytes: None,
            pointer: None,
        };
        OpenFile { commit_id: ObjectId::new([0xcd; 20]), entry, content }
    }

    fn request(method: Method, range: Option<&'static str>) -> Parts {
        let (mut parts, ()) = http::Request::new(()).into_parts();
        parts.method = method;
        if let Some(range) = range {
            parts.headers.insert("range", HeaderValue::from_static(range));
        }
        parts
    }

    fn headers(response: &Response) -> Vec<(String, String)> {
        let text = |value: &HeaderValue| value.to_str().expect("ASCII").to_owned();
        let mut all: Vec<_> =
            response.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        all.sort();
        all
    }

    const COMMON: [(&str, &str); 4] = [
        ("cache-control", "private, no-cache"),
        ("content-security-policy", "sandbox; default-src 'none'"),
        ("cross-origin-resource-policy", "same-origin"),
        ("x-content-type-options", "nosniff"),
    ];

    fn expect(response: &Response, own: &[(&str, &str)]) {
        let mut expected: Vec<_> =
            COMMON.iter().chain(own).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        expected.sort();
        assert_eq!(headers(response), expected);
    }

    #[tokio::test]
    async fn a_small_file_is_tagged_with_its_git_hash() {
        let content = FileContent::Git(Bytes::from_static(b"{}\n"));
        let response =
            answer(&at("config.json"), &request(Method::HEAD, None), open(content)).await.expect("here");
        assert_eq!(response.status(), StatusCode::OK);
        let (oid, commit) = ("ab".repeat(20), "cd".repeat(20));
        expect(
            &response,
            &[
                ("accept-ranges", "bytes"),
                ("content-disposition", "inline; filename*=UTF-8''config.json; filename=\"config.json\""),
                ("content-length", "3"),
                ("content-type", "text/plain; charset=utf-8"),
                ("etag", &format!("\"{oid}\"")),
                ("x-repo-commit", &commit),
            ],
        );
    }

    #[tokio::test]
    async fn a_large_file_is_tagged_with_its_sha256_and_says_its_size_even_in_part() {
        let mut file = tempfile::tempfile().expect("file");
        file.write_all(b"0123456789").expect("written");
        let sha256 = Sha256::new([0xef; 32]);
        let content = FileContent::Object(OpenObject::Here(OpenBlob {
            file: Arc::new(file),
            size_bytes: 10,
            sha256,
            xet: None,
        }));
        let response =
            answer(&at("w/a.safetensors"), &request(Method::GET, Some("bytes=2-4")), open(content))
                .await
                .expect("here");
        assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT);
        let (etag, commit) = (format!("\"{sha256}\""), "cd".repeat(20));
        expect(
            &response,
            &[
                ("accept-ranges", "bytes"),
                (
                    "content-disposition",
                    "attachment; filename*=UTF-8''a.safetensors; filename=\"a.safetensors\"",
                ),
                ("content-length", "3"),
                ("content-range", "bytes 2-4/10"),
                ("content-type", "application/octet-stream"),
                ("etag", &etag),
                ("x-linked-etag", &etag),
                ("x-linked-size", "10"),
                ("x-repo-commit", &commit),
            ],
        );
    }
}
