//! `/api/subscriptions` and `/api/subscriptions/{name}`.

use super::body::{Named, Object, unknown};
use super::definition::{self, Purpose};
use super::manager::{Manager, Shared};
use super::postgres;
use super::shown::{Shown, is_in_force};
use crate::Subscription;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use futures_util::FutureExt;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tokio_postgres::error::SqlState;
use uuid::Uuid;
use web::Problem;

/// Most subscriptions.
const MOST: i64 = 10_000;

/// How often to look whether a rule is in force.
const LOOK: Duration = Duration::from_millis(50);

#[derive(Serialize)]
pub(super) struct All {
    subscriptions: Vec<Shown>,
}

/// Every subscription, in order of name.
pub(super) async fn list(State(manager): State<Shared>) -> Result<Json<All>, Problem> {
    let all = manager
        .database
        .run(|client| async move { Ok(postgres::standing(&*client, None).await?) }.boxed())
        .await?;
    let subscriptions = all.into_iter().map(|(it, standing)| Shown::of(it, standing)).collect();
    Ok(Json(All { subscriptions }))
}

/// One subscription.
pub(super) async fn show(State(manager): State<Shared>, Named(name): Named) -> Result<Json<Shown>, Problem> {
    let id = manager.id(name).await?;
    let (it, standing) = manager.standing(id).await?;
    Ok(Json(Shown::of(it, standing)))
}

/// Makes a subscription: 201 once its rule is in force, 202 if that takes longer.
pub(super) async fn create(
    State(manager): State<Shared>,
    Object(body): Object,
) -> Result<(StatusCode, Json<Shown>), Problem> {
    let definition = definition::read(body, None, Purpose::Store(&manager.allowed, &BTreeMap::new()))?;
    let id = manager
        .database
        .run(move |client| {
            async move {
                match postgres::insert(&*client, &definition, MOST).await {
                    Ok(Some(made)) => Ok(made.id),
                    Ok(None) => Err(conflict(&format!(
                        "There are {MOST} subscriptions, as many as there can be. Delete some."
                    ))
                    .into()),
                    Err(error) => Err(taken(error, &definition.name)),
                }
            }
            .boxed()
        })
        .await?;
    manager.once_in_force(id, StatusCode::CREATED).await
}

/// Replaces a definition and keeps the id: 200 once its rule is in force, 202 if that takes longer.
pub(super) async fn replace(
    State(manager): State<Shared>,
    Named(name): Named,
    Object(body): Object,
) -> Result<(StatusCode, Json<Shown>), Problem> {
    let shared = manager.clone();
    let id = manager
        .database
        .run(move |client| {
            async move {
                let transaction = client.transaction().await?;
                let Some(old) = postgres::named(&transaction, &name, true).await? else {
                    return Err(unknown("subscription").into());
                };
                let says_enabled = body.get("enabled").is_some_and(|enabled| !enabled.is_null());
                let mut new =
                    definition::read(body, Some(name.clone()), Purpose::Store(&shared.allowed, &old.headers))?;
                if !says_enabled && old.problem.is_none() {
                    // A file of definitions resumes nothing that was paused. What was disabled for its endpoint is tried
                    // again.
                    new.enabled = old.enabled;
                }
                let updated = postgres::update(&transaction, &name, &new).await;
                let updated = updated.map_err(|error| taken(error, &new.name))?;
                transaction.commit().await?;
                Ok(updated.map_or(old.id, |updated| updated.id))
            }
            .boxed()
        })
        .await?;
    manager.once_in_force(id, StatusCode::OK).await
}

/// Deletes a subscription, and what is queued of it.
pub(super) async fn delete(State(manager): State<Shared>, Named(name): Named) -> Result<StatusCode, Problem> {
    let deleted = manager
        .database
        .run(move |client| async move { Ok(postgres::delete(&*client, &name).await?) }.boxed())
        .await?;
    if deleted {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(unknown("subscription"))
    }
}

impl Manager {
    /// The id of the subscription of this name.
    pub(super) async fn id(&self, name: String) -> Result<Uuid, Problem> {
        self.database
            .run(move |client| async move { Ok(postgres::id_of(&*client, &name).await?) }.boxed())
            .await?
            .ok_or_else(|| unknown("subscription"))
    }

    async fn standing(&self, id: Uuid) -> Result<(Subscription, super::shown::Standing), Problem> {
        let found = self
            .database
            .run(move |client| async move { Ok(postgres::standing(&*client, Some(id)).await?) }.boxed())
            .await?
            .pop();
        found.ok_or_else(|| unknown("subscription"))
    }

    /// Answers `done` once the rule of a subscription is in force, cannot be, or is paused. Answers 202 if that takes
    /// too long, and while the program ends.
    pub(super) async fn once_in_force(&self, id: Uuid, done: StatusCode) -> Result<(StatusCode, Json<Shown>), Problem> {
        let until = Instant::now() + self.patience;
        let stop = self.database.stop();
        loop {
            let (it, standing) = self.standing(id).await?;
            let settled = is_in_force(&it) || !it.enabled || it.problem.is_some();
            if settled || Instant::now() >= until || stop.is_cancelled() {
                let status = if settled { done } else { StatusCode::ACCEPTED };
                return Ok((status, Json(Shown::of(it, standing))));
            }
            stop.run_until_cancelled(sleep(LOOK)).await;
        }
    }
}

pub(super) fn conflict(text: &str) -> Problem {
    Problem::new(StatusCode::CONFLICT, text)
}

/// 409 if the name is taken.
pub(super) fn taken(error: tokio_postgres::Error, name: &str) -> super::database::Failed {
    if error.code() == Some(&SqlState::UNIQUE_VIOLATION) {
        return conflict(&format!(
            "The name {name:?} is taken. Choose another, or replace it: with PUT, or --replace."
        ))
        .into();
    }
    error.into()
}
