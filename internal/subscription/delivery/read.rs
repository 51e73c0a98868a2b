//! Reads deliveries that have not ended.

use super::database::Database;
use super::flights::Stale;
use super::queue::Place;
use ::postgres::{Error, Timer};
use jiff::Timestamp;
use std::sync::Arc;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

/// A part of a lane that is asked for.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) subscription: Uuid,
    pub(super) epoch: u64,
    pub(super) lane: i16,
    /// Deliveries after this seq.
    pub(super) after: i64,
    /// Deliveries up to this seq.
    pub(super) upto: i64,
    /// Deliveries of this key.
    pub(super) only: Option<Arc<str>>,
    /// Deliveries of other keys than these.
    pub(super) except: Vec<Arc<str>>,
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
    /// If not: every delivery that was asked for up to this seq is in the rows.
    pub(super) examined: i64,
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
    let (has_keys, has_exceptions) = (
        asks.iter().any(|ask| ask.only.is_some()),
        asks.iter().any(|ask| !ask.except.is_empty()),
    );
    // Before the page: what it finds is then complete up to here.
    let examined = if has_exceptions {
        last(database, &asks).await?
    } else {
        Vec::new()
    };
    let only = if has_keys {
        "AND (ask.of_key IS NULL OR d.key = ask.of_key)"
    } else {
        ""
    };
    let except = if has_exceptions {
        "AND NOT EXISTS (
             SELECT FROM unnest($10::int8[], $11::text[]) AS left_out (n, key)
             WHERE left_out.n = ask.n AND left_out.key = d.key
         )"
    } else {
        "AND $10::int8[] IS NOT NULL AND $11::text[] IS NOT NULL"
    };
    let statement = format!(
        "SELECT {COLUMNS}, page.n, page.total
         FROM (
             SELECT ask.*, rows.*, sum(octet_length(rows.data)) OVER (PARTITION BY ask.n ORDER BY rows.seq)
                 - octet_length(rows.data) AS before, count(*) OVER (PARTITION BY ask.n) AS total
             FROM unnest($1::uuid[], $2::int2[], $3::int8[], $4::int8[], $5::int8[], $6::int8[], $8::int8[], $9::text[])
                 WITH ORDINALITY AS ask (subscription, lane, after, most, bytes, tried, upto, of_key, n)
             CROSS JOIN LATERAL (
                 SELECT d.seq, d.id, d.key, d.type, d.moment, d.at, d.data::text AS data FROM delivery AS d
                 WHERE d.subscription = ask.subscription AND d.lane = ask.lane AND d.seq > ask.after AND d.at >= $7
                     AND d.seq <= ask.upto {only} {except}
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
    let upto = column(|ask| ask.upto);
    let keys: Vec<Option<&str>> = asks.iter().map(|ask| ask.only.as_deref()).collect();
    let (mut except_of, mut excepted) = (Vec::new(), Vec::new());
    for (n, ask) in (1_i64..).zip(&asks) {
        except_of.extend(ask.except.iter().map(|_| n));
        excepted.extend(ask.except.iter().map(|key| &**key));
    }
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
                (&upto, Type::INT8_ARRAY),
                (&keys, Type::TEXT_ARRAY),
                (&except_of, Type::INT8_ARRAY),
                (&excepted, Type::TEXT_ARRAY),
            ],
        )
        .await?;
    drop(timer);
    let empty = |(n, ask): (usize, Ask)| Page {
        examined: examined.get(n).copied().unwrap_or(ask.after),
        ask,
        rows: Vec::new(),
        more: false,
    };
    let mut pages: Vec<Page> = asks.into_iter().enumerate().map(empty).collect();
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

/// Reads the data of deliveries again, in the order that they are asked for; none where retention has dropped one.
pub(super) async fn again(database: &Database, stale: &[Stale]) -> Result<Vec<Option<Arc<str>>>, Error> {
    // By the moment, partitions of other days are left out.
    let statement = "
        SELECT stale.n, d.data
        FROM unnest($1::uuid[], $2::int2[], $3::int8[], $4::timestamptz[])
            WITH ORDINALITY AS stale (subscription, lane, seq, at, n)
        CROSS JOIN LATERAL (
            SELECT data::text AS data FROM delivery
            WHERE delivery.subscription = stale.subscription AND delivery.lane = stale.lane AND delivery.seq = stale.seq
                AND delivery.at = stale.at
            LIMIT 1
        ) AS d";
    let subscriptions: Vec<Uuid> = stale.iter().map(|stale| stale.subscription).collect();
    let lanes: Vec<i16> = stale.iter().map(|stale| stale.place.0).collect();
    let seqs: Vec<i64> = stale.iter().map(|stale| stale.place.1).collect();
    let moments: Vec<Timestamp> = stale.iter().map(|stale| super::attempts::timestamp(stale.at)).collect();
    let parameters: [(&(dyn ToSql + Sync), Type); 4] = [
        (&subscriptions, Type::UUID_ARRAY),
        (&lanes, Type::INT2_ARRAY),
        (&seqs, Type::INT8_ARRAY),
        (&moments, Type::TIMESTAMPTZ_ARRAY),
    ];
    let timer = Timer::of("refresh_deliveries");
    let rows = database.query(statement, &parameters).await?;
    drop(timer);
    let mut found = vec![None; stale.len()];
    for row in rows {
        let n: i64 = row.try_get(0)?;
        if let Some(found) = usize::try_from(n - 1).ok().and_then(|at| found.get_mut(at)) {
            *found = Some(Arc::from(row.try_get::<_, &str>(1)?));
        }
    }
    Ok(found)
}

/// The last seq of each lane that is asked for.
async fn last(database: &Database, asks: &[Ask]) -> Result<Vec<i64>, Error> {
    let statement = "
        SELECT coalesce((
            SELECT max(d.seq) FROM delivery AS d
            WHERE d.subscription = ask.subscription AND d.lane = ask.lane AND d.seq > ask.after
        ), ask.after)
        FROM unnest($1::uuid[], $2::int2[], $3::int8[]) WITH ORDINALITY AS ask (subscription, lane, after, n)
        ORDER BY n";
    let subscriptions: Vec<Uuid> = asks.iter().map(|ask| ask.subscription).collect();
    let lanes: Vec<i16> = asks.iter().map(|ask| ask.lane).collect();
    let after: Vec<i64> = asks.iter().map(|ask| ask.after).collect();
    let parameters: [(&(dyn ToSql + Sync), Type); 3] = [
        (&subscriptions, Type::UUID_ARRAY),
        (&lanes, Type::INT2_ARRAY),
        (&after, Type::INT8_ARRAY),
    ];
    let rows = database.query(statement, &parameters).await?;
    Ok(rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?)
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
