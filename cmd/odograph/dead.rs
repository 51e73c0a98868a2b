//! `odograph dead`: lists, shows, redrives or purges dead letters.

use crate::output::{none, print, written};
use anyhow::Context;
use event::Writer;
use ingest::EventTimes;
use jiff::Timestamp;
use persist::dead::{Content, DeadLetters, StoredLetter, content};
use postgres::Pool;
use reading::{Bounds, time};
use std::io::{BufRead, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

/// The longest that a statement may take.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(25);

/// How long to wait for the bus, and for the tables of this version in the database.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Characters of a rejected line that a list shows.
const SHOWN: usize = 100;

/// List, show, redrive or purge dead letters
///
/// Dead letters are lines that the ingestor rejected, and messages that the database refused for their content. The
/// database keeps them for 30 days.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Database that keeps the dead letters: postgres://USER:PASSWORD@HOST/DATABASE
    #[arg(long, env, hide_env_values = true, global = true, value_name = "URL")]
    database_url: Option<String>,

    /// Event bus that `redrive` publishes to, so that its history has what the database has. Without
    /// it, or where it is memory://, readings go straight into the database
    #[arg(
        long,
        alias = "event-writer-url",
        env,
        hide_env_values = true,
        global = true,
        value_name = "URL"
    )]
    event_reader_url: Option<String>,

    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// List dead letters, the oldest first: a row for each rejected line and for each message
    ///
    /// Lines that were rejected together share a dead letter and its ID.
    List {
        /// Only dead letters of this kind
        #[arg(long, value_enum)]
        kind: Option<Kind>,
        /// Only data that became a dead letter at this time or later
        #[arg(long, value_name = "TIME")]
        since: Option<Timestamp>,
        /// Most rows to list
        #[arg(long, default_value_t = 100, value_name = "NUMBER")]
        limit: usize,
        /// How rows are written: text for people, or one JSON object a row
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Show a whole dead letter, as JSON
    Show {
        /// ID of the dead letter, as `odograph dead list` shows it
        id: u64,
        /// Write its payload instead, byte by byte
        #[arg(long)]
        payload: bool,
    },
    /// Redrive dead letters, once their cause is fixed
    ///
    /// A message goes through the bus once more, under its own id. Rejected lines are judged again;
    /// those that are readings now are sent as a new upload. A dead letter goes once its content is
    /// published or stored. A message that is refused again becomes a new dead letter. Redriving
    /// twice does no harm.
    Redrive {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        times: EventTimes,
    },
    /// Purge dead letters for good: neither a redelivery nor a rebuild brings them back
    Purge {
        #[command(flatten)]
        which: Which,
        /// Purge all dead letters from before this time
        #[arg(long, value_name = "TIME", conflicts_with_all = ["ids", "all"])]
        before: Option<Timestamp>,
        /// Purge without asking
        #[arg(long)]
        yes: bool,
    },
}

#[derive(clap::Args)]
struct Which {
    /// IDs of dead letters, as `odograph dead list` shows them
    #[arg(value_name = "ID")]
    ids: Vec<u64>,
    /// All dead letters that exist now
    #[arg(long, conflicts_with = "ids")]
    all: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    Line,
    Message,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    // Wrong arguments fail before any wait.
    match &args.command {
        Command::Redrive { which, .. } if which.ids.is_empty() && !which.all => {
            return wrong("name some IDs, or add --all");
        }
        Command::Purge { which, before, .. } if which.ids.is_empty() && !which.all && before.is_none() => {
            return wrong("name some IDs, or add --all or --before TIME");
        }
        _ => {}
    }
    let Some(url) = &args.database_url else {
        return wrong("no database is given; add --database-url postgres://…");
    };
    let pool = match postgres::open(url, 1, STATEMENT_TIMEOUT) {
        Ok(pool) => pool,
        Err(error) => return wrong(&format!("{:#}", anyhow::Error::from(error))),
    };
    let is_redrive = matches!(args.command, Command::Redrive { .. });
    let bus = match args.event_reader_url.as_deref().filter(|_| is_redrive) {
        Some(url) => match Writer::open(url, &bus::NAMES).await {
            Ok(bus) => Some(bus).filter(Writer::is_shared),
            Err(error) => return wrong(&error.to_string()),
        },
        None => None,
    };
    prepared(&pool).await?;
    let letters = DeadLetters::new(pool, bus.clone());
    match args.command {
        Command::List {
            kind,
            since,
            limit,
            format,
        } => list(&letters, kind, since, limit, format).await,
        Command::Show { id, payload } => show(&letters, id, payload).await,
        Command::Redrive { which, times } => redrive(&letters, bus, &which, times.bounds()).await,
        Command::Purge { which, before, yes } => purge(&letters, &which, before, yes).await,
    }
}

