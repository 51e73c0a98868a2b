//! Uploads that are good, bad, or something in between.

use super::exchange::{End, Exchange};
use super::protocol;
use crate::random::Random;
use crate::source::best_gzip;
use crate::system::KEY;
use std::fmt::Write as _;
use std::sync::LazyLock;
use std::time::Duration;

const START: i64 = 1_714_521_600;

/// The line of this reading; its number determines its stored form.
pub(crate) fn line(reading: u64) -> String {
    let time = jiff::Timestamp::from_second(START + reading as i64).unwrap();
    format!(
        "{{\"sensor\":\"s{}\",\"value\":{reading},\"timestamp\":\"{time}\"}}\n",
        reading % 7
    )
}

/// Device, sensor, second and value of this reading in the database.
pub(crate) fn stored_as(reading: u64) -> String {
    format!("default s{} {} {reading}", reading % 7, START + reading as i64)
}

/// Newlines that gzip compresses to a thousandth; made once.
static BOMB: LazyLock<Vec<u8>> = LazyLock::new(|| best_gzip(&vec![b'\n'; 32 << 20]));

/// The next exchange with an ingestor; readings are numbered from `sent` on.
pub(crate) fn exchange(random: &mut Random, sent: &mut u64) -> Exchange {
    let key = format!("authorization: Bearer {KEY}\r\n");
    match random.below(32) {
        0..6 => protocol::exchange(random, "POST", "/ingest", &key),
        6..9 => one("plain", random, sent, plain),
        9..11 => one("chunked", random, sent, chunked),
        11..13 => one("compressed", random, sent, compressed),
        13..16 => one("mixed", random, sent, mixed),
        16..18 => pipelined(random, sent),
        18..21 => broken_off(random, sent),
        21..23 => {
            let body = protocol::chunks(random);
            let request = head(&format!("{key}transfer-encoding: chunked\r\n"), body.as_bytes());
            Exchange::new("broken chunks", request, End::Linger)
        }
        23..25 => stranger(random, sent),
        25..28 => undecodable(random, sent),
        28 => wrong_length(random, sent),
        29 => slow(random, sent),
        30 => odd_headers(random, sent),
        // Few, since each is much work for the ingestor.
        _ if random.once_in(10) => {
            let headers = format!("content-encoding: gzip\r\ncontent-length: {}\r\n", BOMB.len());
            Exchange::new("bomb", post(&headers, true, &BOMB), End::Read)
        }
        _ => one("plain", random, sent, plain),
    }
}

fn head(headers: &str, body: &[u8]) -> Vec<u8> {
    let mut request = format!("POST /ingest HTTP/1.1\r\nhost: x\r\n{headers}\r\n").into_bytes();
    request.extend_from_slice(body);
    request
}

/// A request with its key and `headers`; with `last`, the connection's last.
fn post(headers: &str, last: bool, body: &[u8]) -> Vec<u8> {
    let close = if last { "connection: close\r\n" } else { "" };
    head(&format!("authorization: Bearer {KEY}\r\n{close}{headers}"), body)
}

fn lines(random: &mut Random, sent: &mut u64) -> (String, Vec<u64>) {
    let readings: Vec<u64> = (*sent..).take(random.between(1, 12)).collect();
    *sent += readings.len() as u64;
    (readings.iter().map(|reading| line(*reading)).collect(), readings)
}

/// A rightly framed request, and its readings.
type Framed = (Vec<u8>, Vec<u64>);

fn one(
    kind: &'static str,
    random: &mut Random,
    sent: &mut u64,
    request: fn(&mut Random, &mut u64, bool) -> Framed,
) -> Exchange {
    let (request, readings) = request(random, sent, true);
    Exchange {
        pieces: random.cut(&request),
        readings: vec![readings],
        ..Exchange::new(kind, "", End::Read)
    }
}

fn plain(random: &mut Random, sent: &mut u64, last: bool) -> Framed {
    let (body, readings) = lines(random, sent);
    let length = format!("content-length: {}\r\n", body.len());
    (post(&length, last, body.as_bytes()), readings)
}

fn in_chunks(random: &mut Random, body: &[u8]) -> Vec<u8> {
    let mut coded = Vec::new();
    let mut rest = body;
    while !rest.is_empty() {
        let most = if random.once_in(3) { 3 } else { 300 };
        let (chunk, tail) = rest.split_at(random.between(1, most).min(rest.len()));
        let extension = random.pick(&["", "", "", ";a=b", ";\"quoted\""]);
        coded.extend_from_slice(format!("{:x}{extension}\r\n", chunk.len()).as_bytes());
        coded.extend_from_slice(chunk);
        coded.extend_from_slice(b"\r\n");
        rest = tail;
    }
    let end = random.pick(&["0\r\n\r\n", "0\r\nx-trailer: y\r\n\r\n"]);
    coded.extend_from_slice(end.as_bytes());
    coded
}

