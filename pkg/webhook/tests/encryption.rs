//! TLS: which certificates are trusted, and what is no TLS at all.

use super::certificate::Authority;
use super::delivery::{LONG, SHORT, allowed, client, retry, send};
use super::endpoint::{Endpoint, answer};
use crate::pool::LONGEST_USE;
use crate::resolve::Resolver;
use crate::{Client, Outcome, Reason};
use rustls::RootCertStore;
use std::net::SocketAddr;
use tokio::net::TcpListener;

fn client_at(roots: RootCertStore, ip: &'static str) -> Client {
    let resolver = Resolver::of(move |_, port| Ok(vec![SocketAddr::new(ip.parse().unwrap(), port)]));
    Client::with(roots, allowed(), resolver, LONGEST_USE).unwrap()
}

#[tokio::test]
async fn certificates_are_checked() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    for (host, authority, expired, expected) in [
        ("hook.example", &ours, false, None),
        (
            "other.example",
            &ours,
            false,
            Some("the certificate is for another host"),
        ),
        ("hook.example", &ours, true, Some("the certificate has expired")),
        (
            "hook.example",
            &theirs,
            false,
            Some("the certificate's authority is not trusted"),
        ),
    ] {
        let tls = authority.acceptor(host, expired);
        let endpoint = Endpoint::at("127.0.0.1", Some(tls), |_| answer("200 OK", "", "")).await;
        let url = format!("https://Hook.Example.:{}/", endpoint.address.port());
        let attempt = send(&client_at(ours.roots(), "127.0.0.1"), &url, LONG).await;
        let outcome = expected.map_or(Outcome::Delivered, |why| retry(Reason::Tls(why)));
        assert_eq!(attempt.outcome, outcome);
        assert_eq!(endpoint.requests().len(), usize::from(expected.is_none()));
        if let Some(request) = endpoint.requests().first() {
            let host = format!("\r\nhost: hook.example:{}\r\n", endpoint.address.port());
            assert!(request.contains(&host), "{request}");
        }
    }
    // An address is checked as one.
    let endpoint = Endpoint::at("127.0.0.1", Some(ours.acceptor("127.0.0.1", false)), |_| {
        answer("200 OK", "", "")
    });
    let endpoint = endpoint.await;
    let url = endpoint.url().replace("http:", "https:");
    let client = Client::new(ours.roots(), allowed()).unwrap();
    assert_eq!(send(&client, &url, LONG).await.outcome, Outcome::Delivered);
}

#[tokio::test]
async fn a_port_without_tls_is_no_https() {
    for (say, why) in [
        (
            "HTTP/1.1 400 Bad\r\n\r\n",
            "the endpoint does not speak TLS at this port",
        ),
        ("", "the endpoint closed the connection during the handshake"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}/", listener.local_addr().unwrap());
        let (client, answered) = (client(), async {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut hello = [0; 16 * 1024];
            let _ = stream.read(&mut hello).await;
            stream.write_all(say.as_bytes()).await.unwrap();
        });
        let (attempt, ()) = tokio::join!(send(&client, &url, LONG), answered);
        assert_eq!(attempt.outcome, retry(Reason::Tls(why)));
    }
    // A handshake that is never answered.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let attempt = send(&client(), &url, SHORT).await;
    assert_eq!(attempt.outcome, retry(Reason::SlowConnection));
}
