//! Discussions.

use super::operation::Operation;
use super::repos::kind;
use super::schema::{Shape, flag, list, map, matching, moment, nullable, number, object, text, word};
use super::shape;
use crate::route::RouteKind;

pub(super) fn operations() -> Vec<Operation> {
    [whole(), changes()].concat()
}

fn whole() -> Vec<Operation> {
    use RouteKind::{Discussion, Discussions, OpenDiscussion};
    vec![
        Operation::get(
            Discussions,
            "/api/{type}/{namespace}/{repo}/discussions",
            "Discussions, newest first",
        )
        .query("type", word(&["all", "discussion", "pull_request"]))
        .query("status", word(&["all", "open", "closed"]))
        .query("author", text())
        .query("p", number())
        .gives(object(
            vec![("discussions", list(shape("Discussion"))), ("count", number()), ("start", number())],
            vec![],
        )),
        Operation::post(OpenDiscussion, "/api/{type}/{namespace}/{repo}/discussions", "Opens a discussion")
            .takes(object(vec![("title", text())], vec![("description", text()), ("pullRequest", flag())]))
            .gives(object(vec![("num", number()), ("url", text())], vec![("pullRequest", flag())])),
        Operation::get(
            Discussion,
            "/api/{type}/{namespace}/{repo}/discussions/{num}",
            "A discussion and what happened in it",
        )
        .query("diff", flag())
        .gives(shape("Discussion")),
    ]
}

fn changes() -> Vec<Operation> {
    use RouteKind::{AddComment, CloseDiscussion, EditComment, HideComment, MergePull, RenameDiscussion};
    let event = |name| object(vec![(name, shape("Event"))], vec![]);
    let said = |name| object(vec![(name, text())], vec![]);
    vec![
        Operation::post(
            AddComment,
            "/api/{type}/{namespace}/{repo}/discussions/{num}/comment",
            "Says something in it",
        )
        .takes(said("comment"))
        .gives(event("newMessage")),
        Operation::post(
            RenameDiscussion,
            "/api/{type}/{namespace}/{repo}/discussions/{num}/title",
            "Gives it another title",
        )
        .takes(said("title"))
        .gives(event("newTitle")),
        Operation::post(
            CloseDiscussion,
            "/api/{type}/{namespace}/{repo}/discussions/{num}/status",
            "Closes it, or opens it again",
        )
        .takes(object(vec![("status", word(&["open", "closed"]))], vec![("comment", nullable(text()))]))
        .gives(event("newStatus")),
        Operation::post(
            MergePull,
            "/api/{type}/{namespace}/{repo}/discussions/{num}/merge",
            "Merges a pull request",
        )
        .takes(object(vec![], vec![("comment", nullable(text()))]))
        .gives(object(vec![("status", word(&["merged"])), ("mergeCommitId", text())], vec![])),
        Operation::post(
            EditComment,
            "/api/{type}/{namespace}/{repo}/discussions/{num}/comment/{comment}/edit",
            "Says it in other words",
        )
        .takes(said("content"))
        .gives(event("updatedComment")),
        Operation::post(
            HideComment,
            "/api/{type}/{namespace}/{repo}/discussions/{num}/comment/{comment}/hide",
            "Hides a comment for good",
        )
        .gives(event("updatedComment")),
    ]
}

pub(super) fn shapes() -> Vec<(&'static str, Shape)> {
    let repo = object(vec![("name", text()), ("type", kind())], vec![]);
    let author = || object(vec![("name", text())], vec![("fullname", text())]);
    vec![
        (
            "Discussion",
            object(
                vec![
                    ("num", number()),
                    ("title", text()),
                    ("author", author()),
                    ("createdAt", moment()),
                    ("status", word(&["open", "closed", "draft", "merged"])),
                    ("isPullRequest", flag()),
                    ("repo", repo),
                ],
                vec![("events", list(shape("Event")))],
            ),
        ),
        (
            "Event",
            object(
                vec![
                    ("id", matching("^[0-9a-f]{16}$")),
                    ("type", word(&["comment", "status-change", "commit", "title-change"])),
                    ("createdAt", moment()),
                    ("author", author()),
                    ("data", map()),
                ],
                vec![],
            ),
        ),
    ]
}