fn chunked(random: &mut Random, sent: &mut u64, last: bool) -> Framed {
    let (body, readings) = lines(random, sent);
    let body = in_chunks(random, body.as_bytes());
    (post("transfer-encoding: chunked\r\n", last, &body), readings)
}

fn compressed(random: &mut Random, sent: &mut u64, last: bool) -> Framed {
    let (body, readings) = lines(random, sent);
    // Several members, cut anywhere, are one body.
    let coded: Vec<u8> = random
        .cut(body.as_bytes())
        .iter()
        .flat_map(|part| best_gzip(part))
        .collect();
    let (length, coded) = if random.once_in(2) {
        (format!("content-length: {}\r\n", coded.len()), coded)
    } else {
        ("transfer-encoding: chunked\r\n".into(), in_chunks(random, &coded))
    };
    (
        post(&format!("content-encoding: gzip\r\n{length}"), last, &coded),
        readings,
    )
}

/// Good and bad lines, mixed.
fn mixed(random: &mut Random, sent: &mut u64, last: bool) -> Framed {
    let mut body = Vec::new();
    let mut readings = Vec::new();
    for _ in 0..random.between(1, 4) {
        let (good, numbers) = lines(random, sent);
        body.extend_from_slice(good.as_bytes());
        readings.extend(numbers);
        body.extend(bad_line(random));
        body.push(b'\n');
    }
    let length = format!("content-length: {}\r\n", body.len());
    (post(&length, last, &body), readings)
}

fn bad_line(random: &mut Random) -> Vec<u8> {
    let count = random.between(1, 20_000);
    let text = match random.below(16) {
        0 => "[".repeat(count),
        1 => "{\"a\":".repeat(count),
        2 => format!("{{\"x\":{}{}", "[".repeat(count / 2), "]".repeat(count / 2)),
        3 => format!(
            "{{\"sensor\":\"s\",\"value\":{},\"timestamp\":\"2024-05-01T00:00:00Z\"}}",
            "9".repeat(count.max(400))
        ),
        4 => "{\"sensor\":\"\\ud800\",\"value\":1,\"timestamp\":\"2024-05-01T00:00:00Z\"}".into(),
        5 => "{\"sensor\":\"s\\u0000\",\"value\":1,\"timestamp\":\"2024-05-01T00:00:00Z\"}".into(),
        6 => (0..count.min(4000)).fold("{".to_owned(), |line, at| line + &format!("\"k{at}\":{at},")),
        7 => "x".repeat(70_000),
        8 => "{\"sensor\":\"s\",\"value\":1,\"timestamp\":\"\u{1f697}024-05-01T00:00:00Z\"}".into(),
        9 => "{\"sensor\":\"s\",\"value\":1,\"timestamp\":\"9999-12-31T23:59:59.999999999-23:59\"}".into(),
        10 => "{\"sensor\":\"s\",\"value\":1,\"timestamp\":\"0000-01-01T00:00:00+23:59\"}".into(),
        11 => "HTTP/1.1 500 Internal Server Error".into(),
        12 => "\0".repeat(count),
        13 => "null".into(),
        14 => {
            return [
                &b"\"\xff"[..],
                &random
                    .bytes(30)
                    .into_iter()
                    .filter(|byte| *byte != b'\n')
                    .collect::<Vec<_>>(),
            ]
            .concat();
        }
        _ => format!("{{\"sensor\":{}", "\"\\".repeat(count)),
    };
    text.into_bytes()
}

fn pipelined(random: &mut Random, sent: &mut u64) -> Exchange {
    let count = random.between(2, 8);
    let mut all = Vec::new();
    let mut readings = Vec::new();
    for at in 1..=count {
        let request = [plain, chunked, compressed, mixed][random.below(4)];
        let (bytes, numbers) = request(random, sent, at == count);
        all.extend(bytes);
        readings.push(numbers);
    }
    Exchange {
        requests: count,
        pieces: random.cut(&all),
        readings,
        ..Exchange::new("pipelined", "", End::Read)
    }
}

/// A good request without its end.
fn broken_off(random: &mut Random, sent: &mut u64) -> Exchange {
    let request = [plain, chunked, compressed, mixed][random.below(4)];
    let (bytes, _) = request(random, sent, true);
    let (kind, end) = if random.once_in(2) {
        ("early close", End::Drop)
    } else {
        ("half closed", End::HalfClose)
    };
    let part = bytes[..random.below(bytes.len())].to_vec();
    Exchange {
        pieces: random.cut(&part),
        ..Exchange::new(kind, "", end)
    }
}

