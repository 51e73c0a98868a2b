//! Reads from PostgreSQL what has changed.

use super::event::{Day, Entry, Event, Latest, Upload};
use super::hub::NEWS;
use super::position::Position;
use crate::words::{Database, Time};
use ::postgres::{Error, Pool};
use deadpool_postgres::{ClientWrapper, Object};
use std::time::Duration;
use tokio::time::timeout;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, IsolationLevel, Row, Transaction};
use uuid::Uuid;

/// How long a look at the database may take.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Days of devices in a page.
const PAGE: i64 = 1_000;

/// Uploads, and entries, that a listener gets of those before it came, at the most: the newest.
const NEWEST: i64 = 1_000;

/// Which rows were written since a position that has not seen `$1` and `$2`, of those that are visible. The planner
/// knows the numbers, and so how few rows there are. The last bound leaves out numbers of another database, in rows
/// that were copied from there.
const NEW: &str = "(xid >= $1::text::xid8 AND xid < pg_snapshot_xmax(pg_current_snapshot())
    OR xid = ANY($2::text[]::xid8[]))";

/// Where the database is. Right after a promotion, and on a standby, the last checkpoint may be of the timeline before;
/// the least end of recovery has the new one, and is 0 otherwise.
const HERE: &str = "SELECT (SELECT system_identifier::text FROM pg_control_system()) || '-'
    || (SELECT greatest(timeline_id, min_recovery_end_timeline)::text FROM pg_control_checkpoint(), pg_control_recovery())
    || '-' || 'reading'::regclass::oid::text || '-' || pg_current_snapshot()::text";

/// The sums of those of these uploads that are complete.
const COMPLETE: &str = "SELECT upload, max(accepted), max(rejected), sum(persisted)::int8, sum(duplicates)::int8,
        sum(conflicts)::int8, sum(failed)::int8
    FROM receipt WHERE upload = ANY($1) GROUP BY upload
    HAVING sum(persisted::int8 + duplicates + conflicts + failed) >= max(accepted)
    ORDER BY upload";

/// A parameter of a statement, and its type.
type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

/// The one connection over which the process looks for changes.
pub(super) struct Session(ClientWrapper);

/// All latest values, and what happened before.
pub(super) struct Loaded {
    pub(super) position: Position,
    pub(super) latest: Vec<Event>,
    /// None where that cannot be told: the position before is of another database, or too much has happened.
    pub(super) news: Option<Vec<Event>>,
}

/// What a look at the database has shown.
pub(super) enum Look {
    /// What has changed up to a position.
    Changes(Position, Vec<Event>),
    /// More than is kept: everything has to be loaded again.
    TooMuch,
}

impl Session {
    /// Takes a connection out of the pool, for good.
    pub(super) async fn open(pool: &Pool) -> Result<Self, Error> {
        Ok(Self(Object::take(pool.get().await?)))
    }

    /// Reads all latest values, and the news since a position.
    pub(super) async fn load(&mut self, since: Option<&Position>) -> Result<Loaded, Error> {
        within(load(&mut self.0, since)).await
    }

    /// Looks once for what is new since a position.
    pub(super) async fn look(&mut self, since: &Position) -> Result<Look, Error> {
        within(look(&mut self.0, since)).await
    }
}

async fn within<T>(asked: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let answered = timeout(TIMEOUT, asked).await;
    answered.unwrap_or_else(|elapsed| Err(Error::Unavailable(elapsed.into())))
}

async fn load(client: &mut Client, since: Option<&Position>) -> Result<Loaded, Error> {
    let transaction = snapshot(client).await?;
    let position = position(&transaction.query_one(HERE, &[]).await?)?;
    let all = "SELECT device, sensor, latest_value, latest_timestamp FROM series WHERE latest_timestamp IS NOT NULL";
    let latest = transaction.query(all, &[]).await?;
    let latest = latest.iter().map(of_series).collect::<Result<Vec<Event>, Error>>()?;
    // Where statistics are behind, what is new would be looked for in whole tables.
    transaction.batch_execute("SET enable_seqscan = off").await?;
    let news = match since.filter(|since| since.is_known_at(&position)) {
        Some(since) => news(&transaction, since).await?,
        None => None,
    };
    transaction.commit().await?;
    let news = news.map(|News { events, .. }| events);
    Ok(Loaded { position, latest, news })
}