/// Waits a while for the tables of this version.
pub(crate) async fn prepared(pool: &Pool) -> anyhow::Result<()> {
    let prepared = tokio::time::timeout(TIMEOUT, schema::prepare(pool, false)).await;
    let prepared = prepared.with_context(|| {
        format!(
            "the database does not answer, or its tables are older than version {}; start a persistor, or let their owner run \"odograph migrate\"",
            schema::version()
        )
    })?;
    Ok(prepared?)
}

/// Reports a wrong command line.
fn wrong(what: &str) -> anyhow::Result<ExitCode> {
    writeln!(std::io::stderr(), "odograph dead: {what}")?;
    Ok(ExitCode::from(2))
}

async fn list(
    letters: &DeadLetters,
    kind: Option<Kind>,
    since: Option<Timestamp>,
    limit: usize,
    format: Format,
) -> anyhow::Result<ExitCode> {
    let since = since.map_or(i64::MIN, Timestamp::as_microsecond);
    let (mut rows, mut number) = (0, 0);
    while let Some(letter) = letters.after(number).await? {
        number = letter.number;
        if letter.since < since {
            continue;
        }
        for row in rows_of(&letter, kind) {
            if rows == limit {
                writeln!(std::io::stderr(), "there are more; --limit {limit} ends the list here")?;
                return Ok(ExitCode::SUCCESS);
            }
            rows += 1;
            match format {
                Format::Json => print(&row.json.to_string())?,
                Format::Text => print(&row.text)?,
            }
        }
    }
    if rows == 0 {
        none("such dead letters");
    }
    Ok(ExitCode::SUCCESS)
}

struct Row {
    text: String,
    json: serde_json::Value,
}

fn rows_of(letter: &StoredLetter, kind: Option<Kind>) -> Vec<Row> {
    let (id, time) = (letter.number, time::text(letter.since));
    let mut rows = Vec::new();
    match content(letter) {
        Content::Lines(lines) if kind != Some(Kind::Message) => {
            for line in lines {
                let shown: String = line.reading.chars().take(SHOWN).collect();
                let text = format!(
                    "{id}  {time}  line {} of {}, upload {}: {}: {shown}",
                    line.line, line.device, line.upload, line.reason
                );
                let mut json = serde_json::json!({"id": id, "time": time, "kind": "line"});
                if let (Some(json), Ok(serde_json::Value::Object(line))) =
                    (json.as_object_mut(), serde_json::to_value(&line))
                {
                    json.extend(line);
                }
                rows.push(Row {
                    text: plain(&text),
                    json,
                });
            }
        }
        Content::Message(readings) if kind != Some(Kind::Line) => {
            let (lane, event) = (lane_of(letter), &letter.letter);
            let bytes = event.payload.len();
            let holds = match &readings {
                Ok(readings) => format!("{readings} readings"),
                Err(_) => format!("{bytes} bytes"),
            };
            let text = format!(
                "{id}  {time}  message {} of lane {lane}, {holds}: {}",
                event.id, event.reason
            );
            rows.push(Row {
                text: plain(&text),
                json: message(letter, &readings),
            });
        }
        _ => {}
    }
    rows
}

fn message(letter: &StoredLetter, readings: &Result<u64, String>) -> serde_json::Value {
    let event = &letter.letter;
    let headers: Vec<String> = event
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    serde_json::json!({
        "id": letter.number, "time": time::text(letter.since), "kind": "message", "event": event.id, "type": event.kind,
        "source": event.source, "lane": event.lane, "reason": event.reason, "readings": readings.as_ref().ok(),
        "bytes": event.payload.len(), "cutFrom": event.cut_from, "headers": headers,
    })
}

fn lane_of(letter: &StoredLetter) -> &str {
    letter.letter.lane.as_deref().unwrap_or("unknown")
}

/// Replaces characters that a terminal would obey.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

