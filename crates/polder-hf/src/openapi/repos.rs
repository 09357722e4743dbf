//! Repositories: finding, making and changing them, their branches and tags.

use super::operation::Operation;
use super::schema::{
    Shape, anything, flag, git_id, list, map, matching, moment, nullable, number, object, text, word,
};
use super::shape;
use crate::route::RouteKind;

/// A repository's name, with or without its namespace.
const ID: &str = "^([A-Za-z0-9][A-Za-z0-9._-]{0,95}/)?[A-Za-z0-9][A-Za-z0-9._-]{0,95}$";

pub(super) fn operations() -> Vec<Operation> {
    [searches(), whole(), refs()].concat()
}

fn searches() -> Vec<Operation> {
    use RouteKind::{Datasets, Kernels, Models, Spaces};
    let search = |kind, path, summary| {
        let sorts = ["lastModified", "createdAt", "likes", "downloads", "trendingScore"];
        Operation::get(kind, path, summary)
            .query("search", list(text()))
            .query("author", text())
            .query("filter", list(text()))
            .query("sort", word(&sorts))
            .query("limit", number())
            .query("cursor", text())
            .query("gated", flag())
            .query("full", flag())
            .query("cardData", flag())
            .query("expand", list(text()))
            .gives(list(shape("Repo")))
    };
    vec![
        search(Models, "/api/models", "Finds models")
            .query("num_parameters", text())
            .query("pipeline_tag", text())
            .query("apps", list(text()))
            .query("inference", text())
            .query("inference_provider", list(text()))
            .query("config", flag()),
        search(Datasets, "/api/datasets", "Finds datasets"),
        search(Spaces, "/api/spaces", "Finds Spaces")
            .query("linked", flag())
            .query("models", list(text()))
            .query("datasets", list(text())),
        search(Kernels, "/api/kernels", "Finds kernels"),
    ]
}

fn whole() -> Vec<Operation> {
    use RouteKind::{
        AuthCheck, AuthCheckWrite, CreateRepo, DeleteRepo, DuplicateRepo, Info, Like, Likers, MoveRepo,
        Revision, Settings, Unlike,
    };
    let shown = |kind, path, summary| {
        Operation::get(kind, path, summary)
            .query("blobs", flag())
            .query("expand", list(text()))
            .gives(shape("Repo"))
    };
    vec![
        Operation::post(CreateRepo, "/api/repos/create", "Makes a repository")
            .takes(shape("NamedRepo"))
            .gives(shape("MadeRepo"))
            .refuses(&[507]),
        Operation::delete(DeleteRepo, "/api/repos/delete", "Deletes a repository")
            .takes(shape("NamedRepo"))
            .gives(map())
            .refuses(&[410]),
        Operation::post(MoveRepo, "/api/repos/move", "Renames a repository, which keeps its former name too")
            .takes(object(
                vec![("fromRepo", matching(ID)), ("toRepo", matching(ID))],
                vec![("type", nullable(kind()))],
            ))
            .gives(map())
            .refuses(&[410]),
        Operation::post(DuplicateRepo, "/api/{type}/{namespace}/{repo}/duplicate", "Copies a repository")
            .takes(object(
                vec![("repository", matching(ID))],
                vec![("visibility", nullable(visibility())), ("private", nullable(flag()))],
            ))
            .gives(object(vec![("url", text())], vec![("filesCopyPending", flag())]))
            .refuses(&[507]),
        shown(Info, "/api/{type}/{namespace}/{repo}", "A repository at its default branch"),
        shown(Revision, "/api/{type}/{namespace}/{repo}/revision/{revision}", "A repository at a revision"),
        Operation::put(Settings, "/api/{type}/{namespace}/{repo}/settings", "Shows or hides a repository")
            .takes(object(
                vec![],
                vec![
                    ("visibility", nullable(visibility())),
                    ("private", nullable(flag())),
                    ("gated", anything()),
                ],
            ))
            .gives(object(vec![("private", flag()), ("gated", anything())], vec![])),
        Operation::get(AuthCheck, "/api/{type}/{namespace}/{repo}/auth-check", "Whether the caller may read")
            .gives(map()),
        Operation::get(
            AuthCheckWrite,
            "/api/{type}/{namespace}/{repo}/auth-check/write",
            "Whether the caller may write",
        )
        .gives(map()),
        Operation::get(Likers, "/api/{type}/{namespace}/{repo}/likers", "Who likes a repository")
            .gives(list(shape("Account"))),
        Operation::post(Like, "/api/{type}/{namespace}/{repo}/like", "Likes a repository").gives(map()),
        Operation::delete(Unlike, "/api/{type}/{namespace}/{repo}/like", "Likes it no longer").gives(map()),
    ]
}

