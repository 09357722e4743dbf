//! What accounts store and attach, whom they follow, and the tags that there are.

use super::operation::Operation;
use super::repos::{kind, visibility};
use super::schema::{Shape, list, map, moment, number, object, rational, text};
use super::shape;
use crate::route::RouteKind;

/// What can be attached.
const MEDIA: &[&str] = &[
    "image/png",
    "image/jpeg",
    "image/gif",
    "image/webp",
    "video/mp4",
    "video/quicktime",
    "video/webm",
    "audio/mpeg",
    "audio/wav",
];

pub(super) fn operations() -> Vec<Operation> {
    use RouteKind::{
        AddAttachment, Attachment, DatasetTags, DeleteAttachment, ModelTags, OrgFollowers, StoredRepos,
        UserFollowers,
    };
    let stored = |path, summary| {
        Operation::get(StoredRepos, path, summary).query("cursor", text()).gives(list(shape("StoredRepo")))
    };
    let people = |kind, path, summary| Operation::get(kind, path, summary).gives(list(shape("Account")));
    vec![
        stored("/api/settings/repositories", "What the caller's repositories take"),
        stored("/api/organizations/{org}/settings/repositories", "What an organisation's repositories take")
            .called("stored-repos-of-org"),
        people(UserFollowers, "/api/users/{user}/followers", "Who follows a user: nobody"),
        people(UserFollowers, "/api/users/{user}/following", "Whom a user follows: nobody")
            .called("user-following"),
        people(OrgFollowers, "/api/organizations/{org}/followers", "Who follows an organisation: nobody"),
        Operation::get(ModelTags, "/api/models-tags-by-type", "Tags of models by their type").gives(map()),
        Operation::get(DatasetTags, "/api/datasets-tags-by-type", "Tags of datasets by their type")
            .gives(map()),
        Operation::post(AddAttachment, "/uploads", "Attaches a picture, video or sound")
            .takes_as("application/octet-stream", text())
            .answers(200, &["text/plain"], text())
            .refuses(&[507]),
        Operation::get(Attachment, "/uploads/{name}", "An attachment")
            .answers(200, MEDIA, text())
            .answers(206, MEDIA, text())
            .answers_empty(304)
            .answers_empty(416)
            .refuses(&[404, 503]),
        Operation::delete(DeleteAttachment, "/uploads/{name}", "Deletes an attachment").answers_empty(204),
    ]
}

pub(super) fn shapes() -> Vec<(&'static str, Shape)> {
    vec![(
        "StoredRepo",
        object(
            vec![
                ("id", text()),
                ("type", kind()),
                ("updatedAt", moment()),
                ("visibility", visibility()),
                ("storage", number()),
                ("storagePercent", rational()),
            ],
            vec![],
        ),
    )]
}
