//! Widths, functions and buckets, as the description of the API tells them.

use super::aggregation::Aggregation;
use super::functions::{Functions, all};
use super::table::Table;
use crate::words::Time;
use crate::words::bucket::Function;
use std::borrow::Cow;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, OneOfBuilder, Ref, Schema, SchemaType, Type};
use utoipa::{PartialSchema, ToSchema};

impl PartialSchema for Aggregation {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String);
        text.examples(["15m", "1h", "1d", "1mo", "all"]).into()
    }
}

impl PartialSchema for Functions {
    fn schema() -> RefOr<Schema> {
        let names = all().map(|(name, _)| name).join("|");
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some(format!("^({names})(,({names}))*$")))
            .examples(["avg", "min,max,count"])
            .into()
    }
}

impl PartialSchema for Table {
    fn schema() -> RefOr<Schema> {
        let mut row = ObjectBuilder::new()
            .property("timestamp", moment())
            .required("timestamp");
        let mut columns = ObjectBuilder::new()
            .property("timestamp", ArrayBuilder::new().items(moment()))
            .required("timestamp");
        for (name, function) in all() {
            row = row.property(name, value(function));
            columns = columns.property(name, ArrayBuilder::new().items(value(function)));
        }
        OneOfBuilder::new()
            .description(Some(
                "Buckets in order of time, each with the functions that were asked for: in rows, or an array for each.",
            ))
            .item(ArrayBuilder::new().items(row))
            .item(columns)
            .into()
    }
}

impl ToSchema for Table {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Buckets")
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((Time::name().into_owned(), Time::schema()));
    }
}

fn moment() -> Ref {
    Ref::from_schema_name(Time::name())
}

/// A value, or null in an empty bucket.
fn value(function: Function) -> ObjectBuilder {
    let number = match function {
        Function::Count => Type::Integer,
        _ => Type::Number,
    };
    ObjectBuilder::new().schema_type(SchemaType::from_iter([number, Type::Null]))
}
