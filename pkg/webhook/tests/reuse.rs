//! Connections that serve several requests, and those that must not.

use super::certificate::Authority;
use super::delivery::{LONG, allowed, client, request, retry, send};
use super::endpoint::{Endpoint, Say, answer};
use crate::resolve::Resolver;
use crate::{Client, Headers, Keys, Outcome, Reason, Request, Signature, Target};
use rustls::RootCertStore;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::interval;

#[tokio::test]
async fn a_connection_is_used_again() {
    let authority = Authority::new("ours");
    for tls in [None, Some(authority.acceptor("127.0.0.1", false))] {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let endpoint = Endpoint::at("127.0.0.1", tls, |_| answer("500 Oops", "", "still whole")).await;
        let client = Client::new(authority.roots(), allowed()).unwrap();
        let url = endpoint.url().replace("http", scheme);
        for _ in 0..5 {
            assert_eq!(send(&client, &url, LONG).await.outcome, retry(Reason::Status(500)));
        }
        let elsewhere = Target::parse(&url, &allowed()).unwrap().at("/other?c=d").unwrap();
        client.send(&request(), &elsewhere, LONG).await;
        assert_eq!((endpoint.connections(), endpoint.requests().len()), (1, 6));
        assert!(endpoint.requests()[5].starts_with("POST /other?c=d "));
    }
}

#[tokio::test]
async fn requests_at_once_have_connections_of_their_own() {
    let endpoint = Endpoint::at("127.0.0.1", None, |_| answer("200 OK", "", "")).await;
    let (client, url) = (client(), endpoint.url());
    for _ in 0..3 {
        let (one, two) = tokio::join!(send(&client, &url, LONG), send(&client, &url, LONG));
        assert_eq!((one.outcome, two.outcome), (Outcome::Delivered, Outcome::Delivered));
    }
    assert_eq!((endpoint.connections(), endpoint.requests().len()), (2, 6));
}

#[tokio::test]
async fn a_connection_that_was_closed_meanwhile_costs_no_try() {
    // Closed after each answer, with and without a word.
    for head in [
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    ] {
        let endpoint = Endpoint::at("127.0.0.1", None, move |_| Say::Last(head.to_owned())).await;
        let (client, url) = (client(), endpoint.url());
        for _ in 0..5 {
            assert_eq!(send(&client, &url, LONG).await.outcome, Outcome::Delivered);
        }
        assert_eq!((endpoint.connections(), endpoint.requests().len()), (5, 5));
    }
    // Closed when the second request has come: it is sent again, once.
    let endpoint = Endpoint::at("127.0.0.1", None, |number| match number {
        1 => Say::Last(String::new()),
        _ => answer("200 OK", "", ""),
    });
    let endpoint = endpoint.await;
    let (client, url) = (client(), endpoint.url());
    for _ in 0..2 {
        assert_eq!(send(&client, &url, LONG).await.outcome, Outcome::Delivered);
    }
    let requests = endpoint.requests();
    assert_eq!((endpoint.connections(), requests.len()), (2, 3));
    assert_eq!(requests[1], requests[2]);
}

#[tokio::test]
async fn an_answer_that_was_not_asked_for_answers_nothing() {
    let two = "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let endpoint = Endpoint::at("127.0.0.1", None, move |_| Say::This(two.to_owned())).await;
    let (client, url) = (client(), endpoint.url());
    for sent in 1..4 {
        assert_eq!(send(&client, &url, LONG).await.outcome, retry(Reason::Status(500)));
        assert_eq!(endpoint.connections(), sent);
    }
}

#[tokio::test]
async fn an_answer_counts_before_the_body_is_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let target = Target::parse(&url, &allowed()).unwrap();
    let body = vec![b' '; 64 * 1024 * 1024];
    let keys = Keys::new("0123456789abcdef0123456789abcdef".to_owned().into(), None).unwrap();
    let signature = Signature::new(&keys.secrets([1; 16], 1), "large", 1, &body).unwrap();
    let request = Request::new(Headers::default(), signature, body.into());
    let client = client();
    // Reads the head only, and waits until the client closes.
    let answered = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = [0; 64];
        stream.read_exact(&mut head).await.unwrap();
        let answer = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(answer).await.unwrap();
        stream
    };
    let (attempt, mut stream) = tokio::join!(client.send(&request, &target, LONG), answered);
    assert_eq!(attempt.outcome, retry(Reason::Status(413)));
    let mut read = 0;
    let mut rest = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = stream.read(&mut rest).await {
        read += length;
    }
    assert!(read < 64 * 1024 * 1024, "the connection was closed amid the body");
}

#[tokio::test]
async fn idle_connections_are_closed() {
    let mut endpoint = Endpoint::at("127.0.0.1", None, |_| answer("200 OK", "", "")).await;
    let old = Duration::from_millis(1500);
    let client = Client::with(RootCertStore::empty(), allowed(), Resolver::system(), old).unwrap();
    let url = endpoint.url();
    for _ in 0..2 {
        assert_eq!(send(&client, &url, LONG).await.outcome, Outcome::Delivered);
    }
    let mut looks = interval(Duration::from_millis(20));
    loop {
        tokio::select! {
            _ = endpoint.closed() => break,
            _ = looks.tick() => client.close_idle(),
        }
    }
}
