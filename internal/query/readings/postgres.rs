//! Reads series and their readings from PostgreSQL.
//!
//! Every statement names the span that it reads, so that the planner knows its ends and touches the partitions
//! of no other month. Arrays return many readings in half the time of rows.

use super::{Filter, Order, Row, Series, Span};
use crate::words::Database;
use ::postgres::Error;
use store::Timestamptz;
use tokio_postgres::types::{ToSql, Type};

/// A parameter and its type.
type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

/// The series of a filter after the one of this device and sensor, at most `most`, in order of device and then
/// sensor.
pub(super) async fn series(
    database: &Database,
    filter: &Filter,
    after: Option<&Series>,
    most: usize,
) -> Result<Vec<Series>, Error> {
    let named = |names: &'static str, place: usize| format!("(${place}::text[] IS NULL OR {names} = ANY (${place}))");
    let statement = format!(
        "SELECT id, device, sensor, latest_timestamp FROM series
         WHERE {} AND {} AND (device, sensor) > ($3, $4)
         ORDER BY device, sensor LIMIT {most}",
        named("device", 1),
        named("sensor", 2)
    );
    let some = |names: &[String]| (!names.is_empty()).then(|| names.to_vec());
    let (devices, sensors) = (some(&filter.devices), some(&filter.sensors));
    let (device, sensor) = after.map_or(("", ""), |series| (series.device.as_str(), series.sensor.as_str()));
    let rows = database
        .query(
            &statement,
            &[
                (&devices, Type::TEXT_ARRAY),
                (&sensors, Type::TEXT_ARRAY),
                (&device, Type::TEXT),
                (&sensor, Type::TEXT),
            ],
        )
        .await?;
    let series = rows.iter().map(|row| {
        let latest: Option<Timestamptz> = row.try_get(3)?;
        Ok(Series {
            id: row.try_get(0)?,
            device: row.try_get(1)?,
            sensor: row.try_get(2)?,
            latest: latest.map(|Timestamptz(latest)| latest),
        })
    });
    series.collect()
}

/// The timestamp of the earliest reading of these series before a moment. It is searched in the partitions of
/// all months.
pub(super) async fn earliest(database: &Database, series: &[i32], before: i64) -> Result<Option<i64>, Error> {
    let statement = "
        SELECT min(timestamp)
        FROM unnest($1::int[]) AS asked (id)
        CROSS JOIN LATERAL (
            SELECT timestamp FROM reading
            WHERE series_id = id AND timestamp < $2
            ORDER BY timestamp LIMIT 1
        ) AS one";
    let before = Timestamptz(before);
    let rows = database
        .query(statement, &[(&series, Type::INT4_ARRAY), (&before, Type::TIMESTAMPTZ)])
        .await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let earliest: Option<Timestamptz> = row.try_get(0)?;
    Ok(earliest.map(|Timestamptz(earliest)| earliest))
}

/// Readings at one moment that earlier pages had: in the order of [`Order::Asc`] those of the first series, else
/// those of the others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Earlier {
    pub(super) moment: i64,
    /// Number of the first series.
    pub(super) series: usize,
}

/// Some series' readings within a span, of which one statement reads the first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Selection<'a> {
    /// Ids. A row's number of its series is that among these.
    pub(super) series: &'a [i32],
    pub(super) span: Span,
    pub(super) order: Order,
    /// The most readings, of all series together or of each.
    pub(super) most: usize,
}