fn refs() -> Vec<Operation> {
    use RouteKind::{Commits, CreateBranch, CreateTag, DeleteBranch, DeleteTag, Refs, SuperSquash};
    vec![
        Operation::get(Refs, "/api/{type}/{namespace}/{repo}/refs", "Branches and tags")
            .query("include_prs", flag())
            .gives(shape("Refs")),
        Operation::get(Commits, "/api/{type}/{namespace}/{repo}/commits/{revision}", "Commits, newest first")
            .query("limit", number())
            .query("cursor", text())
            .query("expand", list(text()))
            .gives(list(shape("Commit"))),
        Operation::post(CreateBranch, "/api/{type}/{namespace}/{repo}/branch/{branch}", "Makes a branch")
            .takes(object(vec![], vec![("startingPoint", nullable(text())), ("emptyBranch", flag())]))
            .gives(shape("Done")),
        Operation::delete(DeleteBranch, "/api/{type}/{namespace}/{repo}/branch/{branch}", "Removes a branch")
            .gives(shape("Done")),
        Operation::post(CreateTag, "/api/{type}/{namespace}/{repo}/tag/{revision}", "Makes a tag")
            .takes(object(vec![("tag", text())], vec![("message", nullable(text()))]))
            .gives(shape("Done")),
        Operation::delete(DeleteTag, "/api/{type}/{namespace}/{repo}/tag/{tag}", "Removes a tag")
            .gives(shape("Done")),
        Operation::post(
            SuperSquash,
            "/api/{type}/{namespace}/{repo}/super-squash/{branch}",
            "Makes one commit of a branch",
        )
        .takes(object(vec![], vec![("message", text())]))
        .gives(shape("Done")),
    ]
}

pub(super) fn kind() -> Shape {
    word(&["model", "dataset", "space", "kernel"])
}

pub(super) fn visibility() -> Shape {
    word(&["public", "private"])
}

pub(super) fn shapes() -> Vec<(&'static str, Shape)> {
    let named_ref = || object(vec![("name", text()), ("ref", text()), ("targetCommit", git_id())], vec![]);
    let named = |name| (name, list(named_ref()));
    let file =
        object(vec![("rfilename", text())], vec![("size", number()), ("blobId", git_id()), ("lfs", map())]);
    vec![
        ("Done", object(vec![("success", flag())], vec![])),
        (
            "NamedRepo",
            object(
                vec![("name", matching(ID))],
                vec![
                    ("organization", nullable(text())),
                    ("type", nullable(kind())),
                    ("visibility", nullable(visibility())),
                    ("private", nullable(flag())),
                    ("sdk", nullable(word(&["gradio", "streamlit", "docker", "static"]))),
                ],
            ),
        ),
        ("MadeRepo", object(vec![("url", text()), ("name", text()), ("id", text())], vec![])),
        (
            "Repo",
            object(
                vec![("id", text())],
                vec![
                    ("author", text()),
                    ("sha", nullable(git_id())),
                    ("private", flag()),
                    ("gated", anything()),
                    ("disabled", flag()),
                    ("downloads", number()),
                    ("likes", number()),
                    ("trendingScore", number()),
                    ("createdAt", moment()),
                    ("lastModified", moment()),
                    ("tags", list(text())),
                    ("cardData", map()),
                    ("pipeline_tag", nullable(text())),
                    ("library_name", nullable(text())),
                    ("transformersInfo", map()),
                    ("mask_token", text()),
                    ("widgetData", anything()),
                    ("model-index", anything()),
                    ("usedStorage", number()),
                    ("siblings", list(file)),
                ],
            ),
        ),
        (
            "Refs",
            object(vec![named("branches"), named("converts"), named("tags")], vec![named("pullRequests")]),
        ),
        (
            "Commit",
            object(
                vec![
                    ("id", git_id()),
                    ("title", text()),
                    ("message", text()),
                    ("authors", list(object(vec![("user", text())], vec![]))),
                    ("date", moment()),
                ],
                vec![("parents", list(git_id())), ("formatted", map())],
            ),
        ),
    ]
}
