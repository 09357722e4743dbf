//! One method of one address.

use http::StatusCode;
use polder_http::Access;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::path::{
    HttpMethod, Operation as Described, OperationBuilder, ParameterBuilder, ParameterIn, ParameterStyle,
};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::{Required, Response, ResponseBuilder, ResponsesBuilder, SecurityRequirement};

use super::schema::{Shape, matching, sha256, word};
use super::shape;
use crate::cas;
use crate::route::RouteKind;

/// What the credentials are called in the document: a token of the hub's, and one of those that it signs for the
/// chunks of a repository.
pub(crate) const TOKEN: &str = "token";
pub(crate) const XET_TOKEN: &str = "xet";
/// A part of a repository's name, as far as a pattern can say it.
pub(super) const NAME: &str = "^[A-Za-z0-9][A-Za-z0-9._-]{0,95}$";
/// The media type of a posted form.
pub(super) const FORM: &str = "application/x-www-form-urlencoded";
/// The media type of most bodies.
const JSON: &str = "application/json";

/// Media types, and what all of them hold.
type Answer = (&'static [&'static str], Option<Shape>);

/// What is asked for, and of which surface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Served {
    Hub(RouteKind),
    Cas(cas::RouteKind),
}

impl From<RouteKind> for Served {
    fn from(kind: RouteKind) -> Self {
        Self::Hub(kind)
    }
}

impl From<cas::RouteKind> for Served {
    fn from(kind: cas::RouteKind) -> Self {
        Self::Cas(kind)
    }
}

impl Served {
    const fn access(self) -> Access {
        match self {
            Self::Hub(kind) => kind.access(),
            Self::Cas(kind) => kind.access(),
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Hub(kind) => kind.as_str(),
            Self::Cas(kind) => kind.as_str(),
        }
    }
}

/// A row of the description. Parameters of the path are known by their names, refusals by what the route needs.
#[derive(Clone)]
pub(crate) struct Operation {
    pub(crate) served: Served,
    pub(crate) method: HttpMethod,
    pub(crate) path: &'static str,
    id: &'static str,
    summary: &'static str,
    query: Vec<(&'static str, Shape)>,
    /// By their media types; any of them will do.
    bodies: Vec<(&'static str, Shape)>,
    answers: Vec<(u16, Answer)>,
    refusals: Vec<u16>,
}

impl Operation {
    fn new(served: Served, method: HttpMethod, path: &'static str, summary: &'static str) -> Self {
        let (query, bodies, answers, refusals) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { served, method, path, id: served.as_str(), summary, query, bodies, answers, refusals }
    }

    pub(crate) fn get(served: impl Into<Served>, path: &'static str, summary: &'static str) -> Self {
        Self::new(served.into(), HttpMethod::Get, path, summary)
    }

    pub(crate) fn post(served: impl Into<Served>, path: &'static str, summary: &'static str) -> Self {
        Self::new(served.into(), HttpMethod::Post, path, summary)
    }

    pub(crate) fn put(served: impl Into<Served>, path: &'static str, summary: &'static str) -> Self {
        Self::new(served.into(), HttpMethod::Put, path, summary)
    }

    pub(crate) fn patch(served: impl Into<Served>, path: &'static str, summary: &'static str) -> Self {
        Self::new(served.into(), HttpMethod::Patch, path, summary)
    }

    pub(crate) fn delete(served: impl Into<Served>, path: &'static str, summary: &'static str) -> Self {
        Self::new(served.into(), HttpMethod::Delete, path, summary)
    }

    /// Is known by another name than its route: another operation is.
    pub(crate) fn called(self, id: &'static str) -> Self {
        Self { id, ..self }
    }

    /// Has a parameter in its query.
    pub(crate) fn query(mut self, name: &'static str, shape: Shape) -> Self {
        self.query.push((name, shape));
        self
    }

    /// Takes JSON.
    pub(crate) fn takes(self, shape: Shape) -> Self {
        self.takes_as(JSON, shape)
    }

    /// Takes another media type, perhaps among others.
    pub(crate) fn takes_as(mut self, media_type: &'static str, shape: Shape) -> Self {
        self.bodies.push((media_type, shape));
        self
    }

    /// Answers 200 with JSON.
    pub(crate) fn gives(self, shape: Shape) -> Self {
        self.answers(200, &[JSON], shape)
    }

    /// Answers with one of some media types.
    pub(crate) fn answers(mut self, status: u16, media_types: &'static [&'static str], shape: Shape) -> Self {
        self.answers.push((status, (media_types, Some(shape))));
        self
    }

    /// Answers without a body.
    pub(crate) fn answers_empty(mut self, status: u16) -> Self {
        self.answers.push((status, (&[], None)));
        self
    }

    /// May be refused for reasons of its own.
    pub(crate) fn refuses(mut self, statuses: &[u16]) -> Self {
        self.refusals.extend(statuses);
        self
    }

    pub(crate) fn described(&self) -> Described {
        let mut operation = OperationBuilder::new()
            .operation_id(Some(self.id))
            .summary(Some(self.summary))
            .responses(self.responses());
        for name in parameters(self.path) {
            let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Path);
            operation = operation.parameter(parameter.required(Required::True).schema(Some(in_path(name))));
        }
        for (name, shape) in &self.query {
            let parameter = ParameterBuilder::new().name(*name).parameter_in(ParameterIn::Query);
            let parameter = parameter.style(Some(ParameterStyle::Form)).explode(Some(true));
            operation = operation.parameter(parameter.schema(Some(shape.clone())));
        }
        if !self.bodies.is_empty() {
            let body = RequestBodyBuilder::new().required(Some(Required::True));
            let body = self.bodies.iter().fold(body, |body, (media_type, shape)| {
                body.content(*media_type, ContentBuilder::new().schema(Some(shape.clone())).build())
            });
            operation = operation.request_body(Some(body.build()));
        }
        let token = match self.served.access() {
            Access::Open | Access::Public | Access::Signed => None,
            Access::XetRead | Access::XetWrite => Some(XET_TOKEN),
            _ => Some(TOKEN),
        };
        if let Some(token) = token {
            operation = operation.security(SecurityRequirement::new::<_, [&str; 0], &str>(token, []));
        }
        operation.build()
    }

