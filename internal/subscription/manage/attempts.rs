//! What was tried, what is dead, and trying it again.

use super::attempt::Attempt;
use super::body::{Named, Object, Page};
use super::manager::Shared;
use super::members::Members;
use super::postgres;
use axum::Json;
use axum::extract::State;
use futures_util::FutureExt;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;
use web::{Parameters, Problem, wrong};

/// Most deliveries that one request redrives.
const MOST: usize = 10_000;

#[derive(Serialize)]
pub(super) struct Attempts {
    attempts: Vec<Attempt>,
}

/// The last attempts, newest first.
pub(super) async fn attempts(
    State(manager): State<Shared>,
    Named(name): Named,
    Parameters(Page { limit }): Parameters<Page>,
) -> Result<Json<Attempts>, Problem> {
    let id = manager.id(name).await?;
    let attempts = manager
        .database
        .run(move |client| async move { Ok(postgres::attempts::last(&*client, id, limit.0).await?) }.boxed())
        .await?;
    Ok(Json(Attempts { attempts }))
}

#[derive(Serialize)]
pub(super) struct Dead {
    dead: Vec<Attempt>,
}

/// The last attempts of dead deliveries, newest first.
pub(super) async fn dead(
    State(manager): State<Shared>,
    Named(name): Named,
    Parameters(Page { limit }): Parameters<Page>,
) -> Result<Json<Dead>, Problem> {
    let id = manager.id(name).await?;
    let dead = manager
        .database
        .run(move |client| async move { Ok(postgres::attempts::dead(&*client, id, limit.0).await?) }.boxed())
        .await?;
    Ok(Json(Dead { dead }))
}

#[derive(Serialize)]
pub(super) struct Redriven {
    redriven: usize,
    /// Whether there are more: ask again.
    more: bool,
    /// Ids of no dead delivery.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unknown: Vec<Uuid>,
}

/// Tries dead deliveries again: those of `ids`, or `all`.
pub(super) async fn redrive(
    State(manager): State<Shared>,
    Named(name): Named,
    Object(body): Object,
) -> Result<Json<Redriven>, Problem> {
    let mut members = Members::of(body, &["ids", "all"], &[])?;
    let ids = members.take("ids", ids)?;
    let all = members.boolean("all")?.unwrap_or(false);
    if ids.is_some() == all {
        return Err(wrong("ids", "name some ids, or write \"all\":true"));
    }
    let id = manager.id(name).await?;
    manager
        .database
        .run(move |client| {
            async move {
                // By the database's clock, as the sender looks for redrives.
                let now = client.query_one("SELECT clock_timestamp()", &[]).await?;
                let at: Timestamp = now.try_get(0)?;
                store::make_day(&*client, "attempt", at.as_microsecond()).await?;
                let most = i64::try_from(MOST).unwrap_or(i64::MAX);
                let done = postgres::attempts::redrive(&*client, id, ids.as_deref(), at, most).await?;
                let unknown = ids.unwrap_or_default().into_iter().filter(|id| !done.contains(id));
                Ok(Redriven {
                    unknown: unknown.collect(),
                    redriven: done.len(),
                    more: all && done.len() == MOST,
                })
            }
            .boxed()
        })
        .await
        .map(Json)
}

fn ids(value: Value) -> Result<Vec<Uuid>, String> {
    let problem = "write a list of 1 to 1000 ids, as the attempts show them";
    let ids: Vec<Uuid> = serde_json::from_value(value).map_err(|_| problem.to_owned())?;
    if (1..=1000).contains(&ids.len()) {
        Ok(ids)
    } else {
        Err(problem.to_owned())
    }
}
