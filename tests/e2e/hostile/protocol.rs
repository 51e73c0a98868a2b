//! Malformed HTTP, to either program.

use super::exchange::{End, Exchange};
use crate::random::Random;
use std::fmt::Write;

/// An exchange that breaks HTTP itself. `path` exists; `headers` are whole lines that make a request to it
/// a good one.
pub(crate) fn exchange(random: &mut Random, method: &str, path: &str, headers: &str) -> Exchange {
    let request = |first: &str, more: &[u8]| {
        let mut bytes = format!("{first}\r\nhost: x\r\n{headers}").into_bytes();
        bytes.extend_from_slice(more);
        bytes.extend_from_slice(b"\r\n");
        bytes
    };
    let usual = format!("{method} {path} HTTP/1.1");
    match random.below(8) {
        0 => Exchange::new("header", request(&usual, &header(random)), End::Linger),
        1 => {
            let mut many = String::new();
            for at in 0..random.between(80, 3000) {
                let _ = write!(many, "x-{at}: {at}\r\n");
            }
            Exchange::new("many headers", request(&usual, many.as_bytes()), End::Linger)
        }
        2 => Exchange::new(
            "first line",
            request(&first_line(random, method, path), b""),
            End::Linger,
        ),
        3 => Exchange::new(
            "target",
            request(&format!("{method} {} HTTP/1.1", target(random)), b""),
            End::Linger,
        ),
        4 => Exchange::new("noise", noise(random), End::Linger),
        5 => {
            let mut mutated = request(&usual, b"accept: */*\r\nuser-agent: hostile/1\r\n");
            for _ in 0..random.between(1, 8) {
                let at = random.below(mutated.len());
                match random.below(3) {
                    0 => mutated[at] = random.bytes(1)[0],
                    1 => mutated.insert(at, random.bytes(1)[0]),
                    _ => drop(mutated.remove(at)),
                }
            }
            Exchange::new("mutated head", mutated, End::Linger)
        }
        6 => {
            let whole = request(&usual, b"");
            let part = &whole[..random.below(whole.len())];
            let end = if random.once_in(2) { End::Drop } else { End::HalfClose };
            Exchange::new("half a head", part, end)
        }
        _ => framing(random, path, headers),
    }
}

/// A malformed or oversized header.
fn header(random: &mut Random) -> Vec<u8> {
    let text = match random.below(14) {
        0 => format!("x: {}\r\n", "y".repeat(random.between(8_000, 200_000))),
        1 => format!("{}: y\r\n", "x".repeat(random.between(8_000, 200_000))),
        2 => format!("cookie: {}\r\n", "a=b; ".repeat(random.between(100, 20_000))),
        3 => "no colon\r\n".into(),
        4 => ": no name\r\n".into(),
        5 => "spaced : name\r\n".into(),
        6 => "folded: a\r\n b\r\n\tc\r\n".into(),
        7 => "host: y\r\nhost: z\r\n".into(),
        8 => "connection: close, keep-alive, upgrade\r\nupgrade: h2c, websocket\r\nhttp2-settings: AAMAAABk\r\n".into(),
        9 => "expect: 200-ok\r\n".into(),
        10 => "accept-encoding: zstd;q=9, *;q=-1, \u{fffd}\r\naccept: \u{1f697}\r\n".into(),
        11 => format!(
            "x-correlation-id: {}\r\ntraceparent: 00-{}\r\n",
            "\u{e9}".repeat(random.between(1, 300)),
            "-".repeat(60)
        ),
        12 => return [&b"x: "[..], &random.bytes(200), b"\r\n"].concat(),
        _ => return [&random.bytes(20)[..], b": y\0z\r\n"].concat(),
    };
    text.into_bytes()
}

fn first_line(random: &mut Random, method: &str, path: &str) -> String {
    match random.below(12) {
        0 => format!("{} {path} HTTP/1.1", "M".repeat(random.between(1, 5000))),
        1 => {
            let method = random.pick(&[
                "get", "PUT", "DELETE", "PATCH", "TRACE", "OPTIONS", "HEAD", "PROPFIND", "G\u{cb}T", "", "(", "PRI",
            ]);
            format!("{method} {path} HTTP/1.1")
        }
        2 => format!("CONNECT {} HTTP/1.1", random.pick(&["x:443", "/", "*", ":", "x:99999"])),
        3 => {
            let version = random.pick(&[
                "HTTP/0.9",
                "HTTP/1.0",
                "HTTP/1.2",
                "HTTP/2.0",
                "HTTP/3",
                "http/1.1",
                "HTTP/1.1.1",
                "HTTP/",
                "ICY",
                "",
            ]);
            format!("{method} {path} {version}")
        }
        4 => format!("{method} {path}"),
        5 => format!("{method}  {path}  HTTP/1.1"),
        6 => format!("\r\n\r\n\r\n{method} {path} HTTP/1.1"),
        7 => format!("{method}\t{path}\tHTTP/1.1"),
        8 => "PRI * HTTP/2.0\r\n\r\nSM\r\n".into(),
        9 => format!("{method} {path} HTTP/1.1 {}", "x".repeat(random.below(100))),
        10 => format!(
            "{method} http://{}:80{path} HTTP/1.1",
            random.pick(&["x", "[::1]", "u:p@x", "", "x:y", "\u{e9}"])
        ),
        _ => format!("{method} {path}\0 HTTP/1.1"),
    }
}

