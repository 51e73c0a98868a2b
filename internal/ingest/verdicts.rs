//! The same values get the same verdicts, however the body is encoded or cut.
//!
//! The test builds bodies of pieces with known verdicts, so that nothing depends on how the ingestor judges.
//! Bodies go in through the route as a server passes them, and come out on a bus in memory.

use crate::{Ingest, Limits};
use access::Keys;
use async_compression::tokio::bufread::{GzipEncoder, ZstdEncoder};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use bytes::Bytes;
use clap::Parser;
use event::{Lane, Reader, Writer};
use futures_util::StreamExt;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use reading::message::Message;
use reading::rejected;
use serde_json::Value;
use service::Service;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::runtime::Runtime;
use tower::ServiceExt;
use uuid::Uuid;

/// The longest line.
const LONGEST: usize = 700;

/// Rejected lines that an answer shows, and bytes of each that the answer and a dead letter show.
const SHOWN: usize = 100;
const SHOWN_BYTES: usize = 1024;

/// Device, sensor, timestamp, and the value's bits.
type Reading = (String, String, i64, u64);

/// A line of a body, without its end.
#[derive(Clone, Debug)]
enum BodyLine {
    Blank(&'static str),
    Good(String, Reading),
    /// A rejected line, and a word of the reason.
    Bad(Vec<u8>, &'static str),
    /// A line of several values, each a reading or a word of the reason.
    Several(Vec<u8>, Vec<Result<Reading, (String, &'static str)>>),
}

impl BodyLine {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Blank(text) => text.as_bytes(),
            Self::Good(text, _) => text.as_bytes(),
            Self::Bad(bytes, _) | Self::Several(bytes, _) => bytes,
        }
    }
}

/// A line of a body and its end.
type Ended = (BodyLine, &'static str);

fn good() -> impl Strategy<Value = BodyLine> {
    let device = prop_oneof![Just(None), Just(Some("lada")), Just(Some("niva"))];
    let value = any::<f64>().prop_filter("finite", |value| value.is_finite());
    let shape = 0..4_u8;
    (device, "[a-z][a-z0-9_.:-]{0,63}", 0..500_000_000_000_000_i64, value, shape).prop_map(
        |(device, sensor, after, value, shape)| {
            let timestamp = 1_000_000_000_000_000 + after;
            let moment = jiff::Timestamp::from_microsecond(timestamp).unwrap();
            let named = device.map_or(String::new(), |device| format!(r#","device":"{device}""#));
            let number = ryu::Buffer::new().format(value).to_owned();
            let text = match shape {
                0 => format!(r#"{{"sensor":"{sensor}","value":{number},"timestamp":"{moment}"{named}}}"#),
                1 => format!("\t{{ \"timestamp\" : \"{moment}\"{named} , \"value\":{number},\"sensor\":\"{sensor}\" }} "),
                2 => format!(r#"{{"more":[{{"value":"}}"}}],"sensor":"{sensor}","value":{number},"timestamp":"{moment}"{named}}}"#),
                _ => {
                    let escaped: String = sensor.bytes().map(|byte| format!("\\u{byte:04x}")).collect();
                    format!(r#"{{"sensor":"{escaped}","value":{number},"timestamp":"{moment}"{named}}}"#)
                }
            };
            BodyLine::Good(text, (device.unwrap_or("default").into(), sensor, timestamp, value.to_bits()))
        },
    )
}

fn bad() -> impl Strategy<Value = BodyLine> {
    let with = |value: &str| format!(r#"{{"sensor":"x","value":{value},"timestamp":"2020-01-01T00:00:00Z"}}"#);
    let at = |time: &str| format!(r#"{{"sensor":"x","value":1,"timestamp":"{time}"}}"#);
    let few: Vec<(Vec<u8>, &'static str)> = vec![
        (b"nonsense".to_vec(), "JSON"),
        (b"null".to_vec(), "an object with"),
        (b"[1]".to_vec(), "an object with"),
        (b"{}".to_vec(), "sensor: missing"),
        (b"a\rb".to_vec(), "JSON"),
        (b"{\"sensor\":\"\xff\"}".to_vec(), "not UTF-8 at byte 12"),
        (with("NaN").into(), "value: not a finite number"),
        (with("1e999").into(), "value: not a finite number"),
        (with("\"1\"").into(), "value: not a finite number"),
        (with("1,\"value\":1").into(), "twice"),
        (with("1,\"a\":1,\"a\":1").into(), "twice"),
        (with("1").replace("\"x\"", "\"5x\"").into(), "sensor: not a name"),
        (with("1,\"device\":\"\"").into(), "device: not a name"),
        (with("1,\"device\":null").into(), "device: not a string"),
        (at("yesterday").into(), "RFC 3339"),
        (at("2020-02-30T00:00:00Z").into(), "no such day"),
        (at("9999-12-31T00:00:00Z").into(), "no time at all"),
        (with("1,\"device\":356000000000017").into(), "write it in quotes"),
        (at("2020-02-28T23:59:60Z").into(), "leap second"),
        (at("2000-12-31T23:59:59.999999Z").into(), "too old"),
        (at("9000-01-01T00:00:00Z").into(), "future"),
    ];
    let long = (LONGEST + 1..3 * LONGEST).prop_map(|length| (vec![b'x'; length], "longer than"));
    // The carriage return counts too.
    let longest = Just((vec![b'x'; LONGEST - 1], "JSON"));
    prop_oneof![8 => proptest::sample::select(few), 1 => long, 1 => longest]
        .prop_map(|(bytes, reason)| BodyLine::Bad(bytes, reason))
}

/// Several values on a line: readings and values torn by a power cut, with blanks between them.
fn several() -> impl Strategy<Value = BodyLine> {
    let torn = proptest::sample::select(vec![
        r#"{"sensor":"x","val"#,
        r#"{"sensor":"x","value":1,"timestamp":"2020-01-01T00:00"#,
        r#"{"sensor":"x","value":1.5"#,
        "{",
    ]);
    let part = prop_oneof![
        2 => good().prop_map(|piece| match piece {
            BodyLine::Good(text, reading) => (text.trim().to_owned(), Some(reading)),
            _ => unreachable!("it is good"),
        }),
        1 => torn.prop_map(|torn| (torn.to_owned(), None)),
    ];
    let blank = proptest::sample::select(vec!["", " ", "\0\0\0", "\t", "\u{feff}"]);
    vec((part, blank), 2..4).prop_filter_map("short, and the first is whole", |parts| {
        let (mut line, mut values) = (String::new(), Vec::new());
        for ((text, reading), blank) in parts {
            line += &text;
            line += blank;
            values.push(reading.ok_or((text, "breaks off")));
        }
        // A byte order mark is no blank within a value.
        let torn_mark = line.contains("\u{feff}") && values.iter().any(Result::is_err);
        // Unknown fields hold braces, at which judging would resume.
        let nested = line.contains("more") && values.iter().any(Result::is_err);
        (line.len() <= LONGEST && values[0].is_ok() && !torn_mark && !nested)
            .then(|| BodyLine::Several(line.into_bytes(), values))
    })
}

fn pieces() -> impl Strategy<Value = Vec<Ended>> {
    let wide = " ".repeat(LONGEST + 1).leak();
    let blank = proptest::sample::select(vec![
        "",
        " ",
        "\t \t",
        "\r",
        "\u{c}",
        "\u{1e}",
        "\0",
        "\0\0 \u{feff}",
        wide,
    ])
    .prop_map(BodyLine::Blank);
    let piece = prop_oneof![5 => good(), 3 => bad(), 2 => several(), 1 => blank];
    let end = prop_oneof![3 => Just("\n"), 1 => Just("\r\n")];
    vec((piece, end), 0..40)
}

/// How a body is sent.
#[derive(Clone, Debug)]
enum Encoding {
    Identity,
    Gzip,
    Zstd,
}

#[derive(Clone, Debug)]
struct Way {
    encoding: Encoding,
    /// Where the members, or frames, of an encoded body end.
    members: Vec<Index>,
    /// Where the chunks end; without any, the body comes as a whole.
    cuts: Vec<Index>,
    /// Chunks yield to other tasks before they come.
    late: bool,
}

fn way() -> impl Strategy<Value = Way> {
    let encoding = prop_oneof![Just(Encoding::Identity), Just(Encoding::Gzip), Just(Encoding::Zstd)];
    (
        encoding,
        vec(any::<Index>(), 0..3),
        vec(any::<Index>(), 0..30),
        any::<bool>(),
    )
        .prop_map(|(encoding, members, cuts, late)| Way {
            encoding,
            members,
            cuts,
            late,
        })
}

fn cut<'a>(bytes: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|range| &bytes[range[0]..range[1]]).collect()
}

impl Way {
    async fn encode(&self, plain: &[u8]) -> Vec<u8> {
        let mut coded = Vec::new();
        for member in cut(plain, &self.members) {
            match self.encoding {
                Encoding::Identity => coded.extend_from_slice(member),
                Encoding::Gzip => drop(GzipEncoder::new(member).read_to_end(&mut coded).await.unwrap()),
                Encoding::Zstd => drop(ZstdEncoder::new(member).read_to_end(&mut coded).await.unwrap()),
            }
        }
        coded
    }

    async fn request(&self, plain: &[u8]) -> Request<Body> {
        let coded = self.encode(plain).await;
        let body = if self.cuts.is_empty() {
            Body::from(coded)
        } else {
            let chunks: Vec<Bytes> = cut(&coded, &self.cuts)
                .into_iter()
                .map(Bytes::copy_from_slice)
                .collect();
            let late = self.late;
            Body::from_stream(futures_util::stream::iter(chunks).then(move |chunk| async move {
                if late {
                    tokio::task::yield_now().await;
                }
                Ok::<_, std::io::Error>(chunk)
            }))
        };
        let encoding = match self.encoding {
            Encoding::Identity => "identity",
            Encoding::Gzip => "gzip",
            Encoding::Zstd => "zstd",
        };
        let request = Request::post("/ingest").header("authorization", "Bearer key");
        let request = request
            .header("content-encoding", encoding)
            .header("transfer-encoding", "chunked");
        request.body(body).unwrap()
    }
}

/// Verdicts on a body.
#[derive(Debug, Default, PartialEq)]
struct Verdicts {
    status: u16,
    accepted: u64,
    /// Line number, value number, reason and beginning of each line that the answer shows.
    shown: Vec<(u64, Option<u64>, String, String)>,
    /// Number and reason of each rejected line, from the events of rejected lines.
    rejected: Vec<(u64, String)>,
    /// Sorted.
    readings: Vec<Reading>,
    /// The upload's totals in its last segment.
    totals: Option<(u64, u64)>,
}

/// What the bus delivered of one upload.
#[derive(Default)]
struct Brought {
    readings: Vec<Reading>,
    rejected: Vec<(u64, String)>,
    totals: Option<(u64, u64)>,
}

#[derive(clap::Parser)]
struct Flags {
    #[command(flatten)]
    limits: Limits,
}

/// An ingestor over a bus in memory, and the readings that the bus delivered.
struct Harness {
    routes: Router,
    brought: Arc<Mutex<HashMap<Uuid, Brought>>>,
}

impl Harness {
    async fn start(name: &str) -> Self {
        let url = format!("memory://{name}_{}", std::process::id());
        let brought = Arc::new(Mutex::new(HashMap::<Uuid, Brought>::new()));
        for lane in Lane::ALL {
            let mut reader = Reader::open(&url, &bus::NAMES, lane).await.unwrap();
            let brought = brought.clone();
            tokio::spawn(async move {
                while let Ok(mut delivery) = reader.next(event::MIN_ROOM).await {
                    let event = &delivery.event;
                    if event.kind == rejected::KIND {
                        assert_eq!(delivery.lane, Some(Lane::Bulk));
                        note_rejected(&event.payload, &brought);
                    } else {
                        note(&Message::read(&event.id, &event.payload).unwrap(), &brought);
                    }
                    delivery.ack().await;
                }
            });
        }
        let limits = Flags::parse_from(["test", "--max-line", &LONGEST.to_string(), "--max-series", "1000000"]).limits;
        let keys = Keys::load(&["key".into()], None).unwrap();
        let service = Service::new("verdicts", Duration::from_secs(10));
        let routes = Ingest::new(
            Writer::open(&url, &bus::NAMES).await.unwrap(),
            keys,
            limits,
            None,
            &service,
        )
        .routes();
        Self { routes, brought }
    }

    async fn judge(&self, plain: &[u8], way: &Way) -> Verdicts {
        let response = self.routes.clone().oneshot(way.request(plain).await).await.unwrap();
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let answer: Value = serde_json::from_slice(&body).unwrap();
        // A body that is refused unread, such as one that begins like gzip.
        let Some(upload) = answer["id"].as_str() else {
            return Verdicts {
                status,
                ..Verdicts::default()
            };
        };
        let upload: Uuid = upload.parse().unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let shown = answer["invalid"].as_array().into_iter().flatten();
        let shown = shown.map(|line| {
            (
                line["line"].as_u64().unwrap(),
                line["value"].as_u64(),
                text(&line["reason"]),
                text(&line["reading"]),
            )
        });
        // Everything is delivered before the answer, so it is here.
        let mut brought = self.brought.lock().unwrap().remove(&upload).unwrap_or_default();
        assert_eq!(answer["rejected"].as_u64(), Some(brought.rejected.len() as u64));
        brought.readings.sort_unstable();
        Verdicts {
            status,
            accepted: answer["accepted"].as_u64().unwrap(),
            shown: shown.collect(),
            rejected: brought.rejected,
            readings: brought.readings,
            totals: brought.totals,
        }
    }
}

fn note_rejected(payload: &[u8], brought: &Mutex<HashMap<Uuid, Brought>>) {
    let mut brought = brought.lock().unwrap();
    for line in rejected::read(payload).unwrap() {
        let rejected = &mut brought.entry(line.upload).or_default().rejected;
        rejected.push((line.line, line.reason));
        assert_eq!(line.ordinal, Some(rejected.len() as u64));
    }
}

fn note(message: &Message, brought: &Mutex<HashMap<Uuid, Brought>>) {
    let mut brought = brought.lock().unwrap();
    for share in &message.shares {
        let of = brought.entry(share.upload).or_default();
        if let Some(totals) = share.totals {
            assert_eq!(of.totals, None, "totals are told once");
            of.totals = Some((totals.accepted, totals.rejected));
        }
    }
    message.each(|upload, series| {
        let readings = &mut brought.entry(upload).or_default().readings;
        for point in series.points {
            let (device, sensor) = (series.device.to_owned(), series.sensor.to_owned());
            readings.push((device, sensor, point.timestamp, point.value.to_bits()));
        }
    });
}

/// The verdicts that these pieces were made for; a word stands for each reason.
fn expected(pieces: &[&Ended]) -> Verdicts {
    let mut expected = Verdicts::default();
    for (at, (piece, _)) in pieces.iter().enumerate() {
        let number = at as u64 + 1;
        match piece {
            BodyLine::Blank(_) => {}
            BodyLine::Good(_, reading) => expected.readings.push(reading.clone()),
            BodyLine::Bad(line, reason) => {
                expected.rejected.push((number, (*reason).to_owned()));
                if expected.shown.len() < SHOWN {
                    // A line that is too long is kept only up to the longest length.
                    let shown = line.len().min(LONGEST).min(SHOWN_BYTES);
                    let line = String::from_utf8_lossy(&line[..shown]).into_owned();
                    expected.shown.push((number, None, (*reason).to_owned(), line));
                }
            }
            BodyLine::Several(_, values) => {
                for (value, verdict) in (1..).zip(values) {
                    match verdict {
                        Ok(reading) => expected.readings.push(reading.clone()),
                        Err((text, reason)) => {
                            expected.rejected.push((number, (*reason).to_owned()));
                            if expected.shown.len() < SHOWN {
                                let shown = (number, Some(value), (*reason).to_owned(), text.clone());
                                expected.shown.push(shown);
                            }
                        }
                    }
                }
            }
        }
    }
    expected.readings.sort_unstable();
    expected.accepted = expected.readings.len() as u64;
    expected.status = if expected.rejected.is_empty() { 200 } else { 400 };
    expected.totals = Some((expected.accepted, expected.rejected.len() as u64));
    expected
}

/// Replaces reasons by the words of `expected` that they contain.
fn worded(mut found: Verdicts, expected: &Verdicts) -> Verdicts {
    let shorten = |reason: &mut String, word: &str| {
        if reason.contains(word) {
            *reason = word.to_owned();
        }
    };
    for ((_, _, reason, _), (_, _, word, _)) in found.shown.iter_mut().zip(&expected.shown) {
        shorten(reason, word);
    }
    for ((_, reason), (_, word)) in found.rejected.iter_mut().zip(&expected.rejected) {
        shorten(reason, word);
    }
    found
}

#[test]
fn any_lines_by_any_way_get_the_verdicts_they_deserve() {
    let runtime = Runtime::new().unwrap();
    let harness = runtime.block_on(Harness::start("verdicts"));
    // Now and then enough for several segments and dead letters.
    let times = prop_oneof![9 => Just(1_usize), 1 => 2..60_usize];
    proptest!(|(pieces in pieces(), times in times, mark: bool, open: bool, way in way())| {
        let mut body = if mark { b"\xef\xbb\xbf".to_vec() } else { Vec::new() };
        let all: Vec<&Ended> = std::iter::repeat_n(&pieces, times).flatten().collect();
        for (at, (piece, end)) in all.iter().enumerate() {
            body.extend_from_slice(piece.bytes());
            if !(open && at + 1 == all.len()) {
                body.extend_from_slice(end.as_bytes());
            }
        }
        // A body that begins like this is a document.
        let first = all.iter().find(|(piece, _)| !matches!(piece, BodyLine::Blank(_)));
        prop_assume!(!matches!(first, Some((BodyLine::Bad(line, _), _)) if line[0] == b'['));
        let expected = expected(&all);
        let found = runtime.block_on(harness.judge(&body, &way));
        prop_assert_eq!(worded(found, &expected), expected);
    });
}

#[test]
fn any_bytes_get_the_same_verdicts_by_any_way() {
    let runtime = Runtime::new().unwrap();
    let harness = runtime.block_on(Harness::start("any_bytes"));
    let byte = prop_oneof![3 => any::<u8>(), 2 => Just(b'\n'), 1 => Just(b'\r'), 1 => Just(b' ')];
    let part = prop_oneof![
        vec(byte, 0..40),
        good().prop_map(|piece| piece.bytes().to_vec()),
        (LONGEST - 3..LONGEST + 3).prop_map(|length| vec![b' '; length]),
        Just(b"\xef\xbb\xbf".to_vec()),
    ];
    let whole = Way {
        encoding: Encoding::Identity,
        members: Vec::new(),
        cuts: Vec::new(),
        late: false,
    };
    proptest!(|(parts in vec(part, 0..20), way in way())| {
        let body = parts.concat();
        let (at_once, found) = runtime.block_on(async { (harness.judge(&body, &whole).await, harness.judge(&body, &way).await) });
        prop_assert_eq!(found, at_once);
    });
}
