//! Numbers of the page equal those of plain Rust over the same readings: of real recordings, where they are there.

use crate::browser::Browser;
use crate::live::figure;
use crate::odograph::{LONG, Odograph};
use flate2::read::MultiGzDecoder;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::time::Instant;
use testutil::{Program, poll, recordings};

#[path = "../../internal/query/trips/tests/naive.rs"]
mod naive;

/// Sensors that are compared: what the page calls them, their unit there, and digits behind the point.
const SENSORS: [(&str, &str, &str, i32); 5] = [
    ("speed", "Speed", "km/h", 0),
    ("revolution", "Revolutions", "rpm", 0),
    ("fuel", "Fuel", "%", 0),
    ("engine_temperature", "Engine temperature", "°C", 0),
    ("location_latitude", "Latitude", "°", 5),
];

/// Values by microseconds of each sensor.
type Series = BTreeMap<String, BTreeMap<i64, f64>>;

/// Recordings by the name of a device; a simulated drive where the recordings are absent, which is said.
async fn series() -> BTreeMap<String, Series> {
    let mut bodies = BTreeMap::new();
    if let Some(folder) = recordings() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let Some(name) = name.strip_suffix(".ndjson.gz") else {
                continue;
            };
            let mut text = String::new();
            let mut file = MultiGzDecoder::new(File::open(&path).unwrap());
            file.read_to_string(&mut text).unwrap();
            bodies.insert(name.to_owned(), text);
        }
        assert!(
            bodies.len() >= 5,
            "the recordings are not all there: {:?}",
            bodies.keys()
        );
    } else {
        let flags = [
            "simulate",
            "--seed",
            "7",
            "--for",
            "10m",
            "--start",
            "2026-06-01T08:00:00Z",
        ];
        let mut drive = Program::new("odograph").args(flags).spawn();
        assert_eq!(drive.wait(LONG).await, 0);
        bodies.insert("simulated".to_owned(), drive.stdout().join("\n"));
    }
    let all = bodies.into_iter().map(|(name, text)| (name, read(&text)));
    all.collect()
}

/// The first value of each identity.
fn read(text: &str) -> Series {
    let mut series = Series::new();
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let sensor = line["sensor"].as_str().unwrap();
        let is_compared = SENSORS.iter().any(|known| known.0 == sensor);
        if is_compared || sensor == "location_longitude" {
            let time: Timestamp = line["timestamp"].as_str().unwrap().parse().unwrap();
            let values = series.entry(sensor.to_owned()).or_default();
            values
                .entry(time.as_microsecond())
                .or_insert(line["value"].as_f64().unwrap());
        }
    }
    series
}

fn lines(device: &str, series: &Series) -> String {
    let lines = series.iter().flat_map(|(sensor, values)| {
        values.iter().map(move |(time, value)| {
            let time = moment(*time).to_string();
            let line = json!({"device": device, "sensor": sensor, "value": value, "timestamp": time});
            format!("{line}\n")
        })
    });
    lines.collect()
}

fn moment(microseconds: i64) -> Timestamp {
    Timestamp::from_microsecond(microseconds).unwrap()
}

/// A number with so many digits behind the point; halves are rounded away from zero, as the page does.
fn fixed(value: f64, digits: i32) -> String {
    let factor = 10_f64.powi(digits);
    format!(
        "{:.*}",
        usize::try_from(digits).unwrap(),
        (value * factor).round() / factor
    )
}

/// Names and values of a list of figures, the values without spaces and without commas of thousands.
fn figures(selector: &str) -> String {
    format!(
        "return Object.fromEntries([...document.querySelectorAll('{selector} > div')].map((figure) =>
            [figure.querySelector('dt').textContent, figure.querySelector('dd').textContent.replace(/[\\s,]/g, '')]))"
    )
}

/// Waits until a list of figures is this one.
async fn says(browser: &Browser, selector: &str, expected: &Value, what: &str) {
    let script = figures(selector);
    let end = Instant::now() + LONG;
    loop {
        let found = browser.run(&script).await;
        if found == *expected {
            return;
        }
        assert!(Instant::now() < end, "{what}: {found} instead of {expected}");
    }
}

