use std::collections::BTreeSet;

use http::Method;
use polder_http::Url;
use serde_json::Value;
use utoipa::openapi::HttpMethod;

use super::operation::{Served, parameters};
use super::*;
use crate::cas;
use crate::route::{Route, RouteKind};

fn method(operation: &Operation) -> Method {
    match operation.method {
        HttpMethod::Get => Method::GET,
        HttpMethod::Post => Method::POST,
        HttpMethod::Put => Method::PUT,
        HttpMethod::Patch => Method::PATCH,
        HttpMethod::Delete => Method::DELETE,
        _ => panic!("no such method is served"),
    }
}

/// The path with something for each of its parameters.
fn filled(operation: &Operation) -> String {
    parameters(operation.path).fold(operation.path.to_owned(), |path, name| {
        let value = match name {
            "type" | "prefix" => "datasets",
            "num" => "1",
            "status" => "pending",
            "pool" => "default",
            "chunk" | "file" | "xorb" => &HASH.repeat(32),
            "memory" => &HASH.repeat(16),
            name => name,
        };
        path.replace(&format!("{{{name}}}"), value)
    })
}

/// A byte of a hash.
const HASH: &str = "07";

/// What reads the request line, of the two surfaces.
fn read(method: &Method, url: &Url<'_>) -> Option<Served> {
    let of_cas = cas::Route::parse(method, url).map(|route| Served::Cas(route.kind()));
    of_cas.or_else(|| Route::parse(method, url).map(|route| Served::Hub(route.kind)))
}

#[test]
fn every_route_is_described_and_each_described_path_is_read_as_its_route() {
    let mut described = Vec::new();
    for operation in operations() {
        let uri = filled(&operation).parse().expect(operation.path);
        let read = read(&method(&operation), &Url::parse(&uri).expect("UTF-8"));
        assert_eq!(read, Some(operation.served), "{}", operation.path);
        described.push(operation.served);
    }
    for kind in RouteKind::ALL {
        // The first are refused whatever is asked.
        let is_served = !matches!(
            kind,
            RouteKind::WrongMethod
                | RouteKind::NotServed
                // A page for people.
                | RouteKind::OAuthPage
                | RouteKind::OAuthDecide
        );
        assert_eq!(described.contains(&Served::Hub(*kind)), is_served, "{kind:?}");
    }
    for kind in cas::RouteKind::ALL {
        assert_eq!(described.contains(&Served::Cas(*kind)), *kind != cas::RouteKind::Unknown, "{kind:?}");
    }
}

#[test]
fn every_shape_that_is_named_is_there_once_and_every_operation_has_an_id_of_its_own() {
    let document = serde_json::to_value(document()).expect("JSON");
    let known = document["components"]["schemas"].as_object().expect("an object");
    let text = document.to_string();
    for name in text.split("\"#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(known.contains_key(name), "{name}");
    }
    for name in known.keys() {
        assert!(text.contains(&format!("\"#/components/schemas/{name}\"")), "nothing has the shape {name}");
    }
    let items = document["paths"].as_object().expect("an object").values();
    let ids: Vec<&str> = items
        .flat_map(|item| item.as_object().expect("an object").values())
        .filter_map(|operation| operation.get("operationId").and_then(Value::as_str))
        .collect();
    assert_eq!(ids.len(), operations().len(), "two operations share a method and a path");
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{ids:?}");
}