/// A good body without valid credentials.
fn stranger(random: &mut Random, sent: &mut u64) -> Exchange {
    let (body, _) = lines(random, sent);
    let credentials = match random.below(10) {
        0 => String::new(),
        1 => "authorization: Bearer wrong\r\n".into(),
        2 => "authorization: Basic !!!\r\n".into(),
        3 => "authorization: Basic \r\n".into(),
        4 => format!("authorization: Basic {}\r\n", "QUFB".repeat(random.between(1, 8000))),
        5 => "authorization: \u{e9}\u{1f697}\r\n".into(),
        6 => "authorization: Bearer\r\n".into(),
        7 => format!("authorization: Digest {KEY}\r\n"),
        8 => format!("authorization: Bearer wrong\r\nauthorization: Bearer {KEY}\r\n"),
        _ => "authorization: Basic /////w==\r\n".into(),
    };
    let body = if random.once_in(4) {
        body.repeat(random.between(100, 2000))
    } else {
        body
    };
    let request = head(
        &format!("{credentials}connection: close\r\ncontent-length: {}\r\n", body.len()),
        body.as_bytes(),
    );
    Exchange::new("stranger", request, End::Read)
}

/// A body that does not match its encoding.
fn undecodable(random: &mut Random, sent: &mut u64) -> Exchange {
    let size = random.between(1, 50_000);
    let noise = random.bytes(size);
    let body = match random.below(5) {
        0 => noise,
        1 => {
            let whole = best_gzip(lines(random, sent).0.repeat(random.between(1, 200)).as_bytes());
            whole[..random.below(whole.len())].to_vec()
        }
        // Without readings, since damaged ones could become other readings.
        2 => {
            let mut coded = best_gzip(&noise);
            let at = random.below(coded.len());
            coded[at] ^= 1 << random.below(8);
            coded
        }
        3 => [best_gzip(lines(random, sent).0.as_bytes()), noise].concat(),
        _ => [&b"\x28\xb5\x2f\xfd"[..], &noise].concat(),
    };
    let encoding = random.pick(&[
        "gzip",
        "gzip",
        "x-gzip",
        "zstd",
        "br",
        "gzip, gzip",
        "identity",
        "\u{1f697}",
    ]);
    let content_type = random.pick(&[
        "",
        "content-type: application/x-ndjson\r\n",
        "content-type: text/html\r\n",
        "content-type: \u{e9}\r\n",
    ]);
    let headers = format!(
        "content-encoding: {encoding}\r\n{content_type}content-length: {}\r\n",
        body.len()
    );
    Exchange::new("undecodable", post(&headers, true, &body), End::Read)
}

/// A good body that is shorter or longer than its `Content-Length`.
fn wrong_length(random: &mut Random, sent: &mut u64) -> Exchange {
    let (body, _) = lines(random, sent);
    let length = random.below(body.len() * 2);
    let request = post(&format!("content-length: {length}\r\n"), false, body.as_bytes());
    Exchange::new("wrong length", request, End::Linger)
}

/// A request in small pieces with pauses; sometimes it never ends, and gets an error.
fn slow(random: &mut Random, sent: &mut u64) -> Exchange {
    let (mut request, readings) = plain(random, sent, true);
    let pause = Duration::from_millis(20);
    if random.once_in(4) {
        // The body lacks its end.
        request.truncate(request.len() - 20);
        return Exchange::new("stalled body", request, End::Read);
    }
    Exchange {
        pieces: request.chunks(request.len() / 12 + 1).map(<[u8]>::to_vec).collect(),
        pause,
        readings: vec![readings],
        ..Exchange::new("slow", "", End::Read)
    }
}

/// A good request with unusual headers.
fn odd_headers(random: &mut Random, sent: &mut u64) -> Exchange {
    let (body, readings) = lines(random, sent);
    let mut headers = format!("content-length: {}\r\n", body.len());
    for _ in 0..random.between(1, 4) {
        let _ = match random.below(7) {
            0 => write!(headers, "x-correlation-id: {}\r\n", "z".repeat(random.between(0, 300))),
            1 => write!(headers, "correlationid: a\tb \u{e9}\r\n"),
            2 => write!(
                headers,
                "traceparent: {}\r\n",
                random.pick(&[
                    "00-",
                    "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                    "\u{e9}"
                ])
            ),
            3 => write!(headers, "expect: 100-continue\r\n"),
            4 => write!(
                headers,
                "content-type: {}\r\n",
                random.pick(&["", "application/json;charset=\"", "APPLICATION/X-NDJSON"])
            ),
            5 => write!(headers, "range: bytes=0-\r\nif-match: *\r\nte: trailers, deflate\r\n"),
            _ => write!(
                headers,
                "x-forwarded-for: {}\r\n",
                "1.2.3.4, ".repeat(random.between(1, 500))
            ),
        };
    }
    Exchange {
        readings: vec![readings],
        ..Exchange::new("odd headers", post(&headers, true, body.as_bytes()), End::Read)
    }
}
