//! Shapes of JSON, in few words.

use serde_json::Value;
use utoipa::openapi::schema::SchemaType;
use utoipa::openapi::{
    ArrayBuilder, KnownFormat, ObjectBuilder, OneOfBuilder, RefOr, Schema, SchemaFormat, Type,
};

/// A shape, or the name of one.
pub(crate) type Shape = RefOr<Schema>;

fn of(kind: Type) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(kind)
}

pub(crate) fn text() -> Shape {
    of(Type::String).into()
}

/// Bytes of any kind.
pub(crate) fn bytes() -> Shape {
    of(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary))).into()
}

pub(crate) fn flag() -> Shape {
    of(Type::Boolean).into()
}

/// A count.
pub(crate) fn number() -> Shape {
    of(Type::Integer).minimum(Some(0)).into()
}

/// A number with a fraction.
pub(crate) fn rational() -> Shape {
    of(Type::Number).into()
}

/// A moment, as RFC 3339 writes it.
pub(crate) fn moment() -> Shape {
    of(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))).into()
}

/// Text of a certain form.
pub(crate) fn matching(pattern: &str) -> Shape {
    of(Type::String).pattern(Some(pattern)).into()
}

/// The id of an object of git.
pub(crate) fn git_id() -> Shape {
    matching("^[0-9a-f]{40}$")
}

pub(crate) fn sha256() -> Shape {
    matching("^[0-9a-f]{64}$")
}

/// One of some words.
pub(crate) fn word(words: &[&str]) -> Shape {
    of(Type::String).enum_values(Some(words.iter().copied().map(Value::from))).into()
}

/// An object with fields of any name.
pub(crate) fn map() -> Shape {
    of(Type::Object).into()
}

/// Whatever JSON can say.
pub(crate) fn anything() -> Shape {
    ObjectBuilder::new().schema_type(SchemaType::AnyValue).into()
}

pub(crate) fn list(item: Shape) -> Shape {
    ArrayBuilder::new().items(item).into()
}

pub(crate) fn nullable(shape: Shape) -> Shape {
    OneOfBuilder::new().item(shape).item(of(Type::Null)).into()
}

/// An object: the fields that it always has, then those that it may have. It may have others.
pub(crate) fn object(always: Vec<(&str, Shape)>, perhaps: Vec<(&str, Shape)>) -> Shape {
    let mut object = of(Type::Object);
    for (name, shape) in always {
        object = object.property(name, shape).required(name);
    }
    for (name, shape) in perhaps {
        object = object.property(name, shape);
    }
    object.into()
}
