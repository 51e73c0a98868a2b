//! Name servers that answer differently each time, or with several addresses.

use super::certificate::Authority;
use super::delivery::{LONG, allowed, request};
use super::endpoint::{Endpoint, answer};
use crate::resolve::Resolver;
use crate::{Allowed, Client, Outcome, Reason, Target};
use rustls::RootCertStore;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const NEVER: &str = "nothing may connect";

/// Answers each lookup with the next of these, and the last one ever after.
fn resolver(answers: &'static [&'static [&'static str]]) -> (Resolver, Arc<AtomicUsize>) {
    let lookups = Arc::new(AtomicUsize::new(0));
    let count = lookups.clone();
    let resolver = Resolver::of(move |_, port| {
        let index = count.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
        let ips = answers[index].iter();
        Ok::<_, io::Error>(ips.map(|ip| SocketAddr::new(ip.parse().unwrap(), port)).collect())
    });
    (resolver, lookups)
}

fn client(roots: RootCertStore, resolver: Resolver, longest_use: Duration) -> Client {
    // What stands for the public internet is 127.0.0.1; 127.0.0.2 is private.
    Client::with(roots, allowed(), resolver, longest_use).unwrap()
}

/// An `https` target whose name this client's `allowed` does not open.
fn target(endpoint: &Endpoint) -> Target {
    Target::parse(
        &format!("https://rebind.example:{}/", endpoint.address.port()),
        &allowed(),
    )
    .unwrap()
}

#[tokio::test]
async fn a_name_that_becomes_private_is_refused() {
    let authority = Authority::new("ours");
    let tls = Some(authority.acceptor("rebind.example", false));
    let public = Endpoint::at("127.0.0.1", tls, |_| answer("200 OK", "", "")).await;
    let private = public.beside("127.0.0.2", |_| panic!("{NEVER}")).await;
    let (resolver, lookups) = resolver(&[&["127.0.0.1"], &["127.0.0.2"]]);
    let client = client(authority.roots(), resolver, Duration::ZERO);
    let target = target(&public);

    // The first lookup is public, and its address is what is connected to: a second lookup by any
    // part of the client, would lead to the private one.
    let first = client.send(&request(), &target, LONG).await;
    assert_eq!(first.outcome, Outcome::Delivered);
    assert_eq!((lookups.load(Ordering::SeqCst), public.connections()), (1, 1));

    for lookup in 2..5 {
        let next = client.send(&request(), &target, LONG).await;
        assert_eq!(next.outcome, Outcome::Refused(Reason::NotPublic));
        assert_eq!(lookups.load(Ordering::SeqCst), lookup);
    }
    assert_eq!((public.connections(), private.connections()), (1, 0));
}

#[tokio::test]
async fn one_private_address_refuses_all() {
    let public = Endpoint::at("127.0.0.1", None, |_| panic!("{NEVER}")).await;
    let private = public.beside("127.0.0.2", |_| panic!("{NEVER}")).await;
    let answers: [&'static [&'static str]; 8] = [
        &["127.0.0.2"],
        &["127.0.0.1", "127.0.0.2"],
        &["127.0.0.2", "127.0.0.1"],
        &[
            "127.0.0.1",
            "127.0.0.1",
            "127.0.0.1",
            "127.0.0.1",
            "127.0.0.1",
            "::ffff:127.0.0.2",
        ],
        &["127.0.0.1", "::1"],
        &["127.0.0.1", "::ffff:127.0.0.1"],
        &["127.0.0.1", "64:ff9b::7f00:1"],
        &["127.0.0.1", "169.254.169.254"],
    ];
    for answer in answers {
        let resolver = Resolver::of(|_, port| {
            let ips = answer.iter();
            Ok(ips.map(|ip| SocketAddr::new(ip.parse().unwrap(), port)).collect())
        });
        let attempt = client(RootCertStore::empty(), resolver, LONG)
            .send(&request(), &target(&public), LONG)
            .await;
        assert_eq!(attempt.outcome, Outcome::Refused(Reason::NotPublic), "{answer:?}");
    }
    assert_eq!((public.connections(), private.connections()), (0, 0));
}

