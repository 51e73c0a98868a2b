//! Sending the events of a span again.

use super::body::{Named, Object, Page};
use super::manager::Shared;
use super::members::Members;
use super::postgres;
use super::replay::Replay;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use futures_util::FutureExt;
use jiff::Timestamp;
use serde::Serialize;
use web::{Parameters, Problem, wrong};

#[derive(Serialize)]
pub(super) struct Replays {
    replays: Vec<Replay>,
}

/// The replays of a subscription, newest first.
pub(super) async fn list(
    State(manager): State<Shared>,
    Named(name): Named,
    Parameters(Page { limit }): Parameters<Page>,
) -> Result<Json<Replays>, Problem> {
    let id = manager.id(name).await?;
    let replays = manager
        .database
        .run(move |client| async move { Ok(postgres::attempts::replays(&*client, id, limit.0).await?) }.boxed())
        .await?;
    Ok(Json(Replays { replays }))
}

/// Asks for a replay of the events from a time to another: of those that were `missed`, or of `all`.
pub(super) async fn create(
    State(manager): State<Shared>,
    Named(name): Named,
    Object(body): Object,
) -> Result<(StatusCode, Json<Replay>), Problem> {
    let mut members = Members::of(body, &["from", "to", "mode"], &[])?;
    let (from, to) = span(&mut members)?;
    let modes = ["missed", "all"];
    let mode = members.one_of("mode", &modes, |mode| modes.into_iter().find(|known| *known == mode))?;
    let id = manager.id(name).await?;
    let replay = manager
        .database
        .run(move |client| {
            async move { Ok(postgres::attempts::replay(&*client, id, from, to, mode.unwrap_or("missed")).await?) }
                .boxed()
        })
        .await?;
    Ok((StatusCode::ACCEPTED, Json(replay)))
}

/// The members `from` and `to`; without `to`, until now.
pub(super) fn span(members: &mut Members) -> Result<(Timestamp, Timestamp), Problem> {
    let Some(from) = members.time("from")? else {
        return Err(wrong(
            "from",
            "it is missing; write a time such as 2026-11-26T12:00:00Z",
        ));
    };
    let to = members.time("to")?.unwrap_or_else(reading::time::now);
    if to <= from {
        return Err(wrong("to", "it is not after from"));
    }
    let instant = |name: &str, at| Timestamp::from_microsecond(at).map_err(|_| wrong(name, "it is out of range"));
    Ok((instant("from", from)?, instant("to", to)?))
}
