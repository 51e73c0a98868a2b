//! Ten clients post, edit, delete, retry and page at once, while journals and PostgreSQL are killed.

use super::claim;
use crate::system::{LONG, client};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use testutil::{Postgres, Program, Signal};
use tokio::time::sleep;

const CLIENTS: usize = 10;

/// Posts of each client, at the least.
const POSTS: usize = 40;

/// What a client knows of its entries: by its key, the id and whether it is there.
type Known = BTreeMap<String, (String, bool)>;

/// Sends until there is an answer that is none of a server in trouble.
async fn send(url: &str, method: Method, user: &str, key: Option<&str>, body: &Value) -> (u16, Value) {
    let http = client();
    loop {
        let mut request = http
            .request(method.clone(), url)
            .bearer_auth(claim(user))
            .body(body.to_string());
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        if let Ok(answer) = request.send().await {
            let status = answer.status().as_u16();
            // Deletes are answered without a body; an answer that breaks off is none.
            if let Ok(text) = answer.text().await {
                if status < 500 {
                    return (status, serde_json::from_str(&text).unwrap_or_default());
                }
                assert_eq!(status, 503, "{text}");
            }
        }
        sleep(Duration::from_millis(50)).await;
    }
}

async fn work(base: String, number: usize, posted: Arc<AtomicUsize>, enough: Arc<AtomicBool>) -> Known {
    let (user, mut known) = (format!("user-{number}"), Known::new());
    let mut at = 0;
    while at < POSTS || !enough.load(Ordering::Relaxed) {
        at += 1;
        let key = format!("{number}-{at}");
        let body = json!({"text": format!("entry {at} #all #of{number}"), "created_at": 1_780_000_000 + at * 60});
        let (status, answer) = send(&format!("{base}/message"), Method::POST, &user, Some(&key), &body).await;
        assert!(matches!(status, 200 | 201), "{status} {answer}");
        let id = answer["data"]["id"].as_str().unwrap().to_owned();
        posted.fetch_add(1, Ordering::Relaxed);
        let path = format!("{base}/message/{id}");
        known.insert(key.clone(), (id.clone(), at % 4 != 2));
        match at % 4 {
            1 => {
                let edit = json!({"text": format!("edited {at} #all #edited")});
                let (status, answer) = send(&path, Method::PATCH, &user, None, &edit).await;
                assert_eq!(status, 200, "{answer}");
            }
            2 => {
                let (status, _) = send(&path, Method::DELETE, &user, None, &json!({})).await;
                // A delete whose answer was lost has been.
                assert!(matches!(status, 204 | 410), "{status}");
            }
            3 => {
                let (status, answer) = send(&format!("{base}/message"), Method::POST, &user, Some(&key), &body).await;
                assert_eq!((status, answer["data"]["id"].as_str()), (200, Some(&*id)));
            }
            _ => pages(&base, &user, &known).await,
        }
    }
    known
}

/// All entries of a user, page by page: those that were there come once, in order.
async fn pages(base: &str, user: &str, known: &Known) {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let url = format!("{base}/message?user_name={user}&limit=7{cursor}");
        let (status, answer) = send(&url, Method::GET, user, None, &json!({})).await;
        assert_eq!(status, 200, "{answer}");
        let messages = answer["data"]["messages"].as_array().cloned().unwrap_or_default();
        found.extend(messages.iter().map(|one| one["id"].as_str().unwrap().to_owned()));
        match answer["data"]["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let mut sorted = found.clone();
    sorted.sort_by(|one, other| other.cmp(one));
    sorted.dedup();
    assert_eq!(found, sorted);
    let there: BTreeSet<&String> = known
        .values()
        .filter(|(_, is_there)| *is_there)
        .map(|(id, _)| id)
        .collect();
    let found: BTreeSet<&String> = found.iter().collect();
    assert_eq!(found, there, "{user}");
}

#[tokio::test]
async fn nothing_is_lost_and_nothing_is_there_twice() {
    let mut postgres = Postgres::start().await;
    let start = async |port: u16| {
        Program::new("journal")
            .env("DATABASE_URL", postgres.url())
            .args(["--demo-users", "--port"])
            .arg(port.to_string())
            .start()
            .await
    };
    let mut journal = start(0).await;
    let port = journal.address("main").await.port();
    let base = format!("http://127.0.0.1:{port}");
    let (posted, enough) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| tokio::spawn(work(base.clone(), number, posted.clone(), enough.clone())))
        .collect();
    for round in 0..6 {
        let more = posted.load(Ordering::Relaxed) + 40;
        testutil::poll(LONG, async || (posted.load(Ordering::Relaxed) >= more).then_some(())).await;
        if round % 3 == 2 {
            postgres.kill9().await;
            postgres.restart().await;
        } else {
            journal.signal(Signal::SIGKILL);
            journal.wait(LONG).await;
            journal = Program::new("journal")
                .env("DATABASE_URL", postgres.url())
                .args(["--demo-users", "--port"])
                .arg(port.to_string())
                .start()
                .await;
        }
    }
    enough.store(true, Ordering::Relaxed);
    let mut all = Known::new();
    for client in clients {
        all.extend(client.await.unwrap());
    }
    for number in 0..CLIENTS {
        let of: Known = all
            .iter()
            .filter(|(key, _)| key.starts_with(&format!("{number}-")))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        pages(&base, &format!("user-{number}"), &of).await;
    }
    let there = all.values().filter(|(_, is_there)| *is_there).count();
    let (_, trend) = send(
        &format!("{base}/trend?aggregation=24h&from_date=1780000000&to_date=1790000000&hashtag=all"),
        Method::GET,
        "user-0",
        None,
        &json!({}),
    )
    .await;
    let counts = trend["data"]["trends"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["count"].as_u64().unwrap());
    assert_eq!(counts.sum::<u64>(), there as u64);
}