    fn responses(&self) -> ResponsesBuilder {
        let mut responses = ResponsesBuilder::new();
        for status in self.usual_refusals().iter().chain(&self.refusals) {
            responses =
                responses.response(status.to_string(), answer(*status, &(&[JSON], Some(shape("Error")))));
        }
        for (status, content) in &self.answers {
            responses = responses.response(status.to_string(), answer(*status, content));
        }
        responses
    }

    /// What anyone may hear who asks for what this needs.
    fn usual_refusals(&self) -> Vec<u16> {
        let mut statuses = match self.served.access() {
            Access::Open | Access::Public | Access::LoopbackOrAdmin | Access::Batch => vec![400],
            Access::Signed => vec![400, 403],
            Access::XetRead => vec![400, 401, 403, 404, 410, 429, 503],
            Access::XetWrite => vec![400, 401, 403, 404, 409, 410, 429, 503, 507],
            Access::Anyone => vec![400, 401, 404, 429, 503],
            Access::Account => vec![400, 401, 403, 404, 409, 410, 429, 503],
            Access::See | Access::Read => vec![307, 400, 401, 403, 404, 410, 429, 503],
            Access::SeeAsAccount | Access::ReadAsAccount | Access::Manage => {
                vec![307, 400, 401, 403, 404, 409, 410, 429, 503]
            }
            Access::Write => vec![307, 400, 401, 403, 404, 409, 410, 429, 503, 507],
        };
        if !self.bodies.is_empty() {
            statuses.push(413);
        }
        statuses
    }
}

fn answer(status: u16, (media_types, shape): &Answer) -> Response {
    let words = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    let mut response = ResponseBuilder::new().description(words.unwrap_or_default());
    for media_type in *media_types {
        response = response.content(*media_type, ContentBuilder::new().schema(shape.clone()).build());
    }
    response.build()
}

/// The names in braces.
pub(crate) fn parameters(path: &'static str) -> impl Iterator<Item = &'static str> {
    path.split('{').skip(1).filter_map(|rest| rest.split('}').next())
}

/// A parameter of a path by its name.
fn in_path(name: &str) -> Shape {
    match name {
        "type" => word(&["models", "datasets", "spaces", "kernels"]),
        "pool" => word(&["default", "default-merkledb"]),
        "chunk" | "file" | "xorb" => sha256(),
        // A word of `casUrl`.
        "memory" => matching("^[0-9a-f]{32}$"),
        "prefix" => word(&["datasets", "spaces", "kernels"]),
        "namespace" | "repo" | "user" | "org" => matching(NAME),
        _ => matching("^[^/]+$"),
    }
}
