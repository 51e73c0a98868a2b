//! SQL of areas.

use serde_json::Value;
use tokio_postgres::{Error, GenericClient};

/// Every area, in order of name.
pub(in crate::manage) async fn all(client: &impl GenericClient) -> Result<Vec<(String, Value)>, Error> {
    let rows = client
        .query("SELECT name, geojson FROM area ORDER BY name", &[])
        .await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// The geometry of an area.
pub(in crate::manage) async fn named(client: &impl GenericClient, name: &str) -> Result<Option<Value>, Error> {
    let row = client
        .query_opt("SELECT geojson FROM area WHERE name = $1", &[&name])
        .await?;
    row.map(|row| row.try_get(0)).transpose()
}

/// Inserts an area, unless there are `most` already. Returns whether it did.
pub(in crate::manage) async fn insert(
    client: &impl GenericClient,
    name: &str,
    geojson: &Value,
    most: i64,
) -> Result<bool, Error> {
    let insert = "INSERT INTO area (name, geojson) SELECT $1, $2 WHERE (SELECT count(*) FROM area) < $3";
    Ok(client.execute(insert, &[&name, geojson, &most]).await? > 0)
}

/// Replaces an area. Returns whether it was there.
pub(in crate::manage) async fn update(client: &impl GenericClient, name: &str, geojson: &Value) -> Result<bool, Error> {
    let update = "UPDATE area SET geojson = $2 WHERE name = $1";
    Ok(client.execute(update, &[&name, geojson]).await? > 0)
}

/// Deletes an area. Returns whether it was there.
pub(in crate::manage) async fn delete(client: &impl GenericClient, name: &str) -> Result<bool, Error> {
    Ok(client.execute("DELETE FROM area WHERE name = $1", &[&name]).await? > 0)
}
