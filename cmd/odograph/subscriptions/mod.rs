//! `odograph subscriptions`: a client of the notifier's `/api/subscriptions` and `/api/areas`.

mod api;
mod apply;
mod areas;
mod definition;
mod listen;
mod lists;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod time;

use crate::data;
use api::Api;
use definition::Definition;
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::{Value, json};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use text::text_of;

/// Where the flags that every command has stand in its help: after its own.
const LAST: usize = 1_000;

/// Be told when something happens: create, test and watch subscriptions
///
/// A subscription has a filter, and a URL that is sent each event that the filter notices. The notifier, which is part
/// of `odograph up`, evaluates and sends; this command asks it over HTTP.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  odograph subscriptions create hot --device lada --filter 'engine_temperature > 105' --for 30s \\
    --to https://hooks.example.com/cars
  odograph subscriptions list
  odograph subscriptions attempts hot")]
pub(crate) struct Args {
    /// The notifier's address
    #[arg(long, env = "NOTIFIER_URL", default_value = "http://127.0.0.1:5002", global = true, display_order = LAST)]
    url: String,

    /// The notifier's management key; better given as the variable, which other users cannot see [default: the one
    /// in the data folder of `odograph up`]
    #[arg(long, env, hide_env_values = true, global = true, value_name = "KEY", display_order = LAST)]
    management_key: Option<SecretString>,

    /// The data folder of `odograph up`, for its key [default: as of `odograph up`]
    #[arg(long, env, global = true, value_name = "FOLDER", display_order = LAST)]
    data_dir: Option<PathBuf>,

