//! A page as JSON.
//!
//! The readings of a series on a day differ only in time and value. So what they have in common is made once, by the
//! types that the description of the API is made of, and copied for each of them.

use super::{Page, Reading, Row, Series};
use crate::words::{DroppedDay, Time, places, unit};
use reading::time::{DAY, write_time_of_day};
use web::Problem;

/// About how many bytes a reading has.
const READING: usize = 128;

/// What a page begins with.
const HEAD: &str = "{\"readings\":[";

/// What a reading has between what is common: at midnight, of the value zero. No name holds this, since a name's
/// quotes are escaped.
const MIDDLE: &str = "00:00:00Z\",\"value\":0.0";

/// The bytes of a [`Page`] of these readings.
pub(super) fn json(
    series: &[Series],
    rows: &[Row],
    next_cursor: Option<String>,
    dropped: Vec<DroppedDay>,
) -> Result<Vec<u8>, Problem> {
    let page = Page {
        readings: Vec::new(),
        next_cursor,
        dropped,
    };
    let page = serde_json::to_string(&page).map_err(Problem::internal)?;
    let end = page.strip_prefix(HEAD).ok_or_else(unlike)?;
    let mut common: Vec<Option<Common>> = series.iter().map(|_| None).collect();
    let mut json = Vec::with_capacity(page.len() + rows.len() * READING);
    json.extend_from_slice(HEAD.as_bytes());
    for row in rows {
        let Some((series, common)) = series.get(row.series).zip(common.get_mut(row.series)) else {
            continue;
        };
        let midnight = row.timestamp - row.timestamp.rem_euclid(DAY);
        let known = common.take().filter(|common| common.midnight == midnight);
        let known = match known {
            Some(known) => known,
            None => Common::of(series, midnight)?,
        };
        if json.len() > HEAD.len() {
            json.push(b',');
        }
        known.write(*row, &mut json)?;
        *common = Some(known);
    }
    json.extend_from_slice(end.as_bytes());
    Ok(json)
}

/// What the readings of a series on a day have in common.
#[derive(Debug)]
struct Common {
    midnight: i64,
    /// Up to the hour.
    head: String,
    /// After the value.
    tail: String,
}

impl Common {
    fn of(series: &Series, midnight: i64) -> Result<Self, Problem> {
        let reading = Reading {
            device: &series.device,
            sensor: &series.sensor,
            timestamp: Time(places::timestamp(midnight)),
            value: 0.0,
            unit: unit(&series.sensor),
        };
        let reading = serde_json::to_string(&reading).map_err(Problem::internal)?;
        let (head, tail) = reading.split_once(MIDDLE).ok_or_else(unlike)?;
        Ok(Self {
            midnight,
            head: head.to_owned(),
            tail: tail.to_owned(),
        })
    }

    /// Appends a reading.
    fn write(&self, row: Row, to: &mut Vec<u8>) -> Result<(), Problem> {
        to.extend_from_slice(self.head.as_bytes());
        write_time_of_day(row.timestamp - self.midnight, to);
        to.extend_from_slice(b"\",\"value\":");
        serde_json::to_writer(&mut *to, &row.value).map_err(Problem::internal)?;
        to.extend_from_slice(self.tail.as_bytes());
        Ok(())
    }
}

fn unlike() -> Problem {
    Problem::internal("the types of a page are written otherwise than its readings")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readings::END;
    use crate::words::reach::BEGINNING;
    use archive::Day;
    use proptest::prelude::*;

    /// Names that a device or a sensor may have, and others that SQL may have written.
    static NAMES: [&str; 9] = [
        "speed",
        "lada:2.b-c_d",
        "",
        "a\"b\\c/d",
        "\u{1}\t\n\u{7f}",
        "ё\u{2028}😀",
        "00:00:00Z\",\"value\":0.0",
        "{\"readings\":[",
        "</script>",
    ];

    /// Each name as a device, and another one as a sensor.
    fn series() -> Vec<Series> {
        let sensors = NAMES.iter().cycle().skip(1);
        let named = (0..).zip(NAMES.iter().zip(sensors).chain([(&"lada", &"speed")]));
        let series = named.map(|(id, (device, sensor))| Series {
            id,
            device: (*device).to_owned(),
            sensor: (*sensor).to_owned(),
            latest: None,
        });
        series.collect()
    }

    /// As the types alone write it.
    fn expected(series: &[Series], rows: &[Row], next_cursor: Option<String>, dropped: Vec<DroppedDay>) -> String {
        let readings = rows.iter().map(|row| Reading {
            device: &series[row.series].device,
            sensor: &series[row.series].sensor,
            timestamp: Time(places::timestamp(row.timestamp)),
            value: row.value,
            unit: unit(&series[row.series].sensor),
        });
        let page = Page {
            readings: readings.collect(),
            next_cursor,
            dropped,
        };
        serde_json::to_string(&page).unwrap()
    }

    fn written(series: &[Series], rows: &[Row], next_cursor: Option<String>, dropped: Vec<DroppedDay>) -> String {
        String::from_utf8(json(series, rows, next_cursor, dropped).unwrap()).unwrap()
    }

    #[test]
    fn odd_names_times_and_values() {
        let series = series();
        let noon = DAY * 15_000 + DAY / 2;
        let times = [
            BEGINNING,
            BEGINNING + 1,
            -DAY,
            -1,
            0,
            1,
            DAY - 1,
            DAY,
            noon,
            noon + 500_000,
            noon + 511_000,
            noon + 511_100,
            END - 1,
        ];
        let values = [
            0.0,
            -0.0,
            1.0,
            -55.5,
            100.0,
            1e-5,
            1e-7,
            0.1 + 0.2,
            1e15,
            1e16,
            1e21,
            f64::MAX,
            f64::MIN_POSITIVE,
            5e-324,
            9_007_199_254_740_993.0,
            f64::NAN,
            f64::INFINITY,
        ];
        let mut rows = Vec::new();
        for timestamp in times {
            for value in values {
                rows.extend((0..series.len()).map(|series| Row {
                    series,
                    timestamp,
                    value,
                }));
            }
        }
        let dropped = DroppedDay {
            date: Day::at(17_320).unwrap(),
            url: "/dumps/2017-06-03.json.gz".to_owned(),
        };
        for (next, dropped) in [(None, vec![]), (Some("AQ-_".to_owned()), vec![dropped])] {
            for rows in [&rows[..], &rows[..1], &[]] {
                let page = written(&series, rows, next.clone(), dropped.clone());
                assert_eq!(page, expected(&series, rows, next.clone(), dropped.clone()));
            }
        }
    }

    proptest! {
        #[test]
        fn as_the_types_write_it(
            rows in prop::collection::vec((0..=NAMES.len(), BEGINNING..END, any::<u64>()), 0..20),
        ) {
            let rows: Vec<Row> = rows
                .into_iter()
                .map(|(series, timestamp, bits)| Row { series, timestamp, value: f64::from_bits(bits) })
                .collect();
            let series = series();
            prop_assert_eq!(written(&series, &rows, None, vec![]), expected(&series, &rows, None, vec![]));
        }
    }
}