#[tokio::test]
async fn numbers_are_those_of_plain_rust() {
    let all = series().await;
    let odograph = Odograph::start(&[]).await;
    for (device, series) in &all {
        odograph.upload(lines(device, series)).await;
    }
    let browser = Browser::start().await;
    browser.zone("UTC").await;
    let mut trips = 0;
    for (device, series) in &all {
        trips += drives(&browser, &odograph, device, series).await;
        charts(&browser, &odograph, device, series).await;
        // The figures of Live are the last values.
        browser.open(&format!("{}/?device={device}", odograph.url)).await;
        for (sensor, name, unit, digits) in &SENSORS[..4] {
            let last = series.get(*sensor).and_then(|values| values.values().next_back());
            let text = last.map_or("–".to_owned(), |value| grouped(&fixed(*value, *digits)));
            figure(&browser, name, &format!("{text} {unit}")).await;
        }
    }
    assert!(trips > 0, "no trips in {:?}", all.keys());
    assert_eq!(browser.console().await, Vec::<String>::new());
}

/// A whole number with commas of thousands.
fn grouped(digits: &str) -> String {
    match digits.len().checked_sub(3) {
        Some(at) if at > 0 && !digits.starts_with('-') => format!("{},{}", &digits[..at], &digits[at..]),
        _ => digits.to_owned(),
    }
}

/// The figures of each drive, by a computation of trips that shares no code with the server's. Returns their number.
async fn drives(browser: &Browser, odograph: &Odograph, device: &str, series: &Series) -> usize {
    let of = |sensor: &str| series.get(sensor).cloned().unwrap_or_default();
    let longitudes = of("location_longitude");
    let places = of("location_latitude").into_iter();
    let recording = naive::Recording {
        speeds: of("speed").into_iter().collect(),
        fuel: of("fuel").into_iter().collect(),
        places: places
            .filter_map(|(time, north)| Some((time, north, *longitudes.get(&time)?)))
            .collect(),
    };
    let trips = naive::trips(&recording);
    for trip in &trips {
        let (from, to) = (moment(trip.from), moment(trip.to));
        let long = from.duration_until(to).as_secs_f64();
        let moving = SignedDuration::from_micros(trip.moving_time).as_secs_f64();
        let fuel = trip.fuel.map_or("–".to_owned(), |used| fixed(used, 1));
        let expected = json!({
            "Distance": distance(trip.distance),
            "Time": duration(long),
            "Moving": duration(moving),
            "Top speed": format!("{}km/h", fixed(trip.top_speed, 0)),
            "Average speed": format!("{}km/h", fixed(trip.distance / long * 3.6, 0)),
            "Fuel used": format!("{fuel}%"),
        });
        let url = format!("{}/drives?device={device}&trip={from}", odograph.url);
        browser.open(&url).await;
        says(browser, ".drives-figures", &expected, &url).await;
    }
    trips.len()
}

fn distance(metres: f64) -> String {
    let kilometres = metres / 1000.0;
    format!("{}km", fixed(kilometres, i32::from(kilometres < 9.95)))
}

fn duration(seconds: f64) -> String {
    if seconds < 59.5 {
        return format!("{}s", fixed(seconds, 0));
    }
    let minutes = (seconds / 60.0).round();
    if minutes < 60.0 {
        format!("{minutes:.0}min")
    } else {
        format!("{:.0}:{:02.0}h", (minutes / 60.0).floor(), minutes % 60.0)
    }
}

