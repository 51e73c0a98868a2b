//! Hostile questions to the API.

use super::exchange::{End, Exchange};
use super::protocol;
use crate::random::Random;
use std::fmt::Write;

/// The next exchange with an API.
pub(crate) fn exchange(random: &mut Random) -> Exchange {
    match random.below(16) {
        0..3 => protocol::exchange(random, "GET", "/api/status", ""),
        3 => {
            let request = get("GET", &format!("/api/trends?sensor=s1&{}", huge(random)), false);
            Exchange::new("huge question", request, End::Linger)
        }
        4 => {
            // The client has left when the answer comes.
            let request = get("GET", &question(random), false);
            Exchange::new("left question", request, End::Drop)
        }
        5 => {
            let count = random.between(2, 8);
            let requests = (1..=count).map(|at| get("GET", &question(random), at == count));
            let all: Vec<u8> = requests.collect::<Vec<_>>().concat();
            Exchange {
                requests: count,
                pieces: random.cut(&all),
                ..Exchange::new("pipelined questions", "", End::Read)
            }
        }
        6 => {
            let method = random.pick(&["HEAD", "OPTIONS", "POST", "PUT", "DELETE"]);
            Exchange::new("other method", get(method, &question(random), true), End::Read)
        }
        7 => {
            let headers =
                "origin: null\r\naccess-control-request-method: \u{e9}\r\naccess-control-request-headers: *, ,\r\n";
            let request = format!("OPTIONS {} HTTP/1.1\r\nhost: x\r\n{headers}\r\n", question(random));
            Exchange::new("preflight", request, End::Linger)
        }
        _ => Exchange::new("question", get("GET", &question(random), true), End::Read),
    }
}

fn get(method: &str, target: &str, last: bool) -> Vec<u8> {
    let close = if last { "connection: close\r\n" } else { "" };
    format!("{method} {target} HTTP/1.1\r\nhost: x\r\n{close}\r\n").into_bytes()
}

/// A question to an existing endpoint.
fn question(random: &mut Random) -> String {
    let path = match random.below(9) {
        0 => "/api/statistics/latest".into(),
        1 => "/api/location/latest".into(),
        2 => "/api/status".into(),
        3 => format!("/api/ingests/{}", segment(random)),
        4 => format!("/api/statistics/sensor/{}/date/{}", segment(random), segment(random)),
        _ => "/api/trends".into(),
    };
    let mut question = path + "?";
    if random.once_in(2) {
        question.push_str("sensor=s1&");
    }
    for _ in 0..random.below(5) {
        let name = random.pick(&[
            "sensor",
            "device",
            "from",
            "to",
            "aggregation",
            "function",
            "fill",
            "points",
            "tz",
            "by",
            "layout",
            "Sensor",
            "%66rom",
            "",
            "a",
        ]);
        let _ = write!(question, "{name}={}&", value(random));
    }
    question
}

fn segment(random: &mut Random) -> String {
    random
        .pick(&[
            "s1",
            "speed",
            "%00",
            "%ff",
            "%2f",
            "..",
            "%F0%9F%9A%97",
            "'",
            "%27%20OR%201=1--",
            "2024-05-01",
            "2024-02-30",
            "0000-01-01",
            "-001-01-01",
            "9999-12-31",
            "10000-01-01",
            "99999999999999999999-01-01",
            "today",
            "01890a5d-ac96-774b-bcce-b302099a8057",
            "ffffffff-ffff-7fff-bfff-ffffffffffff",
            "00000000-0000-7000-8000-000000000000",
            "00000000-0000-0000-0000-000000000000",
        ])
        .to_owned()
}

fn value(random: &mut Random) -> String {
    random
        .pick(&[
            "",
            "s1",
            "s1",
            "%",
            "%00",
            "%ff",
            "%zz",
            "+",
            "a+b",
            "'",
            "%27;DROP%20TABLE%20reading;--",
            "\\",
            "null",
            "NaN",
            "-1",
            "0",
            "1",
            "1e999",
            "99999999999999999999",
            "%F0%9F%9A%97",
            "avg",
            "avg,avg",
            "avg,min,max,count,first,last",
            "sum,stddev,p50,p95",
            "all",
            "device",
            "columns",
            "Europe/Berlin",
            ",",
            "previous",
            "linear",
            "zero",
            "none",
            "1s",
            "0s",
            "15m",
            "1h",
            "1d",
            "1w",
            "1mo",
            "1y",
            "-1h",
            "1ns",
            "P1D",
            "PT0S",
            "36500d",
            "999999999999d",
            "9223372036854775807s",
            "1s1s1s",
            "2024-05-01T00:00:00Z",
            "2024-05-01T03:00:00%2B02:00",
            "2024-05-01T03:00:00+02:00",
            "2024-05-02T00:00:00Z",
            "0000-01-01T00:00:00Z",
            "0000-01-01T00:00:00%2B23:59",
            "0001-01-01T00:00:00Z",
            "9999-12-31T23:59:59.999999Z",
            "9999-12-30T22:00:00Z",
            "9999-12-31T23:59:59-23:59",
            "1970-01-01T00:00:00Z",
            "1969-12-31T23:59:59.999999Z",
            "2024-05-01",
            "now",
            "2024-02-30T00:00:00Z",
        ])
        .to_owned()
}

/// An oversized query string.
fn huge(random: &mut Random) -> String {
    let count = random.between(1000, 12_000);
    match random.below(3) {
        0 => "device=a&".repeat(count),
        1 => format!("device={}", "%41".repeat(count)),
        _ => (0..count).fold(String::new(), |query, at| query + &format!("p{at}={at}&")),
    }
}
