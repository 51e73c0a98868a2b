//! Bodies in another encoding than their head names: read all the same, or refused with an error that says
//! what to do; never taken for bad lines.

use crate::source::gzip;
use crate::system::{self, KEY, LONG, System, counts};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Readings of one day, the first at this second of it.
fn readings(first: usize, count: usize) -> String {
    let line = |at: usize| {
        let (hour, minute, second) = (at / 3600, at / 60 % 60, at % 60);
        format!(
            "{{\"sensor\":\"speed\",\"value\":{at},\"timestamp\":\"2024-05-01T{hour:02}:{minute:02}:{second:02}Z\"}}\n"
        )
    };
    (first..first + count).map(line).collect()
}

async fn zstd(plain: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = async_compression::tokio::bufread::ZstdEncoder::new(plain.as_ref());
    let mut coded = Vec::new();
    encoder.read_to_end(&mut coded).await.unwrap();
    coded
}

/// Encodes as UTF-16, the low bytes first.
fn utf16(plain: &str) -> Vec<u8> {
    plain.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn utf32(plain: &str) -> Vec<u8> {
    plain.chars().flat_map(|sign| u32::from(sign).to_le_bytes()).collect()
}

/// Uploads, with `Content-Encoding` unless it is empty.
async fn send(system: &System, body: Vec<u8>, encoding: &str) -> (u16, Value) {
    let mut upload = system.upload(body);
    if !encoding.is_empty() {
        upload = upload.header("content-encoding", encoding);
    }
    system::answer(upload.send().await.unwrap()).await
}

#[tokio::test]
async fn a_body_is_read_as_what_it_is() {
    let system = System::start(1).await;
    let day = readings(0, 2000);
    let zipped = gzip(&day);
    let padded = [&zipped[..], &[0; 10_240]].concat();
    let members = [gzip(readings(0, 700)), gzip(readings(700, 1300)), vec![0; 512]].concat();
    // Each member is a file of its own that begins with a mark.
    let marked = [(0, 700), (700, 1300)].map(|(first, count)| gzip(format!("\u{feff}{}", readings(first, count))));
    let marked = marked.concat();
    for (body, encoding) in [
        (zipped.clone(), ""),
        (zipped.clone(), "identity"),
        (zstd(&day).await, ""),
        (gzip(&zipped), "gzip"),
        (zstd(&zipped).await, "zstd"),
        (gzip(zstd(&day).await), "x-gzip"),
        (day.clone().into_bytes(), "gzip"),
        (day.clone().into_bytes(), "identity, zstd"),
        ([b"\xef\xbb\xbf\r\n", day.as_bytes()].concat(), "gzip"),
        ([b"\r\n", &zipped[..]].concat(), ""),
        (padded.clone(), "gzip"),
        (padded, ""),
        (members, "gzip"),
        (marked, "gzip"),
    ] {
        let (status, answer) = send(&system, body, encoding).await;
        assert_eq!((status, counts(&answer)), (200, (2000, 0)), "{encoding}: {answer}");
    }
    // A small body, and one whose signature comes byte by byte.
    let (status, answer) = send(&system, gzip(readings(2000, 1)), "").await;
    assert_eq!((status, counts(&answer)), (200, (1, 0)), "{answer}");
    let bytes = gzip(readings(2001, 1))
        .into_iter()
        .map(|byte| Ok::<_, String>(vec![byte]));
    let slow = reqwest::Body::wrap_stream(futures_util::stream::iter(bytes));
    let (status, answer) = system.post(slow).await;
    assert_eq!((status, counts(&answer)), (200, (1, 0)), "{answer}");
    system.wait_for_rows(2002).await;
}

#[tokio::test]
async fn a_body_that_is_something_else_is_refused_whole() {
    let system = System::start(1).await;
    let day = readings(0, 2000);
    let zipped = gzip(&day);
    let frame = zstd(&day).await;
    let brotli = b"\x1b\x8f\x01\x00\x8c\x94\x93\xcd\x9b\xd1\x4c\x11\x12\x0a\x8a\x5e";
    let percent = day
        .replace('{', "%7B")
        .replace('"', "%22")
        .replace('}', "%7D")
        .into_bytes();
    for (body, encoding, word) in [
        (utf16(&day), "", "iconv"),
        (utf16(&format!("\u{feff}{day}")), "", "iconv"),
        (gzip(utf16(&day)), "gzip", "iconv"),
        (gzip(&zipped), "", "more layers of compression"),
        (gzip(gzip(&zipped)), "gzip", "more layers of compression"),
        (frame.clone(), "gzip", "Content-Encoding"),
        (zipped.clone(), "zstd", "Content-Encoding"),
        (b"no gzip".to_vec(), "gzip", "Content-Encoding"),
        (b"x\x9c\xabV*N\xcd+\xce/".to_vec(), "", "decompress it"),
        (b"x^\xabV*N\xcd+\xce/".to_vec(), "", "decompress it"),
        (utf32(&day), "", "iconv"),
        // A format without a signature, as Brotli.
        (brotli.to_vec(), "", "no text"),
        // By chance, its first line is too short to tell.
        ([b"\x8b\n", &brotli[..]].concat(), "", "no text"),
        ([b"\x0b{", &brotli[..]].concat(), "", "no text"),
        (percent.clone(), "", "as it is"),
        // As `curl --data-urlencode readings@FILE` sends it.
        ([b"readings=", &percent[..]].concat(), "", "percent-encoded"),
        (b"eyJzZW5zb3IiOiJzcGVlZCIsInZhbHVlIjoxfQ==".to_vec(), "", "as it is"),
        (b"7b2273656e736f72223a227370656564227d0a".to_vec(), "", "hexadecimal"),
        // As `JSON.stringify` twice gives it.
        (
            serde_json::to_vec(&readings(0, 1)).unwrap(),
            "",
            "a string that holds JSON",
        ),
        (
            serde_json::to_vec(&[readings(0, 1)]).unwrap(),
            "",
            "a string that holds JSON",
        ),
        // Gzip in base64.
        (b"H4sIAAAAAAAAA6tWKk7NK84vUrJSKi5ITU1RqgUA".to_vec(), "", "as it is"),
    ] {
        let (status, answer) = send(&system, body, encoding).await;
        assert_eq!((status, counts(&answer)), (415, (0, 0)), "{encoding}: {answer}");
        assert!(answer["detail"].as_str().unwrap().contains(word), "{word}: {answer}");
    }
    // Readings before the error are stored.
    let (status, answer) = send(&system, [&zipped[..], b"{}\n"].concat(), "gzip").await;
    assert_eq!((status, counts(&answer)), (415, (2000, 0)), "{answer}");
    // Behind a line that was cut off.
    let mixed = [day.trim_end().as_bytes(), &zipped].concat();
    let (status, answer) = send(&system, mixed, "").await;
    assert_eq!((status, counts(&answer)), (415, (2000, 0)), "{answer}");
    // Compressed without a signature, as by Snappy: the first reading is as it was, and no other.
    let garbage = b"\xfe\x42\x01 3\xf1\n".repeat(20);
    let mixed = [b"\xb0\x9c\x01\xf0\x40", readings(0, 1).as_bytes(), &garbage].concat();
    let (status, answer) = send(&system, mixed, "").await;
    assert_eq!((status, counts(&answer)), (415, (1, 0)), "{answer}");
    // Behind a reading, the same is damage.
    let mixed = [readings(0, 1).as_bytes(), b"\xb0\x9c\x01\xf0\x40\n", &garbage].concat();
    let (status, answer) = send(&system, mixed, "").await;
    assert_eq!((status, counts(&answer)), (400, (1, 21)), "{answer}");
    // Erased memory is no other format.
    let (status, answer) = send(&system, vec![0xff; 1000], "").await;
    assert_eq!((status, counts(&answer)), (400, (0, 1)), "{answer}");
    for (bad, encoding) in [
        ("br", "br"),
        ("br", "gzip, br"),
        ("gzip", "gzip, gzip"),
        ("?", "gz\u{ef}p"),
    ] {
        let (status, answer) = send(&system, day.clone().into_bytes(), encoding).await;
        assert_eq!((status, &answer["accepted"]), (415, &Value::Null), "{bad}: {answer}");
    }
    let twice = system
        .upload(zipped)
        .header("content-encoding", "gzip")
        .header("content-encoding", "br");
    assert_eq!(twice.send().await.unwrap().status(), 415);
    system.wait_for_rows(2000).await;
}

/// Text in Latin-1 is right by its head, and so no bad line.
#[tokio::test]
async fn a_charset_that_is_not_utf8() {
    let system = System::start(1).await;
    let plain = readings(0, 10);
    let latin = readings(10, 1).replace("\"value\"", "\"driver\":\"J?rgen\",\"value\"");
    let latin: Vec<u8> = latin
        .bytes()
        .map(|byte| if byte == b'?' { 0xfc } else { byte })
        .collect();
    let latin = [plain.as_bytes(), &latin].concat();
    for (body, charset, expected) in [
        (plain.as_bytes(), "; charset=ISO-8859-1", (200, (10, 0))),
        (&latin[..], "; charset=ISO-8859-1", (415, (10, 1))),
        (&latin[..], "; charset=utf-8", (400, (10, 1))),
        (&latin[..], "", (400, (10, 1))),
    ] {
        let kind = format!("application/x-ndjson{charset}");
        let upload = system.upload(body.to_vec()).header("content-type", kind);
        let (status, answer) = system::answer(upload.send().await.unwrap()).await;
        assert_eq!((status, counts(&answer)), expected, "{charset}: {answer}");
    }
    system.wait_for_rows(10).await;
}

#[tokio::test]
async fn a_file_that_was_cut_is_told_from_an_upload_that_was() {
    let system = System::start(1).await;
    let day = readings(0, 40_000);
    for (number, coded) in [gzip(&day), zstd(&day).await].into_iter().enumerate() {
        let encoding = ["gzip", "zstd"][number];
        let cut = coded[..coded.len() / 2].to_vec();
        for encoding in ["", encoding] {
            let (status, answer) = send(&system, cut.clone(), encoding).await;
            assert_eq!(status, 415, "{answer}");
            let (accepted, rejected) = counts(&answer);
            // The last line is cut as well.
            assert!(accepted > 1000 && accepted < 40_000 && rejected == 0, "{answer}");
            assert!(answer["detail"].as_str().unwrap().contains("damaged"), "{answer}");
        }
        // No chunk says that it is the last.
        let chunks = cut.chunks(5000).map(|chunk| Ok::<_, String>(chunk.to_vec()));
        let chunks: Vec<_> = chunks.collect();
        let body = reqwest::Body::wrap_stream(futures_util::stream::iter(chunks));
        let upload = system.upload(body).header("content-encoding", encoding);
        let (status, answer) = system::answer(upload.send().await.unwrap()).await;
        assert_eq!(status, 422, "{answer}");
        assert!(counts(&answer).0 > 1000, "{answer}");
        // A body damaged in the middle may be right the next time.
        let mut damaged = coded.clone();
        damaged[coded.len() / 2..][..100].fill(0x55);
        let (status, answer) = send(&system, damaged, encoding).await;
        assert_eq!(status, 422, "{answer}");
    }
}

/// Transfer codings that need decoding are refused before the body is read, never ignored.
#[tokio::test]
async fn transfer_codings() {
    let system = System::start(1).await;
    let address = system.ingest_address();
    let zipped = gzip(readings(0, 10));
    for (headers, expected) in [
        ("transfer-encoding: gzip, chunked\r\n", "501"),
        ("transfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n", "501"),
        ("transfer-encoding: br, chunked\r\n", "501"),
        ("transfer-encoding: identity, chunked\r\n", "200"),
        ("transfer-encoding: chunked\r\n", "200"),
        ("transfer-encoding: chunked\r\ncontent-encoding: gzip\r\n", "200"),
        ("transfer-encoding: chunked\r\ncontent-encoding: gzip, br\r\n", "415"),
        // HTTP's own parser cannot tell where these end.
        ("transfer-encoding: gzip\r\n", "400"),
        ("transfer-encoding: chunked, gzip\r\n", "400"),
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let mut request =
            format!("POST /ingest HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n{headers}\r\n").into_bytes();
        request.extend_from_slice(format!("{:x}\r\n", zipped.len()).as_bytes());
        request.extend_from_slice(&zipped);
        request.extend_from_slice(b"\r\n0\r\n\r\n");
        stream.write_all(&request).await.unwrap();
        let mut answer = [0; 12];
        tokio::time::timeout(LONG, stream.read_exact(&mut answer))
            .await
            .unwrap()
            .unwrap();
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.ends_with(&format!(" {expected}")), "{headers}: {answer}");
    }
    system.wait_for_rows(10).await;
}