    /// Print the notifier's answer as JSON, for programs
    #[arg(long, global = true, display_order = LAST)]
    json: bool,

    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// List subscriptions: their state, what is pending, the last answer, problems
    ///
    /// A subscription is active, paused, pending (its rule is not in force yet), failing (its endpoint did not take the
    /// last event), or has a problem.
    #[command(after_help = "Example:
  odograph subscriptions list")]
    List,
    /// Create a subscription
    ///
    /// Creating makes no event by itself: the notifier makes events of readings that arrive afterwards.
    #[command(after_help = "Examples:
  odograph subscriptions create hot --device lada --filter 'engine_temperature > 105' --for 30s \\
    --clear 'engine_temperature < 98' --to https://hooks.example.com/cars
  odograph subscriptions create home --filter 'inside(\"home\")' --fire both \\
    --to https://hooks.example.com/cars
  odograph subscriptions create silent --filter 'speed > 0.0' --fire quiet --for 1h \\
    --to https://hooks.example.com/cars
  odograph subscriptions create phone --filter 'speed > 120.0' --to https://ntfy.sh/my-topic \\
    --format text --body 'device + \" drives at \" + string(speed)'")]
    Create {
        /// The subscription's name
        name: String,
        #[command(flatten)]
        definition: Box<Definition>,
        /// Replace the subscription of this name, if there is one, and keep its id
        #[arg(long)]
        replace: bool,
    },
    /// Show a subscription, as JSON
    #[command(after_help = "Example:
  odograph subscriptions show hot")]
    Show {
        /// The subscription's name
        name: String,
    },
    /// Change what the flags name of a subscription, and keep the rest
    #[command(after_help = "Examples:
  odograph subscriptions edit hot --for 1m
  odograph subscriptions edit hot --clear ''      takes the second filter away")]
    Edit {
        /// The subscription's name
        name: String,
        #[command(flatten)]
        definition: Box<Definition>,
    },
    /// Delete a subscription, and what is queued of it
    #[command(after_help = "Example:
  odograph subscriptions delete hot")]
    Delete {
        /// The subscription's name
        name: String,
    },
    /// Show the events that a filter would have made of stored readings; sends nothing
    #[command(after_help = "Examples:
  odograph subscriptions test --device lada --filter 'engine_temperature > 105' --for 30s --from 30d
  odograph subscriptions test hot --for 1m \\
    --from 2026-10-01T00:00:00Z --to-time 2026-11-01T00:00:00Z")]
    Test {
        /// The subscription to test; flags change it for the test
        name: Option<String>,
        #[command(flatten)]
        definition: Box<Definition>,
        #[command(flatten)]
        span: Span,
    },
    /// List the last tries of a subscription, newest first
    #[command(after_help = "Example:
  odograph subscriptions attempts hot --limit 20")]
    Attempts {
        /// The subscription's name
        name: String,
        /// Tries, at the most
        #[arg(long, default_value_t = 100, value_name = "NUMBER")]
        limit: u32,
    },
    /// List deliveries that were given up, newest first
    #[command(after_help = "Example:
  odograph subscriptions dead hot")]
    Dead {
        /// The subscription's name
        name: String,
        /// Deliveries, at the most
        #[arg(long, default_value_t = 100, value_name = "NUMBER")]
        limit: u32,
    },
    /// Send dead deliveries once more, under their ids
    #[command(after_help = "Examples:
  odograph subscriptions redrive hot --all
  odograph subscriptions redrive hot 9b1deb4d-3b7d-8bad-9bdd-2b0d7b3dcb6d")]
    Redrive {
        /// The subscription's name
        name: String,
        /// IDs, as the lists show them
        #[arg(value_name = "ID")]
        ids: Vec<String>,
        /// All that were given up, and all that wait for a retry
        #[arg(long, conflicts_with = "ids")]
        all: bool,
    },
    /// Send the events of a span again: those that never arrived, or all; each under its id
    #[command(after_help = "Examples:
  odograph subscriptions replay hot --from 2d
  odograph subscriptions replay hot --from 2026-11-01T00:00:00Z --to-time 2026-11-02T00:00:00Z --all")]
    Replay {
        /// The subscription's name
        name: String,
        #[command(flatten)]
        span: Span,
        /// Also those that arrived
        #[arg(long)]
        all: bool,
    },
    /// Stop sending for now; events that are noticed meanwhile are kept
    #[command(after_help = "Example:
  odograph subscriptions pause hot")]
    Pause {
        /// The subscription's name
        name: String,
    },
    /// Send again after a pause, or after an endpoint failed for days
    #[command(after_help = "Examples:
  odograph subscriptions resume hot
  odograph subscriptions resume hot --drop        leaves out what was kept meanwhile")]
    Resume {
        /// The subscription's name
        name: String,
        /// Do not send what was kept meanwhile
        #[arg(long)]
        drop: bool,
    },
    /// Print the secret that a receiver verifies signatures with
    #[command(after_help = "Example:
  odograph subscriptions secret hot")]
    Secret {
        /// The subscription's name
        name: String,
    },
    /// Make a new secret; for a while, the old one signs as well
    #[command(after_help = "Example:
  odograph subscriptions rotate hot --overlap 48h")]
    Rotate {
        /// The subscription's name
        name: String,
        /// How long both secrets sign
        #[arg(long, default_value = "24h", value_name = "SPAN")]
        overlap: String,
    },
    /// Create and replace subscriptions and areas as a JSON file says; ids stay
    ///
    /// The file has a list "subscriptions", as `show` prints them, and "areas", an object of GeoJSON by name. A
    /// header whose value is null keeps the value that the notifier has, so that the file holds no secret.
    #[command(after_help = "Example:
  odograph subscriptions apply subscriptions.json --prune

The file:
  {\"areas\": {\"home\": {\"type\": \"Polygon\", \"coordinates\": [[[13.6, 45.2], [13.7, 45.2], [13.7, 45.3], [13.6, 45.2]]]}},
   \"subscriptions\": [{\"name\": \"home\", \"filter\": \"inside(\\\"home\\\")\", \"fire\": \"both\",
                      \"targetUrl\": \"https://hooks.example.com/cars\"}]}")]
    Apply {
        /// The file; - is standard input
        file: PathBuf,
        /// Delete subscriptions that the file does not name, and areas, if it names any
        #[arg(long)]
        prune: bool,
    },
    /// List, set and delete the areas that filters name: inside("home")
    #[command(after_help = "Examples:
  odograph subscriptions areas set home home.geojson
  odograph subscriptions areas list")]
    Areas {
        #[command(subcommand)]
        command: areas::Command,
    },
    /// Receive deliveries here, verify them, and print a line for each
    ///
    /// It answers each with 200, or with 401 if the signature is wrong. The notifier reaches it where it was started
    /// with --allow-target 127.0.0.1.
    #[command(after_help = "Example:
  odograph subscriptions create fast --filter 'speed > 120' --to http://127.0.0.1:5003
  odograph subscriptions listen --name fast")]
    Listen(listen::Args),
}

