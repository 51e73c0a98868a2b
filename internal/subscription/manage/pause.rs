//! Pausing and resuming. What is noticed meanwhile is queued.

use super::body::{Named, Object, unknown};
use super::manager::Shared;
use super::members::Members;
use super::postgres;
use super::shown::Shown;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use futures_util::FutureExt;
use serde::Serialize;
use web::Problem;

/// Sends nothing more, until it is resumed.
pub(super) async fn pause(
    State(manager): State<Shared>,
    Named(name): Named,
    Object(body): Object,
) -> Result<Json<Shown>, Problem> {
    Members::of(body, &[], &[])?;
    let id = manager
        .database
        .run(move |client| async move { Ok(postgres::pause(&*client, &name).await?) }.boxed())
        .await?
        .ok_or_else(|| unknown("subscription"))?;
    let (_, shown) = manager.once_in_force(id, StatusCode::OK).await?;
    Ok(shown)
}

#[derive(Serialize)]
pub(super) struct Resumed {
    /// Deliveries that are not sent, at the most.
    dropped: i64,
    #[serde(flatten)]
    shown: Shown,
}

/// Goes on. What was queued meanwhile is sent, or dropped.
pub(super) async fn resume(
    State(manager): State<Shared>,
    Named(name): Named,
    Object(body): Object,
) -> Result<(StatusCode, Json<Resumed>), Problem> {
    let mut members = Members::of(body, &["missed"], &[])?;
    let drop = members.one_of("missed", &["send", "drop"], |missed| match missed {
        "send" => Some(false),
        "drop" => Some(true),
        _ => None,
    })?;
    let (id, dropped) = manager
        .database
        .run(move |client| {
            async move {
                let transaction = client.transaction().await?;
                let Some(id) = postgres::resume(&transaction, &name).await? else {
                    return Err(unknown("subscription").into());
                };
                // In the same transaction: the sender never sees it resumed with what is dropped still queued.
                let dropped = match drop {
                    Some(true) => postgres::drop_queued(&transaction, id).await?,
                    _ => 0,
                };
                transaction.commit().await?;
                Ok((id, dropped))
            }
            .boxed()
        })
        .await?;
    let (status, Json(shown)) = manager.once_in_force(id, StatusCode::OK).await?;
    Ok((status, Json(Resumed { dropped, shown })))
}
