//! Reads deliveries that have not ended.

use super::database::Database;
use super::queue::Place;
use ::postgres::{Error, Timer};
use jiff::Timestamp;
use std::sync::Arc;
use tokio_postgres::types::Type;
use uuid::Uuid;

/// A part of a lane that is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask {
    pub(super) subscription: Uuid,
    pub(super) epoch: u64,
    pub(super) lane: i16,
    /// Deliveries after this seq.
    pub(super) after: i64,
    /// So many deliveries.
    pub(super) most: i64,
    /// So many bytes of bodies, but at least one delivery.
    pub(super) bytes: i64,
    /// After this seq, nothing was tried before this term.
    pub(super) tried: i64,
}

/// A row of `delivery`.
#[derive(Clone, Debug)]
pub(super) struct Loaded {
    pub(super) subscription: Uuid,
    pub(super) place: Place,
    /// None where the delivery has ended.
    pub(super) open: Option<Open>,
    /// Microseconds since 1970.
    pub(super) at: i64,
}

/// What a delivery that has not ended holds.
#[derive(Clone, Debug)]
pub(super) struct Open {
    pub(super) id: Uuid,
    pub(super) key: Option<Arc<str>>,
    pub(super) kind: Arc<str>,
    pub(super) moment: i64,
    pub(super) data: Arc<str>,
    pub(super) tries: i32,
    pub(super) base: i32,
    /// When the next try is due, where one was made.
    pub(super) due: Option<i64>,
}

/// The answer to an [`Ask`].
#[derive(Clone, Debug)]
pub(super) struct Page {
    pub(super) ask: Ask,
    pub(super) rows: Vec<Loaded>,
    /// There may be more.
    pub(super) more: bool,
}

/// What is known of a lane when a term begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    pub(super) subscription: Uuid,
    pub(super) lane: i16,
    pub(super) upto: i64,
    pub(super) tried: i64,
    /// Since when nothing has succeeded, in microseconds since 1970.
    pub(super) failing: Option<i64>,
}

/// The last try's row of a delivery, which `ask` and `page` name.
const LAST: &str = "
    SELECT a.try, a.outcome, a.due, (
        SELECT max(r.try) FROM attempt AS r
        WHERE r.subscription = page.subscription AND r.lane = page.lane AND r.seq = page.seq AND r.outcome = 'redrive'
    ) AS base
    FROM attempt AS a
    WHERE a.subscription = page.subscription AND a.lane = page.lane AND a.seq = page.seq AND page.seq <= page.tried
      AND a.at >= page.at - interval '1 day'
    ORDER BY a.try DESC, a.number DESC, a.outcome = 'redrive' DESC LIMIT 1";

/// What [`loaded`] reads.
const COLUMNS: &str = "
    page.subscription, page.lane, page.seq, page.id, page.key, page.type, page.moment, page.at, last.try, last.base,
    CASE WHEN last.outcome = 'retry' THEN last.due END AS due,
    CASE WHEN last.outcome IS NULL OR last.outcome IN ('retry', 'redrive') THEN page.data END AS data";

/// Reads pages, each in the order of seq. `since`: no delivery that is asked for was made before (microseconds since
/// 1970), so that older partitions are left out.
pub(super) async fn pages(database: &Database, asks: Vec<Ask>, since: i64) -> Result<Vec<Page>, Error> {
    let statement = format!(
        "SELECT {COLUMNS}, page.n, page.total
         FROM (
             SELECT ask.*, rows.*, sum(octet_length(rows.data)) OVER (PARTITION BY ask.n ORDER BY rows.seq)
                 - octet_length(rows.data) AS before, count(*) OVER (PARTITION BY ask.n) AS total
             FROM unnest($1::uuid[], $2::int2[], $3::int8[], $4::int8[], $5::int8[], $6::int8[]) WITH ORDINALITY
                 AS ask (subscription, lane, after, most, bytes, tried, n)
             CROSS JOIN LATERAL (
                 SELECT d.seq, d.id, d.key, d.type, d.moment, d.at, d.data::text AS data FROM delivery AS d
                 WHERE d.subscription = ask.subscription AND d.lane = ask.lane AND d.seq > ask.after AND d.at >= $7
                 ORDER BY d.seq LIMIT ask.most
             ) AS rows
         ) AS page
         LEFT JOIN LATERAL ({LAST}) AS last ON true
         WHERE page.before < page.bytes
         ORDER BY page.n, page.seq"
    );
    let column = |of: fn(&Ask) -> i64| -> Vec<i64> { asks.iter().map(of).collect() };
    let subscriptions: Vec<Uuid> = asks.iter().map(|ask| ask.subscription).collect();
    let lanes: Vec<i16> = asks.iter().map(|ask| ask.lane).collect();
    let (after, most) = (column(|ask| ask.after), column(|ask| ask.most));
    let (bytes, tried) = (column(|ask| ask.bytes), column(|ask| ask.tried));
    let timer = Timer::of("read_deliveries");
    let rows = database
        .query(
            &statement,
            &[
                (&subscriptions, Type::UUID_ARRAY),
                (&lanes, Type::INT2_ARRAY),
                (&after, Type::INT8_ARRAY),
                (&most, Type::INT8_ARRAY),
                (&bytes, Type::INT8_ARRAY),
                (&tried, Type::INT8_ARRAY),
                (&super::attempts::timestamp(since), Type::TIMESTAMPTZ),
            ],
        )
        .await?;
    drop(timer);
    let empty = |ask| Page {
        ask,
        rows: Vec::new(),
        more: false,
    };
    let mut pages: Vec<Page> = asks.into_iter().map(empty).collect();
    for row in rows {
        let n: i64 = row.try_get("n")?;
        let total: i64 = row.try_get("total")?;
        let Some(page) = usize::try_from(n - 1).ok().and_then(|at| pages.get_mut(at)) else {
            continue;
        };
        page.rows.push(loaded(&row)?);
        page.more = total >= page.ask.most || i64::try_from(page.rows.len()).is_ok_and(|rows| rows < total);
    }
    Ok(pages)
}