impl Selection<'_> {
    /// At most `most` of all series together, in order of time and series, without those of `earlier`.
    pub(super) async fn merged(&self, database: &Database, earlier: Earlier) -> Result<Vec<Row>, Error> {
        let Self { most, .. } = self;
        let (direction, known) = match self.order {
            Order::Asc => ("ASC", "<="),
            Order::Desc => ("DESC", ">"),
        };
        // The condition on `earlier` is no bound of the index, so that the planner knows how many rows the bounds hold.
        let first = self.first(&format!("AND NOT (timestamp = $4 AND place {known} $5)"));
        let statement = format!(
            "SELECT array_agg(place), array_agg(timestamp), array_agg(value)
             FROM (
                 SELECT place::int4, timestamp, value
                 FROM unnest($1::int[]) WITH ORDINALITY AS asked (id, place)
                 CROSS JOIN LATERAL ({first}) AS of_series
                 ORDER BY timestamp {direction}, place {direction} LIMIT {most}
             ) AS merged"
        );
        let moment = Timestamptz(earlier.moment);
        let places = i64::try_from(earlier.series).unwrap_or(i64::MAX);
        let earlier: [Parameter<'_>; 2] = [(&moment, Type::TIMESTAMPTZ), (&places, Type::INT8)];
        rows(&self.ask(database, &statement, &earlier).await?)
    }

    /// At most `most` of each series, series by series.
    ///
    /// A row for each series, of two arrays, costs PostgreSQL a third of [`Self::merged`]: it sorts nothing, and names
    /// no series for each reading.
    pub(super) async fn of_each(&self, database: &Database) -> Result<Vec<Row>, Error> {
        let first = self.first("");
        let statement = format!(
            "SELECT place::int4, times, measured
             FROM unnest($1::int[]) WITH ORDINALITY AS asked (id, place)
             CROSS JOIN LATERAL (
                 SELECT array_agg(timestamp), array_agg(value) FROM ({first}) AS of_series
             ) AS arrays (times, measured)
             WHERE times IS NOT NULL"
        );
        let mut rows = Vec::new();
        for row in self.ask(database, &statement, &[]).await? {
            let place: i32 = row.try_get(0)?;
            let times: Vec<Timestamptz> = row.try_get(1)?;
            let values: Vec<f64> = row.try_get(2)?;
            let series = usize::try_from(place - 1).unwrap_or(usize::MAX);
            let readings = times.into_iter().zip(values);
            rows.extend(readings.map(|(Timestamptz(timestamp), value)| Row {
                series,
                timestamp,
                value,
            }));
        }
        Ok(rows)
    }

    /// At most `most` of all series together: series by series, each in order of time.
    ///
    /// SQL promises no order without ORDER BY, which would make the server sort. The join is a loop, so the rows come
    /// in order, and the caller checks it.
    pub(super) async fn in_turn(&self, database: &Database) -> Result<Vec<Row>, Error> {
        let (first, most) = (self.first(""), self.most);
        let statement = format!(
            "SELECT array_agg(place), array_agg(timestamp), array_agg(value)
             FROM (
                 SELECT place::int4, timestamp, value
                 FROM unnest($1::int[]) WITH ORDINALITY AS asked (id, place)
                 CROSS JOIN LATERAL ({first}) AS of_series
                 LIMIT {most}
             ) AS in_turn"
        );
        rows(&self.ask(database, &statement, &[]).await?)
    }

    /// Selects the first readings of the series `id` that meet a condition.
    fn first(&self, condition: &str) -> String {
        let Self { most, .. } = self;
        let direction = match self.order {
            Order::Asc => "ASC",
            Order::Desc => "DESC",
        };
        format!(
            "SELECT timestamp, value FROM reading
             WHERE series_id = id AND timestamp >= $2 AND timestamp < $3 {condition}
             ORDER BY timestamp {direction} LIMIT {most}"
        )
    }

    /// Runs a statement. `$1` are the series, `$2` and `$3` the span; `more` come after these.
    async fn ask(
        &self,
        database: &Database,
        statement: &str,
        more: &[Parameter<'_>],
    ) -> Result<Vec<tokio_postgres::Row>, Error> {
        let (from, to) = (Timestamptz(self.span.from), Timestamptz(self.span.to));
        let bounds: [Parameter<'_>; 3] = [
            (&self.series, Type::INT4_ARRAY),
            (&from, Type::TIMESTAMPTZ),
            (&to, Type::TIMESTAMPTZ),
        ];
        database.query(statement, &[&bounds[..], more].concat()).await
    }
}

/// The readings of a row of three arrays, which are null without readings.
fn rows(answer: &[tokio_postgres::Row]) -> Result<Vec<Row>, Error> {
    let Some(row) = answer.first() else {
        return Ok(Vec::new());
    };
    let places: Option<Vec<i32>> = row.try_get(0)?;
    let times: Option<Vec<Timestamptz>> = row.try_get(1)?;
    let values: Option<Vec<f64>> = row.try_get(2)?;
    let places = places.unwrap_or_default().into_iter();
    let columns = places.zip(times.unwrap_or_default()).zip(values.unwrap_or_default());
    let rows = columns.map(|((place, Timestamptz(timestamp)), value)| Row {
        series: usize::try_from(place - 1).unwrap_or(usize::MAX),
        timestamp,
        value,
    });
    Ok(rows.collect())
}
