//! Awkward answers: which are tried again, which end the replay, and what it says then.

use super::*;
use std::fmt::Write as _;

/// Each answer comes once, before a good one; the chunk is sent again and counts once.
#[tokio::test]
async fn what_may_pass_is_tried_again() {
    let problem = r#"{"title":"Service Unavailable","detail":"the bus is full"}"#;
    let awkward = [
        Reply::answer(503, problem).with("Retry-After: 0"),
        Reply::answer(429, ""),
        Reply::answer(422, r#"{"id":"x","accepted":3,"rejected":0}"#),
        Reply::answer(500, "oops"),
        Reply::answer(308, "").with("Location: https://example.org/ingest"),
        Reply::answer(200, "<html>Welcome to the hotel</html>"),
        Reply::answer(400, "bad gateway"),
        Reply::Cut,
        Reply::CutWithinAnswer,
    ];
    for reply in awkward {
        let folder = TempDir::new().unwrap();
        let path = file(&folder, "drive.ndjson", lines(10, |line| line == 3));
        let told = format!("{reply:?}");
        let server = Server::start(move |number, body| match number {
            0 => reply.clone(),
            _ => judge(body),
        })
        .await;
        let (summary, ended) = replay(&options(&server, &[&path])).await;
        ended.unwrap();
        let counts = (summary.accepted, summary.rejected, summary.retries);
        assert_eq!(counts, (9, 1, 1), "after {told}");
        assert_eq!(rejects(&path), [(3, "not JSON".to_owned(), "bad 3".to_owned())]);
        let requests = server.requests();
        assert_eq!(requests.len(), 2);
        assert_eq!(requests[0].body, requests[1].body);
    }
}

#[tokio::test]
async fn what_will_not_pass_is_final() {
    let mut said = String::new();
    for status in [401, 403, 404, 405, 413, 415] {
        let ours = json!({"title": "No", "status": status, "detail": "that is not how it works"}).to_string();
        let page = "<html><head><title>That is not how it works</title></head>";
        for body in [ours, page.to_owned(), String::new()] {
            let folder = TempDir::new().unwrap();
            let path = file(&folder, "drive.ndjson", lines(10, |_| false));
            let server = Server::start(move |_, _| Reply::answer(status, &body)).await;
            let (summary, ended) = replay(&options(&server, &[&path])).await;
            let Err(Error::Refused { answer, advice }) = ended else {
                panic!("{status}: {ended:?}")
            };
            writeln!(said, "{answer}\n  {advice}").unwrap();
            assert_eq!((summary.accepted, summary.retries, server.requests().len()), (0, 0, 1));
            assert!(path.exists());
        }
    }
    insta::assert_snapshot!(said);
}

/// Why the last try failed.
async fn kept_from(options: Options) -> String {
    let options = Options {
        max_retry_time: Some(Duration::ZERO),
        ..options
    };
    match replay(&options).await {
        (summary, Err(Error::GaveUp { reason })) => {
            assert_eq!(summary.accepted, 0);
            reason
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_answers_in_between_is_no_ingestor() {
    let folder = TempDir::new().unwrap();
    let path = file(&folder, "drive.ndjson", lines(10, |_| false));
    let id = "01936d3a-0000-7000-8000-000000000000";
    let mut reasons = Vec::new();
    for (status, body) in [
        (200, "<html><title>Welcome to the hotel</title></html>".to_owned()),
        (200, String::new()),
        (200, "{}".to_owned()),
        (200, json!({"accepted": 10, "rejected": 0}).to_string()),
        (200, json!({"id": id, "accepted": 10}).to_string()),
        (200, json!({"id": id, "status": "ok"}).to_string()),
        (400, "<html><title>400 Bad Request</title></html>".to_owned()),
        (502, "<html><title>502 Bad Gateway</title></html>".to_owned()),
        (504, String::new()),
        (511, "Network Authentication Required".to_owned()),
    ] {
        let server = Server::start(move |_, _| Reply::answer(status, &body)).await;
        reasons.push(kept_from(options(&server, &[&path])).await);
    }
    // An ingestor said this, but it is no verdict on a line.
    let sentence = json!({"title": "Bad Request", "status": 400, "detail": "This port speaks TLS."}).to_string();
    let server = Server::start(move |_, _| Reply::answer(400, &sentence)).await;
    reasons.push(kept_from(options(&server, &[&path])).await);
    insta::assert_snapshot!(reasons.join("\n"));
}

#[tokio::test]
async fn a_server_that_defers_is_given_its_time() {
    let folder = TempDir::new().unwrap();
    let path = file(&folder, "drive.ndjson", lines(10, |_| false));
    for status in [429, 503] {
        let problem = json!({"title": "Wait", "status": status, "detail": "no room", "accepted": 9, "deferred": 1});
        let reply = Reply::answer(status, &problem.to_string()).with("Retry-After: 300");
        let server = Server::start(move |_, _| reply.clone()).await;
        let options = Options {
            max_retry_time: Some(Duration::from_secs(290)),
            ..options(&server, &[&path])
        };
        let (summary, ended) = replay(&options).await;
        // The server asks for a longer wait than allowed.
        assert!(matches!(ended, Err(Error::GaveUp { .. })), "{ended:?}");
        assert_eq!((summary.accepted, summary.retries, server.requests().len()), (0, 0, 1));
        // If allowed, the same lines are sent again.
        let reply = Reply::answer(status, &problem.to_string()).with("Retry-After: 0");
        let server = Server::start(move |number, body| if number == 0 { reply.clone() } else { judge(body) }).await;
        let options = Options {
            url: server.url(),
            ..options
        };
        let (summary, ended) = replay(&options).await;
        ended.unwrap();
        assert_eq!((summary.accepted, summary.rejected, summary.retries), (10, 0, 1));
    }
}

#[tokio::test]
async fn tls_and_plain_text_are_told_apart() {
    let folder = TempDir::new().unwrap();
    let path = file(&folder, "drive.ndjson", lines(100_000, |_| false));
    let plain = Server::puzzled(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
    let with_tls = Options {
        url: plain.url().replace("http://", "https://"),
        ..options(&plain, &[&path])
    };
    let no_tls = kept_from(with_tls).await;

    // What a TLS server answers to a request without TLS: the alert of an unexpected message.
    let tls = Server::puzzled(b"\x15\x03\x01\0\x02\x02\x0a").await;
    let no_http = kept_from(options(&tls, &[&path])).await;
    insta::with_settings!({filters => vec![(r"127\.0\.0\.1:[0-9]+", "[address]")]}, {
        insta::assert_snapshot!(format!("{no_tls}\n{no_http}"));
    });
}

#[tokio::test]
async fn gives_up_when_told_to() {
    let folder = TempDir::new().unwrap();
    let path = file(&folder, "drive.ndjson", lines(10, |_| false));
    let server = Server::start(|_, _| Reply::answer(503, "")).await;
    let max_retry_time = Some(Duration::from_millis(600));
    let options = Options {
        max_retry_time,
        ..options(&server, &[&path])
    };
    let (summary, ended) = replay(&options).await;
    assert!(matches!(ended, Err(Error::GaveUp { .. })), "{ended:?}");
    assert!(summary.retries > 0);
    assert_eq!(server.requests().len() as u64, summary.retries + 1);
}