/// Reads where the lanes of these subscriptions begin.
pub(super) async fn starts(database: &Database, subscriptions: &[Uuid]) -> Result<Vec<Start>, Error> {
    let statement = "
        SELECT s.id, lanes.lane, coalesce(p.upto, 0) AS upto, s.failing, coalesce((
            SELECT max(a.seq) FROM attempt AS a WHERE a.subscription = s.id AND a.lane = lanes.lane
        ), 0) AS tried
        FROM subscription AS s
        CROSS JOIN (VALUES (0::int2), (1::int2)) AS lanes (lane)
        LEFT JOIN progress AS p ON p.shard = 0 AND p.subscription = s.id AND p.lane = lanes.lane
        WHERE s.id = ANY($1)";
    let rows = database.query(statement, &[(&subscriptions, Type::UUID_ARRAY)]).await?;
    let start = |row: &tokio_postgres::Row| {
        Ok(Start {
            subscription: row.try_get("id")?,
            lane: row.try_get("lane")?,
            upto: row.try_get("upto")?,
            tried: row.try_get("tried")?,
            failing: row
                .try_get::<_, Option<Timestamp>>("failing")?
                .map(Timestamp::as_microsecond),
        })
    };
    rows.iter().map(start).collect()
}

/// Where the reading of redrives goes on: after this row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor {
    /// Microseconds since 1970; none: five minutes ago by the server's clock, since a redrive may commit late, by another clock.
    pub(super) at: Option<i64>,
    pub(super) subscription: Uuid,
    pub(super) place: Place,
}

/// Reads deliveries that were redriven and have not ended since, `most` redrives after `cursor`. `only`: of these
/// subscriptions. Returns how far it came, none at the end.
pub(super) async fn redrives(
    database: &Database,
    cursor: Cursor,
    only: Option<&[Uuid]>,
    most: i64,
) -> Result<(Vec<Loaded>, Option<Cursor>), Error> {
    let statement = format!(
        "SELECT {COLUMNS}, page.redriven
         FROM (
             SELECT r.at AS redriven, r.subscription, r.lane, r.seq, 9223372036854775807 AS tried,
                 d.id, d.key, d.type, d.moment, d.at, d.data::text AS data
             FROM (
                 SELECT * FROM attempt
                 WHERE outcome = 'redrive' AND at >= coalesce($1, now() - interval '5 minutes')
                   AND ($1 IS NULL OR (at, subscription, lane, seq) > ($1, $2, $3, $4))
                   AND ($5::uuid[] IS NULL OR subscription = ANY($5))
                 ORDER BY at, subscription, lane, seq LIMIT $6
             ) AS r
             LEFT JOIN LATERAL (
                 SELECT * FROM delivery AS d
                 WHERE d.subscription = r.subscription AND d.lane = r.lane AND d.seq = r.seq LIMIT 1
             ) AS d ON true
         ) AS page
         LEFT JOIN LATERAL ({LAST}) AS last ON page.id IS NOT NULL
         ORDER BY page.redriven, page.subscription, page.lane, page.seq"
    );
    let (lane, seq) = cursor.place;
    let rows = database
        .query(
            &statement,
            &[
                (&cursor.at.map(super::attempts::timestamp), Type::TIMESTAMPTZ),
                (&cursor.subscription, Type::UUID),
                (&lane, Type::INT2),
                (&seq, Type::INT8),
                (&only, Type::UUID_ARRAY),
                (&most, Type::INT8),
            ],
        )
        .await?;
    let mut found = Vec::new();
    let mut last = None;
    for row in &rows {
        last = Some(Cursor {
            at: Some(row.try_get::<_, Timestamp>("redriven")?.as_microsecond()),
            subscription: row.try_get("subscription")?,
            place: (row.try_get("lane")?, row.try_get("seq")?),
        });
        // A delivery that the retention has dropped.
        if row.try_get::<_, Option<Uuid>>("id")?.is_some() {
            found.push(loaded(row)?);
        }
    }
    let is_full = i64::try_from(rows.len()).is_ok_and(|rows| rows >= most);
    Ok((found, last.filter(|_| is_full)))
}

fn loaded(row: &tokio_postgres::Row) -> Result<Loaded, tokio_postgres::Error> {
    let micros = |name: &str| row.try_get::<_, Timestamp>(name).map(Timestamp::as_microsecond);
    let data: Option<&str> = row.try_get("data")?;
    let open = match data {
        None => None,
        Some(data) => Some(Open {
            id: row.try_get("id")?,
            key: row.try_get::<_, Option<&str>>("key")?.map(Arc::from),
            kind: Arc::from(row.try_get::<_, &str>("type")?),
            moment: micros("moment")?,
            data: Arc::from(data),
            tries: row.try_get::<_, Option<i32>>("try")?.unwrap_or(0),
            base: row.try_get::<_, Option<i32>>("base")?.unwrap_or(0),
            due: row
                .try_get::<_, Option<Timestamp>>("due")?
                .map(Timestamp::as_microsecond),
        }),
    };
    Ok(Loaded {
        subscription: row.try_get("subscription")?,
        place: (row.try_get("lane")?, row.try_get("seq")?),
        open,
        at: micros("at")?,
    })
}
