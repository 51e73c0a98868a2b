//! Readings in pages and as lines.

use super::fleet::{Fleet, LATITUDE, LONGITUDE};
use super::unit;
use super::zones::{ZONES, moment, text, utc_date};
use std::fmt::Write;

/// A reading: time, device, sensor, value.
type Reading = (i64, String, String, f64);

/// What is asked for, as parameters and as the names and the span that they mean.
struct Asked {
    query: String,
    devices: &'static [&'static str],
    sensors: &'static [&'static str],
    span: (i64, i64),
}

impl Asked {
    /// Its readings.
    fn of(&self, all: &[Reading]) -> Vec<Reading> {
        let mut readings = all.to_vec();
        readings.retain(|(time, device, sensor, _)| {
            let is_within = (self.span.0..self.span.1).contains(time);
            is_within && is_asked(self.devices, device) && is_asked(self.sensors, sensor)
        });
        readings
    }
}

/// Whether a name is asked for; all are without one.
fn is_asked(names: &[&str], name: &str) -> bool {
    names.is_empty() || names.contains(&name)
}

/// Questions whose ends are dates of several zones, or moments.
fn questions(all: &[Reading]) -> Vec<Asked> {
    let (first, last) = (all[0].0, all[all.len() - 1].0);
    let mut questions = vec![Asked {
        query: "tz=UTC".to_owned(),
        devices: &[],
        sensors: &[],
        span: (i64::MIN, i64::MAX),
    }];
    for zone in &ZONES {
        // From the second day on, when drives are under way; and the last day alone.
        let second = utc_date(first).tomorrow().unwrap();
        let of_last = zone.date(last);
        let after = of_last.tomorrow().unwrap();
        questions.push(Asked {
            query: format!("device=gap&device=late&from={second}&to={of_last}&tz={}", zone.name),
            devices: &["gap", "late"],
            sensors: &[],
            span: (zone.midnight(second), zone.midnight(of_last)),
        });
        questions.push(Asked {
            query: format!(
                "sensor={LATITUDE}&sensor=speed&from={of_last}&to={after}&tz={}",
                zone.name
            ),
            devices: &[],
            sensors: &[LATITUDE, "speed"],
            span: (zone.midnight(of_last), zone.midnight(after)),
        });
    }
    // Both ends are moments of readings.
    let (from, to) = (all[all.len() / 3].0, all[all.len() / 2].0);
    questions.push(Asked {
        query: format!("device=ordered&sensor=speed&from={}&to={}", text(from), text(to)),
        devices: &["ordered"],
        sensors: &["speed"],
        span: (from, to),
    });
    questions
}

#[tokio::test]
async fn pages_and_lines_have_what_was_sent() {
    let fleet = Fleet::start(&["speed", LATITUDE, LONGITUDE]).await;
    let mut all: Vec<Reading> = Vec::new();
    for ((device, sensor), series) in &fleet.held {
        let reading = |(time, value): (&i64, &f64)| (*time, device.clone(), sensor.clone(), *value);
        all.extend(series.iter().map(reading));
    }
    all.sort_by(|one, other| (one.0, &one.1, &one.2).cmp(&(other.0, &other.1, &other.2)));
    let mut told = 0;
    for asked in questions(&all) {
        let mut expected = asked.of(&all);
        told += usize::from(!expected.is_empty());
        pages(&fleet, &asked.query, &expected, 10_000).await;
        let newest = expected.iter().rev().take(3 * 997 + 1).cloned().collect::<Vec<_>>();
        let is_whole = newest.len() == expected.len();
        newest_pages(&fleet, &asked.query, &newest, is_whole).await;
        expected.sort_by(|one, other| (&one.1, &one.2, one.0).cmp(&(&other.1, &other.2, other.0)));
        lines(&fleet, &asked.query, &expected).await;
    }
    assert!(told > 5, "{told} questions have an answer with readings");
}

/// A page, and the cursor of the next one.
async fn page(fleet: &Fleet, query: &str) -> (Vec<Reading>, Option<String>) {
    let page = fleet.ok(&format!("readings?{query}")).await;
    let mut readings = Vec::new();
    for reading in page["readings"].as_array().unwrap() {
        let name = |member: &str| reading[member].as_str().unwrap().to_owned();
        assert_eq!(reading["unit"].as_str(), unit(&name("sensor")), "{reading}");
        let time = moment(&name("timestamp"));
        assert_eq!(text(time), name("timestamp"));
        readings.push((time, name("device"), name("sensor"), reading["value"].as_f64().unwrap()));
    }
    (readings, page["nextCursor"].as_str().map(str::to_owned))
}

/// Fails unless the pages of a question have these readings.
async fn pages(fleet: &Fleet, query: &str, expected: &[Reading], limit: usize) {
    let mut left = expected;
    let mut cursor = String::new();
    loop {
        let (readings, next) = page(fleet, &format!("{query}&limit={limit}{cursor}")).await;
        let (these, rest) = left.split_at(left.len().min(limit));
        // Without the whole of both in the message.
        assert!(
            readings == these,
            "{query}: {} and {} readings",
            readings.len(),
            these.len()
        );
        left = rest;
        assert_eq!(next.is_some(), !left.is_empty(), "{query}");
        let Some(next) = next else { break };
        cursor = format!("&cursor={next}");
    }
}

/// Fails unless the newest readings of a question are these, the newest first.
async fn newest_pages(fleet: &Fleet, query: &str, expected: &[Reading], is_whole: bool) {
    let mut cursor = String::new();
    // The last page of the part has one reading.
    for these in expected.chunks(997) {
        let limit = these.len();
        let (readings, next) = page(fleet, &format!("{query}&order=desc&limit={limit}{cursor}")).await;
        assert!(readings == these, "{query}: {} and {limit} readings", readings.len());
        cursor = next.map(|next| format!("&cursor={next}")).unwrap_or_default();
    }
    assert_eq!(cursor.is_empty(), is_whole, "{query}");
}

/// Fails unless the lines of a question are those of these readings, byte for byte.
async fn lines(fleet: &Fleet, query: &str, expected: &[Reading]) {
    let (mut ndjson, mut csv) = (String::new(), "device,sensor,timestamp,value,unit\n".to_owned());
    for (time, device, sensor, value) in expected {
        let timestamp = text(*time);
        writeln!(
            ndjson,
            r#"{{"sensor":"{sensor}","value":{value},"timestamp":"{timestamp}","device":"{device}"}}"#
        )
        .unwrap();
        let unit = unit(sensor).unwrap_or_default();
        writeln!(csv, "{device},{sensor},{timestamp},{value},{unit}").unwrap();
    }
    for (format, expected) in [("ndjson", ndjson), ("csv", csv)] {
        let found = fleet.text(&format!("readings?{query}&format={format}")).await;
        let differs = found
            .lines()
            .zip(expected.lines())
            .find(|(found, expected)| found != expected);
        assert_eq!(differs, None, "{query} {format}");
        assert!(
            found == expected,
            "{query}: {} and {} bytes",
            found.len(),
            expected.len()
        );
    }
}
