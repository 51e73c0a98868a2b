//! `POST /api/subscriptions/test`: what a definition would have told. Sends nothing.

use super::body::{Named, Object, unknown};
use super::definition::{self, Purpose};
use super::manager::Shared;
use super::members::Members;
use super::rehearsal::Matched;
use super::replays;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Map, Value};
use web::Problem;

/// Tests the definition in the body from `from` to `to`.
pub(super) async fn test(
    State(manager): State<Shared>,
    Named(name): Named,
    Object(mut body): Object,
) -> Result<Json<Matched>, Problem> {
    if name != "test" {
        return Err(match manager.id(name).await {
            Ok(_) => Problem::new(StatusCode::METHOD_NOT_ALLOWED, "Use PUT to replace a subscription."),
            Err(_) => unknown("subscription"),
        });
    }
    let span: Map<String, Value> = ["from", "to"]
        .into_iter()
        .filter_map(|name| body.remove_entry(name))
        .collect();
    let (from, to) = replays::span(&mut Members::of(span, &["from", "to"], &[])?)?;
    let definition = definition::read(body, None, Purpose::Test)?;
    let Some(test) = &manager.test else {
        let text = "This server cannot test definitions. Ask one that evaluates subscriptions.";
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, text));
    };
    test(definition, from.as_microsecond(), to.as_microsecond())
        .await
        .map(Json)
}