/// The figures of a span, which is wider than the recording.
async fn charts(browser: &Browser, odograph: &Odograph, device: &str, series: &Series) {
    let times = || series.values().flat_map(BTreeMap::keys);
    let begin = moment(*times().min().unwrap()) - SignedDuration::from_mins(5);
    let end = moment(*times().max().unwrap()) + SignedDuration::from_mins(5);
    let known: Vec<_> = SENSORS.iter().filter(|sensor| series.contains_key(sensor.0)).collect();
    let names: Vec<&str> = known.iter().map(|sensor| sensor.0).collect();
    let url = format!(
        "{}/charts?device={device}&sensors={}&from={begin}&to={end}",
        odograph.url,
        names.join(",")
    );
    browser.open(&url).await;
    for (sensor, name, unit, digits) in known {
        let values = &series[*sensor];
        let count = values.len();
        let sum: f64 = values.values().sum();
        let least = values.values().copied().fold(f64::INFINITY, f64::min);
        let greatest = values.values().copied().fold(f64::NEG_INFINITY, f64::max);
        let text = |value: f64| format!("{}{unit}", fixed(value, *digits));
        let expected = json!({
            "Least": text(least),
            "Average": text(sum / f64::from(u32::try_from(count).unwrap())),
            "Greatest": text(greatest),
            "Readings": count.to_string(),
        });
        let selector = format!(".charts-figures[aria-label=\"{name}: figures of the span\"]");
        says(browser, &selector, &expected, &format!("{name} of {url}")).await;
    }
}

/// How often a month of readings of 50 km/h has another one, by the rows of the table: `[least, greatest]` of each row
/// that has one.
const PEAKS: &str = "const rows = [...document.querySelectorAll('odo-chart tbody tr')].map((row) =>
        [...row.querySelectorAll('td')].map((cell) => cell.textContent));
    return rows.filter((row) => row.length !== 3 || row[0] !== '50' || row[2] !== '50')
        .map((row) => [row[0], row[2]])";

#[tokio::test]
async fn a_peak_of_one_reading_stays_at_each_zoom() {
    let odograph = Odograph::start(&[]).await;
    // Each five minutes, and one reading between two of them.
    let begin: Timestamp = "2026-05-01T00:00:00Z".parse().unwrap();
    let line = |seconds: i64, value: f64| {
        let time = (begin + SignedDuration::from_secs(seconds)).to_string();
        let reading = json!({"device": "lada", "sensor": "speed", "value": value, "timestamp": time});
        format!("{reading}\n")
    };
    let mut body: String = (0..30 * 288).map(|at| line(at * 300, 50.0)).collect();
    body.push_str(&line(15 * 86_400 + 100, 187.0));
    odograph.upload(body).await;
    let browser = Browser::start().await;
    browser.zone("UTC").await;
    let span = "from=2026-05-01T00:00:00Z&to=2026-05-31T00:00:00Z";
    browser
        .open(&format!("{}/charts?device=lada&sensors=speed&{span}", odograph.url))
        .await;
    browser
        .until("return document.querySelector('odo-chart [aria-valuetext]') !== null")
        .await;
    browser
        .run("document.querySelector('odo-chart details').open = true")
        .await;
    let peak = json!([["50", "187"]]);
    let greatest =
        "return document.querySelector('odo-chart [id$=-summary]').textContent.includes('greatest 187 km/h')";
    // The month, sixty days, and a quarter of the month.
    let zooms: [&[&str]; 3] = [&[], &["Zoom out"], &["Zoom in", "Zoom in", "Zoom in"]];
    for presses in zooms {
        for name in presses {
            let before = browser.run("return location.search").await;
            let press = format!("document.querySelector('.charts-moves [aria-label=\"{name}\"]').click()");
            browser.run(&press).await;
            poll(LONG, async || {
                (browser.run("return location.search").await != before).then_some(())
            })
            .await;
            browser
                .until(
                    "const asked = new URL(location).searchParams;
                    const plot = document.querySelector('odo-chart [role=slider]');
                    return Number(plot.getAttribute('aria-valuemin')) === Date.parse(asked.get('from'))
                        && Number(plot.getAttribute('aria-valuemax')) === Date.parse(asked.get('to'))",
                )
                .await;
        }
        poll(LONG, async || (browser.run(PEAKS).await == peak).then_some(())).await;
        browser.until(greatest).await;
    }
}
