//! What becomes of requests, at endpoints that answer well and badly.

use super::endpoint::{Endpoint, Say, answer};
use crate::pool::LONGEST_USE;
use crate::resolve::Resolver;
use crate::{Allowed, Attempt, Client, Headers, Keys, Outcome, Reason, Request, Signature, Target};
use rustls::RootCertStore;
use std::io;
use std::time::Duration;
use tokio::net::TcpListener;

/// More than any answer needs.
pub(super) const LONG: Duration = Duration::from_secs(60);
/// For answers that never come.
pub(super) const SHORT: Duration = Duration::from_millis(300);

pub(super) fn allowed() -> Allowed {
    Allowed::parse(["127.0.0.1"]).unwrap()
}

pub(super) fn request() -> Request {
    let keys = Keys::new("0123456789abcdef0123456789abcdef".to_owned().into(), None).unwrap();
    let body = r#"{"a":1}"#;
    let signature = Signature::new(&keys.secrets([1; 16], 1), "message-1", 1_900_000_000, body.as_bytes()).unwrap();
    let headers = Headers::new([("X-Mine", "yes"), ("Authorization", "Bearer hunter2")]).unwrap();
    Request::new(headers, signature, body.into())
}

pub(super) fn client() -> Client {
    Client::new(RootCertStore::empty(), allowed()).unwrap()
}

pub(super) async fn send(client: &Client, url: &str, timeout: Duration) -> Attempt {
    let target = Target::parse(url, &allowed()).unwrap();
    client.send(&request(), &target, timeout).await
}

pub(super) fn retry(reason: Reason) -> Outcome {
    Outcome::Retry { reason, after: None }
}

#[tokio::test]
async fn a_request_arrives_with_its_signature() {
    let endpoint = Endpoint::at("127.0.0.1", None, |_| answer("200 OK", "", "thanks")).await;
    let attempt = send(&client(), &endpoint.url(), LONG).await;
    assert_eq!(attempt.outcome, Outcome::Delivered);
    assert_eq!((attempt.status, attempt.body.as_str()), (Some(200), "thanks"));
    let text = endpoint.requests().remove(0);
    assert!(text.starts_with("POST /hook?a=b HTTP/1.1\r\n"), "{text}");
    for line in [
        format!("host: {}", endpoint.address),
        "webhook-id: message-1".to_owned(),
        "webhook-timestamp: 1900000000".to_owned(),
        "webhook-signature: v1,".to_owned(),
        "content-type: application/json".to_owned(),
        "content-length: 7".to_owned(),
        "user-agent: odograph/".to_owned(),
        "x-mine: yes".to_owned(),
        "authorization: Bearer hunter2".to_owned(),
    ] {
        assert!(text.contains(&format!("\r\n{line}")), "{line} in {text}");
    }
    assert!(text.ends_with("\r\n\r\n{\"a\":1}"), "{text}");
    assert!(!text.contains("accept-encoding"), "{text}");
}

#[tokio::test]
async fn answers_become_outcomes() {
    let long = "é".repeat(600);
    let cases: [(Say, Outcome, &str); 9] = [
        (answer("204 No Content", "", ""), Outcome::Delivered, ""),
        (answer("410 Gone", "", "no more"), Outcome::Gone, "no more"),
        (answer("500 Oops", "", "a\0b"), retry(Reason::Status(500)), "a\u{fffd}b"),
        (
            answer("404 Not Found", "", &long),
            retry(Reason::Status(404)),
            &long[..1024],
        ),
        (
            answer("429 Slow", "Retry-After: 120\r\n", ""),
            Outcome::Retry {
                reason: Reason::Status(429),
                after: Some(Duration::from_secs(120)),
            },
            "",
        ),
        (
            answer("503 Busy", "Retry-After: Fri, 31 Dec 9999 23:59:59 GMT\r\n", ""),
            Outcome::Retry {
                reason: Reason::Status(503),
                after: Some(Duration::from_secs(86_400)),
            },
            "",
        ),
        (
            answer("503 Busy", "Retry-After: soon\r\n", ""),
            retry(Reason::Status(503)),
            "",
        ),
        (
            Say::Last("HTTP/1.0 200 OK\r\n\r\nold".to_owned()),
            Outcome::Delivered,
            "old",
        ),
        (
            Say::This(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
                    .to_owned(),
            ),
            Outcome::Delivered,
            "abc",
        ),
    ];
    for (say, outcome, body) in cases {
        let endpoint = Endpoint::at("127.0.0.1", None, move |_| say.clone()).await;
        let attempt = send(&client(), &endpoint.url(), LONG).await;
        assert_eq!((attempt.outcome, attempt.body.as_str()), (outcome, body));
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let other = Endpoint::at("127.0.0.1", None, |_| answer("200 OK", "", "")).await;
    for status in [301, 302, 303, 307, 308] {
        let location = format!("Location: {}\r\n", other.url());
        let say = answer(&format!("{status} Elsewhere"), &location, "");
        let endpoint = Endpoint::at("127.0.0.1", None, move |_| say.clone()).await;
        let attempt = send(&client(), &endpoint.url(), LONG).await;
        assert_eq!(attempt.outcome, retry(Reason::Status(status)));
        assert!(Reason::Status(status).to_string().contains("redirect"));
    }
    assert_eq!(other.connections(), 0);
}

#[tokio::test]
async fn a_huge_answer_is_cut() {
    for head in [
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
    ] {
        let mut endpoint = Endpoint::at("127.0.0.1", None, move |_| Say::Endless(head.to_owned())).await;
        let client = client();
        let attempt = send(&client, &endpoint.url(), LONG).await;
        assert_eq!(attempt.outcome, Outcome::Delivered);
        assert_eq!(attempt.body, "x".repeat(1024));
        // The client has closed: what was written to it beyond 64 KiB was in the buffers of two sockets.
        let written = endpoint.closed().await;
        assert!(written < 64 * 1024 * 1024, "{written}");
    }
}

#[tokio::test]
async fn a_bad_answer_is_tried_again() {
    let large = format!("HTTP/1.1 200 OK\r\nX-Large: {}\r\n\r\n", "x".repeat(70_000));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(101));
    for (say, reason) in [
        (Say::Last(String::new()), Reason::Lost),
        (Say::Last("HTTP/1.1 200".to_owned()), Reason::Lost),
        (Say::Last("SSH-2.0-OpenSSH_9.9\r\n".to_owned()), Reason::NotHttp),
        (Say::Last("HTTP/2 200 OK\r\n\r\n".to_owned()), Reason::NotHttp),
        (Say::Hang(large), Reason::LargeHead),
        (Say::Hang(many), Reason::LargeHead),
        (
            Say::Hang("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n".to_owned()),
            Reason::NotHttp,
        ),
    ] {
        let endpoint = Endpoint::at("127.0.0.1", None, move |_| say.clone()).await;
        let attempt = send(&client(), &endpoint.url(), LONG).await;
        assert_eq!(attempt.outcome, retry(reason));
        assert_eq!((attempt.status, attempt.body.as_str()), (None, ""));
    }
}