#[tokio::test]
async fn a_client_judges_targets_again() {
    let endpoint = Endpoint::at("127.0.0.2", None, |_| panic!("{NEVER}")).await;
    // These targets were judged with more allowed addresses than the client has.
    let more = Allowed::parse(["127.0.0.0/8", "open.example"]).unwrap();
    let (resolver, lookups) = resolver(&[&["127.0.0.2"]]);
    let client = client(RootCertStore::empty(), resolver, LONG);
    let port = endpoint.address.port();
    for (url, reason) in [
        (format!("https://127.0.0.2:{port}/"), Reason::NotPublic),
        (format!("http://127.0.0.2:{port}/"), Reason::NotEncrypted),
        (format!("http://open.example:{port}/"), Reason::NotEncrypted),
        (format!("https://open.example:{port}/"), Reason::NotPublic),
    ] {
        let target = Target::parse(&url, &more).unwrap();
        let attempt = client.send(&request(), &target, LONG).await;
        assert_eq!(attempt.outcome, Outcome::Refused(reason), "{url}");
    }
    assert_eq!((endpoint.connections(), lookups.load(Ordering::SeqCst)), (0, 1));
}

#[tokio::test]
async fn a_kept_connection_is_not_resolved_again_until_it_is_old() {
    for (longest_use, expected) in [(LONG, 1), (Duration::ZERO, 4)] {
        let endpoint = Endpoint::at("127.0.0.1", None, |_| answer("200 OK", "", "")).await;
        let (resolver, lookups) = resolver(&[&["127.0.0.1"]]);
        let allowed = Allowed::parse(["open.example"]).unwrap();
        let client = Client::with(RootCertStore::empty(), allowed.clone(), resolver, longest_use).unwrap();
        let url = format!("http://open.example:{}/", endpoint.address.port());
        let target = Target::parse(&url, &allowed).unwrap();
        for _ in 0..4 {
            let attempt = client.send(&request(), &target, LONG).await;
            assert_eq!(attempt.outcome, Outcome::Delivered);
        }
        assert_eq!(
            (lookups.load(Ordering::SeqCst), endpoint.connections()),
            (expected, expected)
        );
    }
}

#[tokio::test]
async fn the_next_address_is_tried_where_one_is_closed() {
    let endpoint = Endpoint::at("127.0.0.1", None, |_| answer("200 OK", "", "")).await;
    // Nothing listens at this port of the other two.
    let (resolver, _) = resolver(&[&["127.0.0.3", "127.0.0.4", "127.0.0.1"]]);
    let allowed = Allowed::parse(["open.example"]).unwrap();
    let client = Client::with(RootCertStore::empty(), allowed.clone(), resolver, LONG).unwrap();
    let url = format!("http://open.example:{}/", endpoint.address.port());
    let attempt = client
        .send(&request(), &Target::parse(&url, &allowed).unwrap(), LONG)
        .await;
    assert_eq!(attempt.outcome, Outcome::Delivered);
}

#[tokio::test]
async fn the_system_resolves_names() {
    let endpoint = Endpoint::at("127.0.0.1", None, |_| answer("200 OK", "", "")).await;
    let port = endpoint.address.port();
    let allowed = Allowed::parse(["localhost"]).unwrap();
    let target = Target::parse(&format!("http://localhost:{port}/"), &allowed).unwrap();
    let open = Client::new(RootCertStore::empty(), allowed).unwrap();
    assert_eq!(open.send(&request(), &target, LONG).await.outcome, Outcome::Delivered);
    let closed = Client::new(RootCertStore::empty(), Allowed::default()).unwrap();
    let target = Target::parse(
        &format!("https://localhost:{port}/"),
        &Allowed::parse(["localhost"]).unwrap(),
    )
    .unwrap();
    let attempt = closed.send(&request(), &target, LONG).await;
    assert_eq!(attempt.outcome, Outcome::Refused(Reason::NotPublic));
    assert_eq!(endpoint.connections(), 1);
}