/// From when to when.
#[derive(clap::Args)]
struct Span {
    /// From then on: a time, or how long ago, such as 30d
    #[arg(long, value_parser = time::ago, value_name = "TIME", allow_hyphen_values = true)]
    from: Timestamp,
    /// Until then [default: now]
    #[arg(long, value_parser = time::ago, value_name = "TIME", allow_hyphen_values = true)]
    to_time: Option<Timestamp>,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let key = match args.management_key {
        Some(key) => Some(key),
        None => data::kept(args.data_dir.as_deref(), "management-key").map(Into::into),
    };
    let api = Api::new(&args.url, key)?;
    match args.command {
        Command::Listen(args) => listen::run(&api, args).await,
        command => {
            let text = perform(&api, command, args.json).await?;
            // Ignores a closed standard output.
            let _unread = std::io::stdout().write_all(text.as_bytes());
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Does what a command says. Returns what to print.
async fn perform(api: &Api, command: Command, json: bool) -> anyhow::Result<String> {
    // A file of `apply` has the notifier's names.
    let has_flags = !matches!(command, Command::Apply { .. } | Command::Areas { .. });
    let answered = answer(api, command).await;
    let (answer, text) = answered.map_err(|error| if has_flags { definition::of_flags(error) } else { error })?;
    Ok(if json { format!("{answer}\n") } else { text(&answer) })
}

/// The notifier's answer to a command, and what writes it for people.
async fn answer(api: &Api, command: Command) -> anyhow::Result<(Value, fn(&Value) -> String)> {
    let (answer, text): (Value, fn(&Value) -> String) = match command {
        Command::List => (api.get(&["subscriptions"]).await?, lists::subscriptions),
        Command::Create {
            name,
            definition,
            replace,
        } => {
            let mut body = definition.members();
            body.insert("name".to_owned(), name.as_str().into());
            (api.store(&name, body.into(), replace).await?.0, lists::stored)
        }
        Command::Show { name } => (api.get(&["subscriptions", &name]).await?, pretty),
        Command::Edit { name, definition } => {
            let mut body = api.get(&["subscriptions", &name]).await?;
            definition.change(&mut body);
            (api.put(&["subscriptions", &name], &body).await?, lists::stored)
        }
        Command::Delete { name } => {
            api.delete(&["subscriptions", &name]).await?;
            (json!({"deleted": name}), |answer| {
                format!("deleted {}\n", text_of(&answer["deleted"]))
            })
        }
        Command::Test { name, definition, span } => {
            let mut body = match name {
                Some(name) => api.get(&["subscriptions", &name]).await?,
                None => json!({}),
            };
            definition.change(&mut body);
            body["from"] = span.from.to_string().into();
            body["to"] = span.to_time.map(|to| to.to_string()).into();
            (api.post(&["subscriptions", "test"], &body).await?, lists::matched)
        }
        Command::Attempts { name, limit } => (
            api.rows(&["subscriptions", &name, "attempts"], limit).await?,
            lists::attempts,
        ),
        Command::Dead { name, limit } => (
            api.rows(&["subscriptions", &name, "dead"], limit).await?,
            lists::attempts,
        ),
        Command::Redrive { name, ids, all } => {
            anyhow::ensure!(all || !ids.is_empty(), "name deliveries by their ids, or all by --all");
            let body = if all { json!({"all": true}) } else { json!({"ids": ids}) };
            (api.redrive(&name, &body).await?, lists::redriven)
        }
        Command::Replay { name, span, all } => {
            let mode = if all { "all" } else { "missed" };
            let body = json!({"from": span.from, "to": span.to_time, "mode": mode});
            (api.post(&["subscriptions", &name, "replays"], &body).await?, |_| {
                "The replay is queued behind new events.\n".to_owned()
            })
        }
        Command::Pause { name } => (
            api.post(&["subscriptions", &name, "pause"], &json!({})).await?,
            lists::stored,
        ),
        Command::Resume { name, drop } => {
            let body = json!({"missed": if drop { "drop" } else { "send" }});
            (
                api.post(&["subscriptions", &name, "resume"], &body).await?,
                lists::stored,
            )
        }
        Command::Secret { name } => (api.get(&["subscriptions", &name, "secret"]).await?, lists::secret),
        Command::Rotate { name, overlap } => {
            let body = json!({"overlap": overlap});
            (
                api.post(&["subscriptions", &name, "rotate"], &body).await?,
                lists::secret,
            )
        }
        Command::Apply { file, prune } => (apply::apply(api, &apply::Plan::read(&file)?, prune).await?, apply::done),
        Command::Areas { command } => areas::perform(api, command).await?,
        Command::Listen(_) => (Value::Null, |_| String::new()),
    };
    Ok((answer, text))
}

/// JSON for people.
fn pretty(answer: &Value) -> String {
    format!("{answer:#}\n")
}