#[tokio::test]
async fn a_slow_answer_times_out_and_is_closed() {
    for head in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 103 Early Hints\r\n\r\n"] {
        let mut endpoint = Endpoint::at("127.0.0.1", None, move |_| Say::Hang(head.to_owned())).await;
        let client = client();
        let attempt = send(&client, &endpoint.url(), SHORT).await;
        assert_eq!(attempt.outcome, retry(Reason::SlowAnswer));
        assert_eq!(endpoint.closed().await, head.len());
    }
    // A status that came in time counts.
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc";
    let mut endpoint = Endpoint::at("127.0.0.1", None, move |_| Say::Hang(head.to_owned())).await;
    let client = client();
    let attempt = send(&client, &endpoint.url(), SHORT).await;
    assert_eq!((attempt.outcome, attempt.body.as_str()), (Outcome::Delivered, "abc"));
    assert_eq!(endpoint.closed().await, head.len());
}

#[tokio::test]
async fn a_dropped_try_closes_its_connection() {
    let mut endpoint = Endpoint::at("127.0.0.1", None, |_| Say::Hang(String::new())).await;
    let (client, url) = (client(), endpoint.url());
    tokio::select! {
        attempt = send(&client, &url, LONG) => panic!("{attempt:?}"),
        () = async { while endpoint.requests().is_empty() { tokio::task::yield_now().await } } => {}
    }
    assert_eq!(endpoint.closed().await, 0);
}

#[tokio::test]
async fn a_host_that_cannot_be_reached_is_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    assert_eq!(send(&client(), &url, LONG).await.outcome, retry(Reason::Closed));

    for (resolver, reason) in [
        (Resolver::of(|_, _| Ok(Vec::new())), Reason::Unresolved),
        (
            Resolver::of(|_, _| Err(io::Error::other("10.0.0.53 has not answered"))),
            Reason::Unresolved,
        ),
        (Resolver::of(|_, _| panic!("a resolver's fault")), Reason::Unresolved),
    ] {
        let client = Client::with(RootCertStore::empty(), allowed(), resolver, LONGEST_USE).unwrap();
        let attempt = send(&client, "https://hook.example/", LONG).await;
        assert_eq!(attempt.outcome, retry(reason));
    }

    // The resolver answers when the test is over.
    let (over, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let resolver = Resolver::of(move |_, _| {
        let _ = wait.lock().unwrap().recv();
        Ok(Vec::new())
    });
    let client = Client::with(RootCertStore::empty(), allowed(), resolver, LONGEST_USE).unwrap();
    let attempt = send(&client, "https://hook.example/", SHORT).await;
    assert_eq!(attempt.outcome, retry(Reason::SlowName));
    drop(over);
}

#[tokio::test]
async fn methods_are_the_common_ones() {
    let endpoint = Endpoint::at("127.0.0.1", None, |_| Say::This("HTTP/1.1 204 No\r\n\r\n".to_owned())).await;
    let (client, target) = (client(), Target::parse(&endpoint.url(), &allowed()).unwrap());
    for method in ["POST", "GET", "PUT", "PATCH", "DELETE", "HEAD"] {
        let attempt = client
            .send(&request().with_method(method).unwrap(), &target, LONG)
            .await;
        assert_eq!(attempt.outcome, Outcome::Delivered);
        assert!(endpoint.requests().last().unwrap().starts_with(method));
    }
    for method in ["CONNECT", "TRACE", "OPTIONS", "post", "", "A B"] {
        assert!(request().with_method(method).is_err(), "{method}");
    }
}

#[test]
fn reasons_name_no_address() {
    for reason in [
        Reason::Status(301),
        Reason::Unresolved,
        Reason::SlowName,
        Reason::NotPublic,
        Reason::NotEncrypted,
        Reason::Closed,
        Reason::Unreachable,
        Reason::SlowConnection,
        Reason::Tls("the handshake failed"),
        Reason::SlowAnswer,
        Reason::Lost,
        Reason::LargeHead,
        Reason::NotHttp,
    ] {
        let text = reason.to_string();
        assert!(!text.contains("127.") && !text.contains("::"), "{text}");
    }
}
