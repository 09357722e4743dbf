//! Collections.

use super::operation::Operation;
use super::schema::{Shape, flag, list, moment, nullable, number, object, text, word};
use super::shape;
use crate::route::RouteKind;

pub(super) fn operations() -> Vec<Operation> {
    use RouteKind::{
        AddCollection, AddCollectionItem, Collection, Collections, DeleteCollection, DeleteCollectionItem,
        SetCollection, SetCollectionItem,
    };
    let item = object(vec![("id", text()), ("type", word(&ITEMS))], vec![]);
    let done = || object(vec![("success", flag())], vec![]);
    vec![
        Operation::get(Collections, "/api/collections", "Finds collections")
            .query("owner", list(text()))
            .query("item", list(text()))
            .query("limit", number())
            .query("cursor", text())
            .gives(list(shape("Collection"))),
        Operation::post(AddCollection, "/api/collections", "Makes a collection")
            .takes(object(
                vec![("title", text())],
                vec![
                    ("namespace", nullable(text())),
                    ("description", nullable(text())),
                    ("private", nullable(flag())),
                ],
            ))
            .gives(shape("Collection"))
            .refuses(&[507]),
        Operation::get(Collection, "/api/collections/{namespace}/{slug}", "A collection")
            .gives(shape("Collection")),
        Operation::patch(SetCollection, "/api/collections/{namespace}/{slug}", "Changes a collection")
            .takes(object(
                vec![],
                vec![
                    ("title", nullable(text())),
                    ("description", nullable(text())),
                    ("private", nullable(flag())),
                    ("theme", nullable(text())),
                    ("position", nullable(number())),
                ],
            ))
            .gives(object(vec![("success", flag()), ("data", shape("Collection"))], vec![])),
        Operation::delete(DeleteCollection, "/api/collections/{namespace}/{slug}", "Deletes a collection")
            .gives(done()),
        Operation::post(
            AddCollectionItem,
            "/api/collections/{namespace}/{slug}/items",
            "Puts something in it",
        )
        .takes(object(vec![("item", item)], vec![("note", nullable(text()))]))
        .gives(shape("Collection"))
        .refuses(&[507]),
        Operation::patch(
            SetCollectionItem,
            "/api/collections/{namespace}/{slug}/items/{item}",
            "Notes something about an item, or moves it",
        )
        .takes(object(vec![], vec![("note", nullable(text())), ("position", nullable(number()))]))
        .gives(done()),
        Operation::delete(
            DeleteCollectionItem,
            "/api/collections/{namespace}/{slug}/items/{item}",
            "Takes an item out",
        )
        .gives(done()),
    ]
}

/// What may be in a collection.
const ITEMS: [&str; 5] = ["model", "dataset", "space", "kernel", "collection"];

pub(super) fn shapes() -> Vec<(&'static str, Shape)> {
    let owner = object(vec![("name", text()), ("type", word(&["user", "org"]))], vec![("fullname", text())]);
    let note = nullable(object(vec![("text", text())], vec![]));
    let item = object(
        vec![("_id", text()), ("id", text()), ("type", word(&ITEMS)), ("position", number())],
        vec![("note", note)],
    );
    vec![(
        "Collection",
        object(
            vec![
                ("slug", text()),
                ("title", text()),
                ("owner", owner),
                ("items", list(item)),
                ("lastUpdated", moment()),
                ("private", flag()),
                ("theme", text()),
                ("upvotes", number()),
            ],
            vec![("description", nullable(text())), ("position", number())],
        ),
    )]
}
