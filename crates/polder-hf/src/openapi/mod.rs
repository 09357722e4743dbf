//! What this surface serves, as programs read it: `OpenAPI` 3.1 at `/.well-known/openapi.json`.
//!
//! Each route has its row in one of the tables below; a test fails for a route without one, and for a row whose
//! path another route answers.

mod accounts;
mod cas;
mod collections;
mod discussions;
mod files;
mod gate;
mod large;
mod listings;
mod oauth;
mod operation;
mod repos;
mod schema;
mod settings;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use http::StatusCode;
use polder_http::{Response, respond};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Components, ComponentsBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Paths, Ref};

use operation::{Operation, TOKEN, XET_TOKEN};

static DOCUMENT: LazyLock<OpenApi> = LazyLock::new(document);

/// Answers `GET /.well-known/openapi.json`.
pub(crate) fn openapi() -> Response {
    respond::json(StatusCode::OK, &*DOCUMENT)
}

/// Every route.
fn operations() -> Vec<Operation> {
    [
        accounts::operations(),
        repos::operations(),
        files::operations(),
        discussions::operations(),
        gate::operations(),
        large::operations(),
        settings::operations(),
        collections::operations(),
        listings::operations(),
        oauth::operations(),
        cas::operations(),
    ]
    .concat()
}

fn document() -> OpenApi {
    let mut paths = Paths::new();
    for operation in operations() {
        paths.add_path_operation(operation.path, vec![operation.method.clone()], operation.described());
    }
    let info = InfoBuilder::new()
        .title("Polder")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("What clients of Hugging Face ask this hub for."));
    OpenApiBuilder::new().info(info).paths(paths).components(Some(components())).build()
}

fn components() -> Components {
    let token = || SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
    let shapes = [
        accounts::shapes(),
        repos::shapes(),
        files::shapes(),
        discussions::shapes(),
        gate::shapes(),
        large::shapes(),
        settings::shapes(),
        collections::shapes(),
        listings::shapes(),
        oauth::shapes(),
    ]
    .concat();
    let mut components =
        ComponentsBuilder::new().security_scheme(TOKEN, token()).security_scheme(XET_TOKEN, token());
    for (name, shape) in shapes {
        components = components.schema(name, shape);
    }
    components.build()
}

/// The shape of this name.
fn shape(name: &str) -> schema::Shape {
    Ref::from_schema_name(name).into()
}
