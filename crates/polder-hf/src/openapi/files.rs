//! Files: reading, listing, uploading.

use super::operation::{FORM, Operation};
use super::schema::{Shape, flag, git_id, list, map, nullable, number, object, sha256, text, word};
use super::shape;
use crate::route::RouteKind;

/// What files are sent as.
const FILE_TYPES: [&str; 6] =
    ["application/octet-stream", "text/plain", "image/png", "image/jpeg", "image/gif", "image/webp"];

pub(super) fn operations() -> Vec<Operation> {
    [contents(), listings(), uploads()].concat()
}

/// Slashes in a file's path stay as they are here.
fn contents() -> Vec<Operation> {
    use RouteKind::{FilePage, FolderPage, Raw, Resolve};
    let page = |kind, path, summary| {
        Operation::get(kind, path, summary).answers(307, &["text/plain"], text()).refuses(&[404])
    };
    let file = |kind, path, summary| {
        Operation::get(kind, path, summary)
            .query("download", flag())
            .answers(200, &FILE_TYPES, text())
            .answers(206, &FILE_TYPES, text())
            .answers_empty(304)
            .answers_empty(416)
            .refuses(&[502])
    };
    vec![
        file(Resolve, "/{namespace}/{repo}/resolve/{revision}/{path}", "A file of a model"),
        file(Resolve, "/{prefix}/{namespace}/{repo}/resolve/{revision}/{path}", "A file")
            .called("resolve-of-kind"),
        file(Raw, "/{namespace}/{repo}/raw/{revision}/{path}", "What git holds of a model's file"),
        file(Raw, "/{prefix}/{namespace}/{repo}/raw/{revision}/{path}", "What git holds of a file")
            .called("raw-of-kind"),
        page(FilePage, "/{namespace}/{repo}/blob/{revision}/{path}", "Where a model's file is"),
        page(FilePage, "/{prefix}/{namespace}/{repo}/blob/{revision}/{path}", "Where a file is")
            .called("file-page-of-kind"),
        page(FolderPage, "/{namespace}/{repo}/tree/{revision}/{path}", "Where a model's folder is listed"),
        page(FolderPage, "/{prefix}/{namespace}/{repo}/tree/{revision}/{path}", "Where a folder is listed")
            .called("folder-page-of-kind"),
    ]
}

fn listings() -> Vec<Operation> {
    use RouteKind::{PathsInfo, ShardHeaders, Tree};
    let paths = || object(vec![("paths", list(text()))], vec![("expand", flag())]);
    let tree = |path, summary| {
        Operation::get(Tree, path, summary)
            .query("recursive", flag())
            .query("expand", flag())
            .query("limit", number())
            .query("cursor", text())
            .gives(list(shape("Entry")))
    };
    vec![
        tree("/api/{type}/{namespace}/{repo}/tree/{revision}", "What is in the root folder"),
        tree("/api/{type}/{namespace}/{repo}/tree/{revision}/{folder}", "What is in a folder")
            .called("tree-of-folder"),
        Operation::get(
            ShardHeaders,
            "/api/{type}/{namespace}/{repo}/safetensors-metadata/{path}",
            "What the shards of a safetensors model hold, by its index",
        )
        .gives(object(vec![("headers", map()), ("index", map())], vec![]))
        .refuses(&[409, 413]),
        Operation::post(
            PathsInfo,
            "/api/{type}/{namespace}/{repo}/paths-info/{revision}",
            "What is at some paths",
        )
        .takes(paths())
        .takes_as(FORM, paths())
        .gives(list(shape("Entry"))),
    ]
}

fn uploads() -> Vec<Operation> {
    use RouteKind::{Commit, Preupload, XetReadToken, XetWriteToken};
    let token = |kind, path, summary| Operation::get(kind, path, summary).gives(shape("XetToken"));
    vec![
        Operation::post(
            Preupload,
            "/api/{type}/{namespace}/{repo}/preupload/{revision}",
            "Which files go where before a commit",
        )
        .query("create_pr", flag())
        .takes(shape("Preupload"))
        .gives(object(vec![("files", list(shape("PreuploadFile")))], vec![])),
        Operation::post(Commit, "/api/{type}/{namespace}/{repo}/commit/{branch}", "Makes a commit")
            .query("create_pr", flag())
            .takes_as("application/x-ndjson", list(shape("CommitLine")))
            .gives(object(
                vec![("commitOid", git_id()), ("commitUrl", text())],
                vec![("success", flag()), ("hookOutput", text()), ("pullRequestUrl", text())],
            ))
            .refuses(&[412]),
        token(
            XetReadToken,
            "/api/{type}/{namespace}/{repo}/xet-read-token/{revision}",
            "Where chunks are read, and with what",
        ),
        token(
            XetWriteToken,
            "/api/{type}/{namespace}/{repo}/xet-write-token/{revision}",
            "Where chunks are written, and with what",
        )
        .query("create_pr", flag()),
    ]
}

pub(super) fn shapes() -> Vec<(&'static str, Shape)> {
    let lfs = object(vec![("oid", sha256()), ("size", number()), ("pointerSize", number())], vec![]);
    let asked = object(vec![("path", text()), ("size", number())], vec![("sample", text())]);
    vec![
        (
            "Entry",
            object(
                vec![
                    ("type", word(&["file", "directory"])),
                    ("path", text()),
                    ("oid", git_id()),
                    ("size", number()),
                ],
                vec![("lfs", lfs), ("xetHash", sha256()), ("lastCommit", nullable(map()))],
            ),
        ),
        ("Preupload", object(vec![("files", list(asked))], vec![("gitIgnore", nullable(text()))])),
        (
            "PreuploadFile",
            object(
                vec![("path", text()), ("uploadMode", word(&["regular", "lfs"])), ("shouldIgnore", flag())],
                vec![("oid", nullable(text()))],
            ),
        ),
        // The lines of a body; the first one is the header.
        (
            "CommitLine",
            object(
                vec![
                    ("key", word(&["header", "file", "lfsFile", "deletedFile", "deletedFolder", "copyFile"])),
                    ("value", map()),
                ],
                vec![],
            ),
        ),
        ("XetToken", object(vec![("casUrl", text()), ("exp", number()), ("accessToken", text())], vec![])),
    ]
}
