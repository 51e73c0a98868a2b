//! `/api/areas` and `/api/areas/{name}`.

use super::body::{NO_NAME, Named, Object, is_name, unknown};
use super::manager::Shared;
use super::members::{Members, text};
use super::postgres;
use super::subscriptions::{conflict, taken};
use crate::area::{self, Area};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use futures_util::FutureExt;
use serde::Serialize;
use serde_json::Value;
use web::{Problem, wrong};

/// Most areas.
const MOST: i64 = 1000;

/// An area in a list: its borders may be long.
#[derive(Serialize)]
struct Summary {
    name: String,
    points: usize,
    /// Why filters cannot use it.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

#[derive(Serialize)]
pub(super) struct All {
    areas: Vec<Summary>,
}

/// An area with its borders.
#[derive(Serialize)]
pub(super) struct One {
    name: String,
    geojson: Value,
}

/// Every area, in order of name.
pub(super) async fn list(State(manager): State<Shared>) -> Result<Json<All>, Problem> {
    let all = manager
        .database
        .run(|client| async move { Ok(postgres::areas::all(&*client).await?) }.boxed())
        .await?;
    let summary = |(name, geojson): (String, Value)| {
        let (points, problem) = match Area::parse(&geojson) {
            Ok(area) => (area.points(), None),
            Err(invalid) => (0, Some(invalid.to_string())),
        };
        Summary { name, points, problem }
    };
    let areas = all.into_iter().map(summary).collect();
    Ok(Json(All { areas }))
}

/// One area.
pub(super) async fn show(State(manager): State<Shared>, Named(name): Named) -> Result<Json<One>, Problem> {
    let asked = name.clone();
    let geojson = manager
        .database
        .run(move |client| async move { Ok(postgres::areas::named(&*client, &asked).await?) }.boxed())
        .await?
        .ok_or_else(|| unknown("area"))?;
    Ok(Json(One { name, geojson }))
}

/// Makes an area.
pub(super) async fn create(
    State(manager): State<Shared>,
    Object(body): Object,
) -> Result<(StatusCode, Json<One>), Problem> {
    let mut members = Members::of(body, &["name", "geojson"], &[])?;
    let name = members.take("name", |value| {
        text(value).and_then(|name| {
            if is_name(&name) {
                Ok(name)
            } else {
                Err(NO_NAME.to_owned())
            }
        })
    })?;
    let name = name.ok_or_else(|| wrong("name", format!("it is missing; {NO_NAME}")))?;
    let geojson = members.take("geojson", geometry)?;
    let geojson = geojson.ok_or_else(|| wrong("geojson", "it is missing; write a Polygon or a MultiPolygon"))?;
    let made = One { name, geojson };
    let made = manager
        .database
        .run(move |client| {
            async move {
                match postgres::areas::insert(&*client, &made.name, &made.geojson, MOST).await {
                    Ok(true) => Ok(made),
                    Ok(false) => Err(conflict(&format!(
                        "There are {MOST} areas, as many as there can be. Delete some."
                    ))
                    .into()),
                    Err(error) => Err(taken(error, &made.name)),
                }
            }
            .boxed()
        })
        .await?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// Replaces the borders of an area. The body is `{"geojson":…}`, or GeoJSON.
pub(super) async fn replace(
    State(manager): State<Shared>,
    Named(name): Named,
    Object(mut body): Object,
) -> Result<Json<One>, Problem> {
    let geojson = if body.contains_key("type") {
        geometry(Value::Object(body)).map_err(|problem| wrong("geojson", &problem))?
    } else {
        // So that an answer can be sent back.
        body.remove("name");
        let geojson = Members::of(body, &["geojson"], &[])?.take("geojson", geometry)?;
        geojson.ok_or_else(|| wrong("geojson", "it is missing; write a Polygon or a MultiPolygon"))?
    };
    let one = One { name, geojson };
    manager
        .database
        .run(move |client| {
            async move {
                let replaced = postgres::areas::update(&*client, &one.name, &one.geojson).await?;
                if replaced { Ok(one) } else { Err(unknown("area").into()) }
            }
            .boxed()
        })
        .await
        .map(Json)
}

/// Deletes an area. Filters that name it can no longer be evaluated.
pub(super) async fn delete(State(manager): State<Shared>, Named(name): Named) -> Result<StatusCode, Problem> {
    let deleted = manager
        .database
        .run(move |client| async move { Ok(postgres::areas::delete(&*client, &name).await?) }.boxed())
        .await?;
    if deleted {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(unknown("area"))
    }
}

/// The checked geometry of a document, alone.
#[expect(clippy::needless_pass_by_value, reason = "as the readers of other members")]
fn geometry(value: Value) -> Result<Value, String> {
    let geometry = area::geometry(&value).map_err(|invalid| invalid.to_string())?;
    Area::parse(geometry).map_err(|invalid| invalid.to_string())?;
    Ok(geometry.clone())
}
