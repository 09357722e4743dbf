//! The large objects of a repository.

use super::operation::Operation;
use super::repos::kind;
use super::schema::{Shape, flag, list, moment, nullable, number, object, sha256, text};
use super::shape;
use crate::route::RouteKind;

pub(super) fn operations() -> Vec<Operation> {
    use RouteKind::{DeleteLfsFiles, DuplicateLfsFiles, LfsFiles};
    let deletions = object(vec![("sha", list(sha256()))], vec![("rewriteHistory", flag())]);
    let target = object(vec![("name", text())], vec![("type", nullable(kind()))]);
    let wanted = object(vec![("xetHash", sha256()), ("sha256", sha256())], vec![]);
    let failed = object(vec![("sha256", sha256()), ("error", text())], vec![]);
    vec![
        Operation::get(LfsFiles, "/api/{type}/{namespace}/{repo}/lfs-files", "Large objects")
            .query("limit", number())
            .query("cursor", text())
            .gives(list(shape("LargeFile"))),
        Operation::post(
            DeleteLfsFiles,
            "/api/{type}/{namespace}/{repo}/lfs-files/batch",
            "Deletes large objects that no branch or tag reaches, or rewrites history without them",
        )
        .takes(object(vec![("deletions", deletions)], vec![]))
        .gives(object(vec![("deleted", number())], vec![])),
        Operation::post(
            DuplicateLfsFiles,
            "/api/{type}/{namespace}/{repo}/lfs-files/duplicate",
            "Gives large objects to another repository",
        )
        .takes(object(vec![("target", target), ("files", list(wanted))], vec![]))
        .gives(object(vec![("failed", list(failed))], vec![]))
        .refuses(&[507]),
    ]
}

pub(super) fn shapes() -> Vec<(&'static str, Shape)> {
    vec![(
        "LargeFile",
        object(
            vec![
                ("fileOid", sha256()),
                ("oid", sha256()),
                ("filename", text()),
                ("size", number()),
                ("pushedAt", moment()),
            ],
            vec![("ref", nullable(text()))],
        ),
    )]
}
