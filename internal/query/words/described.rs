//! What requests and answers have in common, as the description of the API tells it.

use super::name::{Device, Name};
use super::time::{Time, When};
use super::zone::Zone;
use std::borrow::Cow;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

/// The schema of errors, which are problem documents of `web`. It has no values.
pub(crate) enum Failure {}

impl PartialSchema for Failure {
    fn schema() -> RefOr<Schema> {
        let text = || ObjectBuilder::new().schema_type(Type::String);
        ObjectBuilder::new()
            .schema_type(Type::Object)
            .description(Some("An error, as RFC 9457 has it."))
            .property("type", text())
            .required("type")
            .property("title", text().description(Some("What the status means.")))
            .required("title")
            .property(
                "status",
                ObjectBuilder::new()
                    .schema_type(Type::Integer)
                    .description(Some("The status of the answer.")),
            )
            .required("status")
            .property(
                "detail",
                text().description(Some("What is wrong, with what, and what to do about it.")),
            )
            .required("detail")
            .into()
    }
}

impl ToSchema for Failure {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Problem")
    }
}

impl PartialSchema for Time {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .description(Some(
                "A moment, RFC 3339 in UTC, with 0, 3 or 6 digits of a second: exact to the microsecond.",
            ))
            .examples(["2021-02-28T10:00:00Z"])
            .into()
    }
}

impl ToSchema for Time {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Time")
    }
}

impl PartialSchema for When {
    fn schema() -> RefOr<Schema> {
        // It holds a few moments that no calendar has, such as a February 30th: these are refused.
        let moment = "[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})";
        text(
            &format!("^(-([0-9]+(w|d|h|m|s|ms))+|[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}|{moment})$"),
            ["2021-02-28T10:00:00Z", "2021-02-28", "-2h"],
        )
    }
}

impl PartialSchema for Zone {
    fn schema() -> RefOr<Schema> {
        text("^[A-Za-z0-9_+/-]+$", ["Europe/Berlin", "UTC"])
    }
}

impl PartialSchema for Name {
    fn schema() -> RefOr<Schema> {
        text("^[A-Za-z][A-Za-z0-9_.:-]{0,63}$", ["speed"])
    }
}

impl PartialSchema for Device {
    fn schema() -> RefOr<Schema> {
        text("^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$", ["lada"])
    }
}

fn text<const N: usize>(pattern: &str, examples: [&'static str; N]) -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some(pattern))
        .examples(examples)
        .into()
}
