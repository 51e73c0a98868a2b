//! Ids of series, made before the readings that need them and remembered.

use crate::reading::batch::Name;
use std::collections::HashMap;
use tokio_postgres::{Client, Error};

/// Names remembered at the most; a series costs some 150 bytes.
const REMEMBERED: usize = 50_000;

/// What is known of the series: their ids, and their latest timestamps as far as this process has
/// seen. The latter are only hints, other processes write too.
#[derive(Default)]
pub(super) struct Known {
    ids: HashMap<Name, i32>,
    latest: HashMap<i32, i64>,
}

impl Known {
    /// The names among these whose ids are not known.
    pub(super) fn missing<'a>(&self, names: impl Iterator<Item = &'a Name>) -> Vec<Name> {
        names.filter(|name| !self.ids.contains_key(*name)).cloned().collect()
    }

    pub(super) fn id(&self, name: &Name) -> Option<i32> {
        self.ids.get(name).copied()
    }

    /// Microseconds since 1970 of a committed reading of this series, the latest seen.
    pub(super) fn latest(&self, id: i32) -> Option<i64> {
        self.latest.get(&id).copied()
    }

    pub(super) fn learn(&mut self, found: impl IntoIterator<Item = (Name, i32, Option<i64>)>) {
        if self.ids.len() > REMEMBERED {
            // Rare enough that starting over is cheaper than keeping track of use.
            *self = Self::default();
        }
        for (name, id, latest) in found {
            self.ids.insert(name, id);
            if let Some(latest) = latest {
                self.moved(id, latest);
            }
        }
    }

    pub(super) fn moved(&mut self, id: i32, latest: i64) {
        let known = self.latest.entry(id).or_insert(latest);
        *known = latest.max(*known);
    }
}

/// Finds these series, making those that do not exist in a transaction of their own: an id that is
/// remembered must not be rolled back with somebody's readings.
pub(super) async fn find_or_make(
    client: &Client,
    mut names: Vec<Name>,
) -> Result<Vec<(Name, i32, Option<i64>)>, Error> {
    names.sort_unstable();
    let mut found = find(client, &names).await?;
    if found.len() < names.len() {
        let known: std::collections::HashSet<&Name> = found.iter().map(|(name, ..)| name).collect();
        let missing: Vec<Name> = names.iter().filter(|name| !known.contains(name)).cloned().collect();
        let (devices, sensors) = columns(&missing);
        // In order of name, so that two writers that make the same series cannot deadlock.
        client
            .execute(
                "INSERT INTO series (device, sensor)
                 SELECT device, sensor FROM unnest($1::text[], $2::text[]) AS new (device, sensor)
                 ORDER BY device COLLATE \"C\", sensor COLLATE \"C\"
                 ON CONFLICT DO NOTHING",
                &[&devices, &sensors],
            )
            .await?;
        found.extend(find(client, &missing).await?);
    }
    Ok(found)
}

async fn find(client: &Client, names: &[Name]) -> Result<Vec<(Name, i32, Option<i64>)>, Error> {
    let (devices, sensors) = columns(names);
    let rows = client
        .query(
            "SELECT device, sensor, id, (extract(epoch FROM latest_timestamp) * 1000000)::int8
             FROM unnest($1::text[], $2::text[]) AS wanted (device, sensor) JOIN series USING (device, sensor)",
            &[&devices, &sensors],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| {
            (
                Name {
                    device: row.get(0),
                    sensor: row.get(1),
                },
                row.get(2),
                row.get(3),
            )
        })
        .collect())
}

fn columns(names: &[Name]) -> (Vec<&str>, Vec<&str>) {
    names
        .iter()
        .map(|name| (name.device.as_str(), name.sensor.as_str()))
        .unzip()
}
