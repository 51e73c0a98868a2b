//! `odograph dead`: what could not be stored, looked at, taken up again or dropped.

use anyhow::Context;
use event::{Letter, Letters};
use jiff::Timestamp;
use persist::dead::{Content, Graveyard, content};
use std::io::{BufRead, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

/// No statement takes longer than this.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(25);

/// How long the bus may take to be there.
const PATIENCE: Duration = Duration::from_secs(15);

/// Characters of a rejected line that a list shows.
const SHOWN: usize = 100;

/// Look at dead letters, take them up again, or drop them
///
/// Dead letters are lines that the ingestor rejected and messages that could not be stored for what
/// they hold. They are kept for 30 days: on the event bus, or in the database where the bus was
/// memory://.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Event bus that keeps them
    #[arg(
        long,
        alias = "event-writer-url",
        env,
        hide_env_values = true,
        global = true,
        value_name = "URL"
    )]
    event_reader_url: Option<String>,

    /// Database that keeps them where the bus is memory://
    #[arg(long, env, hide_env_values = true, global = true, value_name = "URL")]
    database_url: Option<String>,

    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// List them, the oldest first: a row for each rejected line and for each message
    ///
    /// Lines that were rejected together share a dead letter and its ID.
    List {
        /// Only these
        #[arg(long, value_enum)]
        kind: Option<Kind>,
        /// Only those that were buried since then
        #[arg(long, value_name = "TIME")]
        since: Option<Timestamp>,
        /// Rows, at the most
        #[arg(long, default_value_t = 100, value_name = "NUMBER")]
        limit: usize,
        /// For people, or an object a row
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Show all of one, as JSON
    Show {
        id: u64,
        /// Write its payload instead, byte by byte
        #[arg(long)]
        payload: bool,
    },
    /// Take them up again, once what was wrong is mended
    ///
    /// A message goes through the bus once more, under its own id. Rejected lines are judged anew,
    /// and those that are readings now are sent as an upload of their own. What is on its way is no
    /// dead letter any more; what is refused again becomes a new one. Doing it twice does no harm.
    Redrive {
        #[command(flatten)]
        which: Which,
        /// Oldest event time of lines that are judged anew
        #[arg(long, default_value = "2001-01-01T00:00:00Z", value_name = "TIME")]
        oldest: Timestamp,
        /// How far ahead of this machine's clock an event time may be
        #[arg(long, default_value = "24h", value_parser = service::duration, value_name = "DURATION")]
        max_future: Duration,
    },
    /// Drop them for good
    Purge {
        #[command(flatten)]
        which: Which,
        /// Those that were buried before then
        #[arg(long, value_name = "TIME", conflicts_with_all = ["ids", "all"])]
        before: Option<Timestamp>,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

#[derive(clap::Args)]
struct Which {
    /// IDs, as the list shows them
    #[arg(value_name = "ID")]
    ids: Vec<u64>,
    /// All that are there now
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
    let graveyard = match open(&args).await {
        Ok(graveyard) => graveyard,
        Err(error) => return wrong(&format!("{error:#}")),
    };
    match args.command {
        Command::List {
            kind,
            since,
            limit,
            format,
        } => list(&graveyard, kind, since, limit, format).await,
        Command::Show { id, payload } => show(&graveyard, id, payload).await,
        Command::Redrive { which, .. } if which.ids.is_empty() && !which.all => wrong("name some IDs, or say --all"),
        Command::Redrive {
            which,
            oldest,
            max_future,
        } => redrive(&graveyard, &which, oldest.as_microsecond(), max_future).await,
        Command::Purge { which, before, .. } if which.ids.is_empty() && !which.all && before.is_none() => {
            wrong("name some IDs, or say --all or --before TIME")
        }
        Command::Purge { which, before, yes } => purge(&graveyard, &which, before, yes).await,
    }
}

async fn open(args: &Args) -> anyhow::Result<Graveyard> {
    if let Some(url) = &args.event_reader_url
        && let Some(letters) = Letters::open(url).await?
    {
        return Ok(Graveyard::on_bus(letters));
    }
    let url = args
        .database_url
        .as_ref()
        .context("say where they are: --event-reader-url nats://…, or --database-url where the bus is memory://")?;
    Ok(Graveyard::in_database(postgres::open(url, 1, STATEMENT_TIMEOUT)?))
}

/// Another command line is needed.
fn wrong(what: &str) -> anyhow::Result<ExitCode> {
    writeln!(std::io::stderr(), "odograph dead: {what}")?;
    Ok(ExitCode::from(2))
}

async fn list(
    graveyard: &Graveyard,
    kind: Option<Kind>,
    since: Option<Timestamp>,
    limit: usize,
    format: Format,
) -> anyhow::Result<ExitCode> {
    let since = since.map_or(i64::MIN, Timestamp::as_microsecond);
    let mut out = std::io::stdout().lock();
    let (mut rows, mut number) = (0, 0);
    while let Some(letter) = graveyard.after(number).await? {
        number = letter.number;
        if letter.buried < since {
            continue;
        }
        for row in rows_of(&letter, kind) {
            if rows == limit {
                writeln!(std::io::stderr(), "there are more; --limit {limit} ends the list here")?;
                return Ok(ExitCode::SUCCESS);
            }
            rows += 1;
            match format {
                Format::Json => writeln!(out, "{}", row.json)?,
                Format::Text => writeln!(out, "{}", row.text)?,
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

struct Row {
    text: String,
    json: serde_json::Value,
}

fn rows_of(letter: &Letter, kind: Option<Kind>) -> Vec<Row> {
    let (id, time) = (letter.number, time_of(letter));
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
            let (lane, event) = (lane_of(letter), &letter.event);
            let bytes = event.payload.len();
            let holds = match &readings {
                Ok(readings) => format!("{readings} readings"),
                Err(_) => format!("{bytes} bytes"),
            };
            let text = format!(
                "{id}  {time}  message {} of lane {lane}, {holds}: {}",
                event.id, letter.reason
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

fn message(letter: &Letter, readings: &Result<u64, String>) -> serde_json::Value {
    let event = &letter.event;
    serde_json::json!({
        "id": letter.number, "time": time_of(letter), "kind": "message", "event": event.id, "type": event.kind,
        "source": event.source, "lane": letter.lane.map(event::Lane::name), "reason": letter.reason,
        "readings": readings.as_ref().ok(), "bytes": event.payload.len(), "cutFrom": letter.cut_from,
    })
}

fn lane_of(letter: &Letter) -> &'static str {
    letter.lane.map_or("unknown", event::Lane::name)
}

fn time_of(letter: &Letter) -> String {
    Timestamp::from_microsecond(letter.buried)
        .and_then(|time| time.round(jiff::Unit::Second))
        .map(|time| time.to_string())
        .unwrap_or_default()
}

/// Without what a terminal would obey.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

async fn show(graveyard: &Graveyard, id: u64, payload: bool) -> anyhow::Result<ExitCode> {
    let letter = graveyard
        .get(id)
        .await?
        .with_context(|| format!("there is no dead letter {id}"))?;
    let mut out = std::io::stdout().lock();
    if payload {
        out.write_all(&letter.event.payload)?;
        return Ok(ExitCode::SUCCESS);
    }
    let shown = match content(&letter) {
        Content::Message(readings) => message(&letter, &readings),
        Content::Lines(lines) => serde_json::json!({
            "id": letter.number, "time": time_of(&letter), "kind": "line", "event": letter.event.id,
            "source": letter.event.source, "reason": letter.reason, "lines": lines,
        }),
    };
    writeln!(out, "{}", serde_json::to_string_pretty(&shown)?)?;
    Ok(ExitCode::SUCCESS)
}

/// Calls `each` for the letters chosen, in order; how many named ones are not there.
async fn each_of(
    graveyard: &Graveyard,
    which: &Which,
    mut each: impl AsyncFnMut(Letter) -> anyhow::Result<()>,
) -> anyhow::Result<usize> {
    let mut missing = 0;
    for id in &which.ids {
        match graveyard.get(*id).await? {
            Some(letter) => each(letter).await?,
            None => {
                writeln!(std::io::stderr(), "{id}: there is no such dead letter")?;
                missing += 1;
            }
        }
    }
    if which.ids.is_empty() {
        // What is buried meanwhile has its turn another time.
        let newest = graveyard.newest().await?;
        let mut number = 0;
        while let Some(letter) = graveyard.after(number).await? {
            number = letter.number;
            if number > newest {
                break;
            }
            each(letter).await?;
        }
    }
    Ok(missing)
}

async fn redrive(graveyard: &Graveyard, which: &Which, oldest: i64, max_future: Duration) -> anyhow::Result<ExitCode> {
    let Some(writer) = graveyard.writer() else {
        return redrive_each(graveyard, which, oldest, max_future).await;
    };
    let (ready, mut wait) = tokio::sync::watch::channel(false);
    let running = writer.run(|now| _ = ready.send_replace(now));
    let working = async {
        let prepared = tokio::time::timeout(PATIENCE, wait.wait_for(|ready| *ready)).await;
        anyhow::ensure!(prepared.is_ok(), "the event bus cannot be reached");
        redrive_each(graveyard, which, oldest, max_future).await
    };
    tokio::select! {
        ended = working => ended,
        ended = running => {
            ended?;
            anyhow::bail!("the event bus is gone")
        }
    }
}

async fn redrive_each(
    graveyard: &Graveyard,
    which: &Which,
    oldest: i64,
    max_future: Duration,
) -> anyhow::Result<ExitCode> {
    let (mut letters, mut readings, mut left) = (0_u64, 0, 0_usize);
    let missing = each_of(graveyard, which, async |letter| {
        let redriven = graveyard.redrive(&letter, oldest, max_future).await?;
        for (line, reason) in &redriven.left {
            let line = line.map(|line| format!("line {line}: ")).unwrap_or_default();
            writeln!(
                std::io::stderr(),
                "{}: {}",
                letter.number,
                plain(&format!("{line}{reason}"))
            )?;
        }
        letters += 1;
        readings += redriven.readings;
        left += redriven.left.len();
        Ok(())
    })
    .await?;
    writeln!(
        std::io::stdout(),
        "{letters} dead letters, {readings} readings taken up again, {left} messages or lines left as they were"
    )?;
    Ok(if missing == 0 && left == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn purge(graveyard: &Graveyard, which: &Which, before: Option<Timestamp>, yes: bool) -> anyhow::Result<ExitCode> {
    if !yes {
        if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
            return wrong("this drops them for good and nobody is here to be asked; say --yes");
        }
        let mut out = std::io::stdout();
        write!(out, "Drop these dead letters for good? [y/N] ")?;
        out.flush()?;
        let mut answer = String::new();
        std::io::stdin().lock().read_line(&mut answer)?;
        if !["y", "yes"].contains(&&*answer.trim().to_lowercase()) {
            writeln!(out, "Nothing was dropped.")?;
            return Ok(ExitCode::FAILURE);
        }
    }
    let before = before.map_or(i64::MAX, Timestamp::as_microsecond);
    let mut purged = 0_u64;
    let missing = each_of(graveyard, which, async |letter| {
        if letter.buried < before && graveyard.delete(letter.number).await? {
            purged += 1;
        }
        Ok(())
    })
    .await?;
    writeln!(std::io::stdout(), "{purged} dead letters dropped")?;
    Ok(if missing == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