/// An unknown path, or an unusual spelling of a known one.
pub(crate) fn target(random: &mut Random) -> String {
    let piece = |random: &mut Random| {
        random
            .pick(&[
                "%",
                "%%",
                "%0",
                "%zz",
                "%00",
                "%0a%0d",
                "%2e%2e",
                "%2f",
                "%ff%fe",
                "%c0%af",
                "%ed%a0%80",
                "%F0%9F%9A%97",
                "\u{1f697}",
                "\u{e9}",
                "..",
                ".",
                "",
                "*",
                "{sensor}",
                "{*x}",
                ":id",
                "api",
                "ingest",
                "health",
                "trends",
                "statistics",
                "latest",
                "?",
                "??",
                "&",
                "=",
                "#",
                ";",
                "'",
                "\"",
                "<",
                "\\",
                "|",
                "^",
                "`",
                "a b",
                "\u{7f}",
                "\u{1}",
            ])
            .to_owned()
    };
    match random.below(10) {
        0 => format!("/{}", "a/".repeat(random.between(1, 20_000))),
        1 => format!("/{}", "%41".repeat(random.between(1, 30_000))),
        2 => "*".into(),
        3 => "/".repeat(random.between(1, 300)),
        4 => String::new(),
        _ => (0..random.between(1, 8)).fold(String::new(), |path, _| path + "/" + &piece(random)),
    }
}

/// Random bytes.
fn noise(random: &mut Random) -> Vec<u8> {
    match random.below(6) {
        0 => b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS client's hello".to_vec(),
        1 => b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00".to_vec(),
        2 => b"\r\n".repeat(random.between(1, 5000)),
        3 => vec![0; random.between(1, 100_000)],
        4 => vec![b'A'; random.between(1, 300_000)],
        _ => {
            let size = random.between(1, 3000);
            random.bytes(size)
        }
    }
}

/// A body whose length is wrong, given twice, or missing.
fn framing(random: &mut Random, path: &str, headers: &str) -> Exchange {
    let lengths = random.pick(&[
        "content-length: -1\r\n",
        "content-length: +5\r\n",
        "content-length: 0x10\r\n",
        "content-length: 5, 5\r\n",
        "content-length: 5, 6\r\n",
        "content-length: 5\r\ncontent-length: 5\r\n",
        "content-length: 5\r\ncontent-length: 6\r\n",
        "content-length: 18446744073709551615\r\n",
        "content-length: 18446744073709551616\r\n",
        "content-length: 99999999999999999999999\r\n",
        "content-length: \r\n",
        "content-length: five\r\n",
        "content-length: 1000000\r\n",
        "content-length: 3\r\n",
        "content-length: 5\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 5\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: gzip, chunked\r\n",
        "transfer-encoding: chunked, identity\r\n",
        "transfer-encoding: xchunked\r\n",
        "transfer-encoding:\x0bchunked\r\n",
        "transfer-encoding: \r\n",
        "Transfer-Encoding : chunked\r\n",
        "transfer-encoding: CHUNKED\r\n",
        "",
    ]);
    let body = match random.below(3) {
        0 => "hello".to_owned(),
        1 => chunks(random),
        // A smuggled request in the body.
        _ => format!("0\r\n\r\nGET {path} HTTP/1.1\r\nhost: x\r\n\r\n"),
    };
    let request = format!("POST {path} HTTP/1.1\r\nhost: x\r\n{headers}{lengths}\r\n{body}");
    Exchange::new("framing", request, End::Linger)
}

/// Malformed chunks.
pub(crate) fn chunks(random: &mut Random) -> String {
    let mut body = String::new();
    for _ in 0..random.between(1, 6) {
        body.push_str(random.pick(&[
            "5\r\nhello\r\n",
            "005\r\nhello\r\n",
            "5;name=value;other=\"a;b\"\r\nhello\r\n",
            "5 \r\nhello\r\n",
            "5\nhello\n",
            "5\r\nhello",
            "4\r\nhello\r\n",
            "6\r\nhello\r\n",
            "zz\r\nhello\r\n",
            "-5\r\nhello\r\n",
            "0x5\r\nhello\r\n",
            "ffffffffffffffff\r\nhello\r\n",
            "fffffffffffffffff\r\nhello\r\n",
            "\r\n",
            "0\r\n",
            "0\r\n\r\n",
            "0\r\ntrailer: x\r\n\r\n",
            "0\r\ncontent-length: 7\r\nno colon\r\n\r\n",
        ]));
        if random.once_in(10) {
            let _ = write!(body, "5;{}\r\nhello\r\n", "x".repeat(random.between(1000, 40_000)));
        }
        if random.once_in(20) {
            let _ = write!(body, "0\r\nt: {}\r\n\r\n", "x".repeat(random.between(1000, 100_000)));
        }
    }
    body
}