async fn look(client: &mut Client, since: &Position) -> Result<Look, Error> {
    let here = |snapshot: &str| since.at(snapshot).ok_or_else(no_position);
    let look = format!(
        "SELECT pg_current_snapshot()::text, EXISTS (SELECT FROM device_day WHERE {NEW})
            OR EXISTS (SELECT FROM receipt WHERE {NEW}) OR EXISTS (SELECT FROM entry WHERE {NEW})"
    );
    let (next, running) = since.unseen();
    let unseen: [Parameter<'_>; 2] = [(&next, Type::TEXT), (&running, Type::TEXT_ARRAY)];
    let rows = client.query_typed(&look, &unseen).await?;
    let row = rows.first().ok_or_else(no_position)?;
    if !row.try_get::<_, bool>(1)? {
        return Ok(Look::Changes(here(row.try_get(0)?)?, Vec::new()));
    }
    let transaction = snapshot(client).await?;
    let row = transaction.query_one("SELECT pg_current_snapshot()::text", &[]).await?;
    let position = here(row.try_get(0)?)?;
    let Some(News { devices, mut events }) = news(&transaction, since).await? else {
        return Ok(Look::TooMuch);
    };
    if !devices.is_empty() {
        // Only with new readings does a latest value move.
        let of_devices = "SELECT device, sensor, latest_value, latest_timestamp FROM series
            WHERE device = ANY($1) AND latest_timestamp IS NOT NULL";
        for row in transaction.query(of_devices, &[&devices]).await? {
            events.push(of_series(&row)?);
        }
    }
    transaction.commit().await?;
    Ok(Look::Changes(position, events))
}

async fn snapshot(client: &mut Client) -> Result<Transaction<'_>, Error> {
    let transaction = client
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .read_only(true)
        .start()
        .await?;
    Ok(transaction)
}

/// What is new beside latest values.
struct News {
    /// Those that got readings.
    devices: Vec<String>,
    events: Vec<Event>,
}

