//! `odograph subscriptions areas`: the places that filters name.

use super::api::Api;
use super::table::table;
use super::text::{json_in, text_of};
use serde_json::{Value, json};
use std::path::PathBuf;

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// List areas, and how many points their borders have
    #[command(after_help = "Example:
  odograph subscriptions areas list")]
    List,
    /// Set an area to a Polygon or MultiPolygon of GeoJSON, as editors of maps write it
    #[command(after_help = "Example:
  odograph subscriptions areas set home home.geojson")]
    Set {
        /// The area's name, as filters have it: inside("home")
        name: String,
        /// The file; - is standard input
        file: PathBuf,
    },
    /// Delete an area; filters that name it then have a problem
    #[command(after_help = "Example:
  odograph subscriptions areas delete home")]
    Delete {
        /// The area's name
        name: String,
    },
}

pub(super) async fn perform(api: &Api, command: Command) -> anyhow::Result<(Value, fn(&Value) -> String)> {
    Ok(match command {
        Command::List => (api.get(&["areas"]).await?, listed),
        Command::Set { name, file } => (set(api, &name, &json_in(&file)?).await?.0, |it| {
            format!("{} is set\n", text_of(&it["name"]))
        }),
        Command::Delete { name } => {
            api.delete(&["areas", &name]).await?;
            (json!({"deleted": name}), |it| {
                format!("deleted {}\n", text_of(&it["deleted"]))
            })
        }
    })
}

/// Makes an area, or replaces it. Returns it, and what was done: `created`, `replaced`, or `unchanged`.
pub(super) async fn set(api: &Api, name: &str, geojson: &Value) -> anyhow::Result<(Value, &'static str)> {
    let all = api.get(&["areas"]).await?;
    let known = all["areas"]
        .as_array()
        .is_some_and(|areas| areas.iter().any(|area| area["name"] == name));
    if known {
        let before = api.get(&["areas", name]).await?;
        let after = api.put(&["areas", name], &json!({"geojson": geojson})).await?;
        // The file may hold more than the geometry, so it is not compared itself.
        let is_same = before["geojson"] == after["geojson"];
        return Ok((after, if is_same { "unchanged" } else { "replaced" }));
    }
    let body = json!({"name": name, "geojson": geojson});
    Ok((api.post(&["areas"], &body).await?, "created"))
}

fn listed(answer: &Value) -> String {
    let areas = answer["areas"].as_array().into_iter().flatten();
    let rows: Vec<[String; 3]> = areas
        .map(|it| ["name", "points", "problem"].map(|name| text_of(&it[name])))
        .collect();
    if rows.is_empty() {
        return "There are no areas. Make one: odograph subscriptions areas set --help\n".to_owned();
    }
    table(["NAME", "POINTS", "PROBLEM"], &rows)
}
