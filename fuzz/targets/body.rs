//! Any bytes as a body: chunked or whole, it has the same lines. In any encoding, the answer is no server
//! error, and the same for the same plain bytes.

#![no_main]

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use bytes::Bytes;
use clap::Parser;
use event::{Lane, Reader, Writer};
use ingest::{Ingest, Limits};
use access::Keys;
use reading::scan::{Scanner, Token};
use reading::values::without_runs;
use libfuzzer_sys::fuzz_target;
use service::Service;
use std::sync::LazyLock;
use std::time::Duration;
use tokio::runtime::Runtime;
use tower::ServiceExt;

const LONGEST: usize = 64;

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    limits: Limits,
}

struct Ingestor {
    runtime: Runtime,
    routes: Router,
}

/// An ingestor over a bus in memory, with a task that reads its events.
static INGESTOR: LazyLock<Ingestor> = LazyLock::new(|| {
    let url = "memory://fuzz";
    let runtime = Runtime::new().expect("threads can be started");
    let routes = runtime.block_on(async {
        for lane in Lane::ALL {
            let mut reader = Reader::open(url, &bus::NAMES, lane).await.expect("the URL is good");
            tokio::spawn(async move {
                while let Ok(mut delivery) = reader.next(event::MIN_ROOM).await {
                    delivery.ack().await;
                }
            });
        }
        let writer = Writer::open(url, &bus::NAMES).await.expect("the URL is good");
        let keys = Keys::load(&["key".into()], None).expect("there is a key");
        let limits = Flags::parse_from(["fuzz", "--max-line", "64"]).limits;
        Ingest::new(writer, keys, limits, None, &Service::new("fuzz", Duration::from_secs(10))).routes()
    });
    Ingestor { runtime, routes }
});

/// The status, and the answer without the upload's id.
fn post(chunks: Vec<Bytes>, encoding: &str) -> (u16, String) {
    let chunks = chunks.into_iter().map(Ok::<_, std::io::Error>);
    let body = Body::from_stream(futures_util::stream::iter(chunks));
    let request = Request::post("/ingest")
        .header("authorization", "Bearer key")
        .header("content-encoding", encoding)
        .header("transfer-encoding", "chunked")
        .body(body)
        .expect("the request is good");
    INGESTOR.runtime.block_on(async {
        let response = INGESTOR
            .routes
            .clone()
            .oneshot(request)
            .await
            .expect("a router never fails");
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), usize::MAX)
            .await
            .expect("the answer is in memory");
        let mut answer: serde_json::Value = serde_json::from_slice(&body).expect("the answer is JSON");
        answer["id"].take();
        (status, answer.to_string())
    })
}

/// The pieces, each with its line number; without the text of pieces that are no JSON.
fn scan(chunks: &[&[u8]]) -> Vec<(u64, String)> {
    let shown = |(number, token): (u64, Token<'_>)| match token {
        // Of a run of zeros, two are kept where chunks cut the line.
        Token::Line { bytes, part } => (number, format!("{part} {:?}", without_runs(bytes.trim_ascii_end()))),
        token => (number, format!("{token:?}")),
    };
    let (mut scanner, mut pieces) = (Scanner::new(LONGEST), Vec::new());
    for chunk in chunks {
        let mut rest = *chunk;
        while let Some(token) = scanner.next(&mut rest) {
            pieces.push(shown(token));
        }
    }
    while let Some(token) = scanner.finish() {
        pieces.push(shown(token));
    }
    pieces
}

// The first byte selects the encoding, the next four the ends of chunks.
fuzz_target!(|data: &[u8]| {
    let Some(([encoding, cuts @ ..], body)) = data.split_first_chunk::<5>() else {
        return;
    };
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| usize::from(*cut) * body.len() / 255).collect();
    cuts.extend([0, body.len()]);
    cuts.sort_unstable();
    let chunks: Vec<&[u8]> = cuts.windows(2).map(|range| &body[range[0]..range[1]]).collect();
    let copied = |chunks: &[&[u8]]| chunks.iter().map(|chunk| Bytes::copy_from_slice(chunk)).collect();
    match encoding % 3 {
        0 => {
            assert_eq!(scan(&chunks), scan(&[body]));
            let whole = post(copied(&[body]), "identity");
            assert!(matches!(whole.0, 200 | 400 | 415 | 422), "{whole:?}");
            assert_eq!(post(copied(&chunks), "identity"), whole);
        }
        encoding => {
            let name = if encoding == 1 { "gzip" } else { "zstd" };
            let (status, answer) = post(copied(&chunks), name);
            assert!(matches!(status, 200 | 400 | 413 | 415 | 422), "{status} {answer}");
            assert_eq!(post(copied(&[body]), name).0, status);
        }
    }
});