async fn show(letters: &DeadLetters, id: u64, payload: bool) -> anyhow::Result<ExitCode> {
    let letter = letters
        .get(id)
        .await?
        .with_context(|| format!("there is no dead letter {id}"))?;
    if payload {
        written(std::io::stdout().write_all(&letter.letter.payload))?;
        return Ok(ExitCode::SUCCESS);
    }
    let shown = match content(&letter) {
        Content::Message(readings) => message(&letter, &readings),
        Content::Lines(lines) => serde_json::json!({
            "id": letter.number, "time": time::text(letter.since), "kind": "line", "event": letter.letter.id,
            "source": letter.letter.source, "reason": letter.letter.reason, "lines": lines,
        }),
    };
    print(&serde_json::to_string_pretty(&shown)?)?;
    Ok(ExitCode::SUCCESS)
}

/// Calls `each` for the chosen dead letters, in order. Returns how many named ones do not exist.
async fn each_of(
    letters: &DeadLetters,
    which: &Which,
    mut each: impl AsyncFnMut(StoredLetter) -> anyhow::Result<()>,
) -> anyhow::Result<usize> {
    let mut missing = 0;
    for id in &which.ids {
        match letters.get(*id).await? {
            Some(letter) => each(letter).await?,
            None => {
                writeln!(std::io::stderr(), "{id}: there is no such dead letter")?;
                missing += 1;
            }
        }
    }
    if which.ids.is_empty() {
        // Newer dead letters are left for another run.
        let newest = letters.newest().await?;
        let mut number = 0;
        while let Some(letter) = letters.after(number).await? {
            number = letter.number;
            if number > newest {
                break;
            }
            each(letter).await?;
        }
    }
    Ok(missing)
}

async fn redrive(
    letters: &DeadLetters,
    bus: Option<Writer>,
    which: &Which,
    bounds: Bounds,
) -> anyhow::Result<ExitCode> {
    let Some(writer) = bus else {
        return redrive_each(letters, which, bounds).await;
    };
    let (ready, mut wait) = tokio::sync::watch::channel(false);
    let running = writer.run(|now| _ = ready.send_replace(now));
    let working = async {
        let prepared = tokio::time::timeout(TIMEOUT, wait.wait_for(|ready| *ready)).await;
        anyhow::ensure!(
            prepared.is_ok(),
            "the event bus did not answer within {TIMEOUT:?}; is it running, and is --event-reader-url right?"
        );
        redrive_each(letters, which, bounds).await
    };
    tokio::select! {
        ended = working => ended,
        ended = running => {
            ended?;
            anyhow::bail!("the event bus is gone")
        }
    }
}

async fn redrive_each(letters: &DeadLetters, which: &Which, bounds: Bounds) -> anyhow::Result<ExitCode> {
    let (mut count, mut readings, mut left) = (0_u64, 0, 0_usize);
    let missing = each_of(letters, which, async |letter| {
        let redriven = letters.redrive(&letter, bounds).await?;
        for (line, reason) in &redriven.left {
            let line = line.map(|line| format!("line {line}: ")).unwrap_or_default();
            writeln!(
                std::io::stderr(),
                "{}: {}",
                letter.number,
                plain(&format!("{line}{reason}"))
            )?;
        }
        count += 1;
        readings += redriven.readings;
        left += redriven.left.len();
        Ok(())
    })
    .await?;
    writeln!(
        std::io::stdout(),
        "{count} dead letters tried, {readings} readings redriven, {left} messages or lines left as they were"
    )?;
    Ok(if missing == 0 && left == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn purge(letters: &DeadLetters, which: &Which, before: Option<Timestamp>, yes: bool) -> anyhow::Result<ExitCode> {
    if !yes {
        if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
            return wrong("purge deletes dead letters for good, and there is no terminal to ask on; add --yes");
        }
        let mut out = std::io::stdout();
        write!(out, "Purge these dead letters for good? [y/N] ")?;
        out.flush()?;
        let mut answer = String::new();
        std::io::stdin().lock().read_line(&mut answer)?;
        if !["y", "yes"].contains(&&*answer.trim().to_lowercase()) {
            writeln!(out, "Nothing was purged.")?;
            return Ok(ExitCode::FAILURE);
        }
    }
    let before = before.map_or(i64::MAX, Timestamp::as_microsecond);
    let mut purged = 0_u64;
    let missing = each_of(letters, which, async |letter| {
        if letter.since < before && letters.delete(letter.number).await? {
            purged += 1;
        }
        Ok(())
    })
    .await?;
    writeln!(std::io::stdout(), "{purged} dead letters purged")?;
    Ok(if missing == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