/// Reads what is new since a position; none if it is more than is kept.
async fn news(transaction: &Transaction<'_>, since: &Position) -> Result<Option<News>, Error> {
    let ((next, running), most) = (since.unseen(), NEWS);
    let unseen: [Parameter<'_>; 2] = [(&next, Type::TEXT), (&running, Type::TEXT_ARRAY)];
    let mut events = Vec::new();
    let days = format!("SELECT device, day::text, version FROM device_day WHERE {NEW} LIMIT {most}");
    let rows = transaction.query_typed(&days, &unseen).await?;
    let mut devices: Vec<String> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    devices.sort_unstable();
    devices.dedup();
    for row in &rows {
        events.push(of_day(row)?);
    }
    // Materialized: the order of uploads would lead through the whole table.
    let uploads = format!(
        "WITH new AS MATERIALIZED (SELECT upload FROM receipt WHERE {NEW}) SELECT DISTINCT upload FROM new LIMIT {most}"
    );
    let rows = transaction.query_typed(&uploads, &unseen).await?;
    let uploads: Vec<Uuid> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    if !uploads.is_empty() {
        for row in transaction.query(COMPLETE, &[&uploads]).await? {
            events.push(of_upload(&row)?);
        }
    }
    let entries = format!("SELECT id, device, deleted IS NOT NULL, edited FROM entry WHERE {NEW} LIMIT {most}");
    for row in transaction.query_typed(&entries, &unseen).await? {
        events.push(of_entry(&row)?);
    }
    let is_all = uploads.len() + events.len() < most;
    Ok(is_all.then_some(News { devices, events }))
}

/// What happened before a listener came, in pages: days first, then uploads, then entries of the journal.
#[derive(Debug)]
pub(super) struct Past {
    /// The id that the listener goes on from.
    id: String,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Begin,
    /// Behind this device and day; everything, without a position.
    Days(Option<Position>, String, String),
    Uploads(Option<Position>),
    Entries(Option<Position>),
    End,
}

impl Past {
    /// What happened after this id; everything if it is unknown.
    pub(super) fn after(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            stage: Stage::Begin,
        }
    }

    /// The next page, which may be empty. None after the last one.
    pub(super) async fn next(&mut self, database: &Database) -> Result<Option<Vec<Event>>, Error> {
        let (events, next) = match &self.stage {
            Stage::Begin => {
                let here = database.query(HERE, &[]).await?;
                let here = position(here.first().ok_or_else(no_position)?)?;
                let since = Position::parse(&self.id).filter(|since| since.is_known_at(&here));
                // Before every day.
                (Vec::new(), Stage::Days(since, String::new(), "0001-01-01".to_owned()))
            }
            Stage::Days(since, device, day) => {
                let condition = format!("(device, day) > ($3, $4::text::date) AND {}", written(since.as_ref()));
                let select = format!(
                    "SELECT device, day::text, version FROM device_day WHERE {condition} ORDER BY device, day LIMIT {PAGE}"
                );
                let (next, running) = since.as_ref().map(Position::unseen).unzip();
                let parameters: [Parameter<'_>; 4] = [
                    (&next, Type::TEXT),
                    (&running, Type::TEXT_ARRAY),
                    (device, Type::TEXT),
                    (day, Type::TEXT),
                ];
                let rows = database.query(&select, &parameters).await?;
                let events = rows.iter().map(of_day).collect::<Result<Vec<Event>, Error>>()?;
                let is_page = i64::try_from(rows.len()).is_ok_and(|rows| rows == PAGE);
                let next = match rows.last().filter(|_| is_page) {
                    Some(last) => Stage::Days(since.clone(), last.try_get(0)?, last.try_get(1)?),
                    None => Stage::Uploads(since.clone()),
                };
                (events, next)
            }
            Stage::Uploads(since) => {
                let condition = written(since.as_ref());
                // Without a position, the order of uploads leads straight to the newest.
                let way = if since.is_some() {
                    "MATERIALIZED"
                } else {
                    "NOT MATERIALIZED"
                };
                let select = format!(
                    "WITH new AS {way} (SELECT upload FROM receipt WHERE {condition})
                    SELECT DISTINCT upload FROM new ORDER BY upload DESC LIMIT {NEWEST}"
                );
                let (next, running) = since.as_ref().map(Position::unseen).unzip();
                let unseen: [Parameter<'_>; 2] = [(&next, Type::TEXT), (&running, Type::TEXT_ARRAY)];
                let rows = database.query(&select, &unseen).await?;
                let uploads: Vec<Uuid> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
                let rows = database.query(COMPLETE, &[(&uploads, Type::UUID_ARRAY)]).await?;
                let events = rows.iter().map(of_upload).collect::<Result<Vec<Event>, Error>>()?;
                (events, Stage::Entries(since.clone()))
            }
            Stage::Entries(since) => {
                let condition = written(since.as_ref());
                let select = format!(
                    "SELECT id, device, deleted IS NOT NULL, edited FROM entry WHERE {condition} ORDER BY id DESC LIMIT {NEWEST}"
                );
                let (next, running) = since.as_ref().map(Position::unseen).unzip();
                let unseen: [Parameter<'_>; 2] = [(&next, Type::TEXT), (&running, Type::TEXT_ARRAY)];
                let rows = database.query(&select, &unseen).await?;
                let events = rows.iter().map(of_entry).collect::<Result<Vec<Event>, Error>>()?;
                (events, Stage::End)
            }
            Stage::End => return Ok(None),
        };
        self.stage = next;
        Ok(Some(events))
    }
}

/// Which rows were written since a position; all of them without one. Either has the parameters `$1` and `$2`.
fn written(since: Option<&Position>) -> &'static str {
    if since.is_some() {
        NEW
    } else {
        "($1 IS NULL AND $2 IS NULL)"
    }
}

fn position(row: &Row) -> Result<Position, Error> {
    Position::parse(row.try_get(0)?).ok_or_else(no_position)
}

fn no_position() -> Error {
    Error::Unavailable("the database's snapshot cannot be read".into())
}

fn of_series(row: &Row) -> Result<Event, Error> {
    let latest = Latest::new(row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, Time(row.try_get(3)?));
    Ok(latest.event())
}

fn of_day(row: &Row) -> Result<Event, Error> {
    let day = Day {
        device: row.try_get(0)?,
        day: row.try_get(1)?,
        version: row.try_get(2)?,
    };
    Ok(day.event())
}

fn of_upload(row: &Row) -> Result<Event, Error> {
    let id: Uuid = row.try_get(0)?;
    let failed: i64 = row.try_get(6)?;
    let upload = Upload {
        id: id.to_string(),
        status: if failed > 0 { "failed" } else { "persisted" },
        accepted: row.try_get(1)?,
        rejected: row.try_get::<_, Option<i64>>(2)?.unwrap_or_default(),
        persisted: row.try_get(3)?,
        duplicates: row.try_get(4)?,
        conflicts: row.try_get(5)?,
        failed,
    };
    Ok(upload.event())
}

fn of_entry(row: &Row) -> Result<Event, Error> {
    let id: Uuid = row.try_get(0)?;
    let entry = Entry {
        id: entry::Id::from(id).to_string(),
        device: row.try_get(1)?,
        deleted: row.try_get(2)?,
        edited: row.try_get::<_, Option<jiff::Timestamp>>(3)?.map(Time),
    };
    Ok(entry.event())
}
