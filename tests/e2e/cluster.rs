//! Three nats-servers as one bus: each is killed in turn under load, and no acknowledged reading is
//! missing.

use crate::bus::{ends, lines, url, users_of_a_cluster, with_operator};
use crate::system::{KEY, LONG, System, answer, client, connect, ingestor, persistor, retry_after};
use async_nats::jetstream::stream::ClusterInfo;
use async_nats::jetstream::{self, Context};
use futures_util::future::join_all;
use reqwest::{Client, StatusCode};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use testutil::{Cluster, Program, nats, poll};
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// Clients that send small bodies, and readings in each.
const SMALL_CLIENTS: usize = 3;
const SMALL: u64 = 5;

/// Readings of a large body, which takes several messages on the bulk lane.
const LARGE: u64 = 20_000;

/// Acknowledged small bodies that prove progress.
const SMALL_BODIES: u64 = 20;

/// A server that has not caught up by then is started once more.
const STALLED: Duration = Duration::from_secs(60);

/// Pause between two small bodies of a client.
const SMALL_BODY_PAUSE: Duration = Duration::from_millis(20);

/// Each of three servers is killed under load, the leader of the stream first; one comes back with
/// an empty disk. The next one is killed once all replicas are current.
#[tokio::test]
async fn servers_of_a_cluster_killed_in_turn() {
    let mut cluster = Cluster::start(nats::Options {
        sync_always: true,
        ..nats::Options::default()
    })
    .await;
    let bus = format!("{}/readings?replicas=3", cluster.url());
    let system = System::over(testutil::database().await, bus, 2, &[]).await;
    let jetstream = jetstream::new(async_nats::connect(hosts(&cluster)).await.unwrap());
    all_current(&jetstream).await;

    let load = Load::start(&system.ingest_url);
    let mut left = cluster.names();
    while !left.is_empty() {
        let leader = info(&jetstream, "READINGS").await.leader.unwrap();
        let doomed = left.iter().position(|name| *name == leader).unwrap_or_default();
        let doomed = left.remove(doomed);
        let killed = Instant::now();
        cluster.server(&doomed).kill9().await;
        load.goes_on().await;
        say(&format!(
            "{doomed} killed, leader {leader}: posts go on after {:?}",
            killed.elapsed()
        ));
        another_leads(&jetstream, &doomed).await;
        load.goes_on().await;
        // The second one has lost its disk.
        if left.len() == 1 {
            cluster.server(&doomed).empty();
        }
        cluster.server(&doomed).restart().await;
        current_again(&jetstream, &mut cluster, &doomed).await;
        say(&format!("{doomed} is back and current after {:?}", killed.elapsed()));
    }

    let sent = load.end().await;
    let readings: u64 = sent.values().map(|sent| sent.readings).sum();
    system.wait_for_rows(i64::try_from(readings).unwrap()).await;
    // The spare stream has taken events, and its events were all given back.
    let spare = poll(LONG, async || {
        let stream = jetstream.get_stream("READINGS_SPARE").await.ok()?;
        let state = &stream.cached_info().state;
        (state.messages == 0).then_some(state.last_sequence)
    });
    let spare = spare.await;
    assert!(spare > 0, "nothing was published while the stream had no leader");
    say(&format!("{spare} messages came through the spare stream"));
    let database = connect(&system.database.url()).await;
    // A reading's value is its number.
    let rows = "SELECT device, count(*), count(*) FILTER (WHERE value = extract(epoch FROM timestamp) - 1700000000) FROM readings GROUP BY 1";
    let rows = database.query(rows, &[]).await.unwrap();
    let stored: BTreeMap<String, (i64, i64)> = rows.iter().map(|row| (row.get(0), (row.get(1), row.get(2)))).collect();
    for (device, sent) in &sent {
        let readings = i64::try_from(sent.readings).unwrap();
        assert_eq!(stored[device], (readings, readings), "{device} of {stored:?}");
        say(&format!(
            "{device}: {} readings acknowledged, longest pause {:?}, answers {:?}",
            sent.readings, sent.longest, sent.answers
        ));
    }
    assert_eq!(stored.len(), sent.len(), "{stored:?}");
}

/// Programs use, empty and check the spare stream with the rights of SECURITY.md only.
#[tokio::test]
async fn users_with_the_rights_that_a_cluster_takes() {
    let users = with_operator(&users_of_a_cluster());
    let mut cluster = Cluster::start(nats::Options {
        extra: users,
        ..nats::Options::default()
    })
    .await;
    let bus = |user: &str| {
        let servers = cluster.url().replace("nats://", &format!("nats://{user}:hunter2@"));
        format!("{servers}/readings?replicas=3")
    };
    let database = testutil::database().await;
    let (ingestor_bus, persistor_bus, history) = (bus("ingestor"), bus("persistor"), bus("history"));
    let mut ingestor = ingestor(&ingestor_bus).start().await;
    let url = url(&mut ingestor).await;
    let mut persistor = persistor(&persistor_bus, &database.url()).start().await;
    let options = async_nats::ConnectOptions::with_user_and_password("operator".into(), "hunter2".into());
    let jetstream = jetstream::new(options.connect(hosts(&cluster)).await.unwrap());
    all_current(&jetstream).await;

    let leader = info(&jetstream, "READINGS").await.leader.unwrap();
    cluster.server(&leader).kill9().await;
    let (client, sent) = (client(), AtomicU64::new(0));
    let used = poll(LONG, async || {
        let readings = sent.load(Ordering::Relaxed);
        let time = format!(
            "2024-05-01T{:02}:{:02}:{:02}Z",
            readings / 3600,
            readings / 60 % 60,
            readings % 60
        );
        let body = format!(r#"{{"sensor":"speed","value":1,"timestamp":"{time}"}}"#);
        if client
            .post(&url)
            .basic_auth(KEY, None::<&str>)
            .body(body)
            .send()
            .await
            .ok()?
            .status()
            == StatusCode::OK
        {
            sent.store(readings + 1, Ordering::Relaxed);
        }
        let spare = jetstream.get_stream("READINGS_SPARE").await.ok()?;
        (spare.cached_info().state.last_sequence > 0).then_some(())
    });
    used.await;
    let readings = sent.load(Ordering::Relaxed);
    cluster.server(&leader).restart().await;
    all_current(&jetstream).await;
    let rows = connect(&database.url()).await;
    poll(LONG, async || {
        let row = rows.query_one("SELECT count(*) FROM reading", &[]).await.ok()?;
        (row.get::<_, i64>(0) == i64::try_from(readings).unwrap()).then_some(())
    })
    .await;
    let empty = testutil::database().await;
    let rebuilding = Program::new("odograph")
        .arg("rebuild")
        .env("EVENT_READER_URL", &history);
    let mut rebuild = rebuilding.env("DATABASE_URL", empty.url()).spawn();
    assert_eq!(rebuild.wait(LONG).await, 0, "{:#?}", rebuild.output());
    assert!(
        rebuild
            .stdout()
            .join("")
            .starts_with(&format!("{readings} readings persisted")),
        "{:?}",
        rebuild.output()
    );
    ends(&mut persistor).await;
    ends(&mut ingestor).await;
    for process in [&ingestor, &persistor, &rebuild] {
        assert_eq!(lines(process, "denies"), 0, "{:#?}", process.output());
    }
}

/// Clients that send one body after the other, each until it is acknowledged.
struct Load {
    ended: Arc<AtomicBool>,
    small: Arc<AtomicU64>,
    large: Arc<AtomicU64>,
    clients: Vec<JoinHandle<(String, Sent)>>,
}

/// A client's readings, all acknowledged.
#[derive(Debug)]
struct Sent {
    readings: u64,
    /// Longest time between two acknowledged bodies, or before the first.
    longest: Duration,
    answers: BTreeMap<u16, u64>,
}

impl Load {
    fn start(url: &str) -> Self {
        let (ended, small, large) = (Arc::default(), Arc::default(), Arc::default());
        let mut clients = Vec::new();
        for number in 0..=SMALL_CLIENTS {
            let (size, rest, count) = if number == SMALL_CLIENTS {
                (LARGE, Duration::from_secs(1), Arc::clone(&large))
            } else {
                (SMALL, SMALL_BODY_PAUSE, Arc::clone(&small))
            };
            let sending = send(
                url.to_owned(),
                format!("client_{number}"),
                size,
                rest,
                Arc::clone(&ended),
                count,
            );
            clients.push(tokio::spawn(sending));
        }
        Self {
            ended,
            small,
            large,
            clients,
        }
    }

    /// Waits until further small and large bodies are acknowledged.
    async fn goes_on(&self) {
        let counts = || (self.small.load(Ordering::Relaxed), self.large.load(Ordering::Relaxed));
        let (small, large) = counts();
        // One large body may have been in flight.
        poll(LONG, async || {
            let (small_now, large_now) = counts();
            (small_now >= small + SMALL_BODIES && large_now >= large + 2).then_some(())
        })
        .await;
    }

    /// Ends the clients after their current bodies.
    async fn end(self) -> BTreeMap<String, Sent> {
        self.ended.store(true, Ordering::Relaxed);
        let sent = join_all(self.clients).await;
        sent.into_iter().map(Result::unwrap).collect()
    }
}

async fn send(
    url: String,
    device: String,
    size: u64,
    rest: Duration,
    ended: Arc<AtomicBool>,
    count: Arc<AtomicU64>,
) -> (String, Sent) {
    let http = client();
    let mut sent = Sent {
        readings: 0,
        longest: Duration::ZERO,
        answers: BTreeMap::new(),
    };
    let mut last = Instant::now();
    while !ended.load(Ordering::Relaxed) {
        let mut body = String::new();
        for value in sent.readings..sent.readings + size {
            let moment = jiff::Timestamp::from_second(1_700_000_000 + i64::try_from(value).unwrap()).unwrap();
            writeln!(
                body,
                "{{\"sensor\":\"speed\",\"value\":{value},\"timestamp\":\"{moment}\",\"device\":\"{device}\"}}"
            )
            .unwrap();
        }
        until_acknowledged(&http, &url, body, size, &mut sent.answers).await;
        sent.readings += size;
        sent.longest = sent.longest.max(last.elapsed());
        last = Instant::now();
        count.fetch_add(1, Ordering::Relaxed);
        // To leave processor time to others.
        sleep(rest).await;
    }
    (device, sent)
}

/// Sends a body as docs/ingest.md tells devices to: again after each temporary error.
async fn until_acknowledged(http: &Client, url: &str, body: String, size: u64, answers: &mut BTreeMap<u16, u64>) {
    let sending = async {
        loop {
            let response = http.post(url).bearer_auth(KEY).body(body.clone()).send().await.unwrap();
            *answers.entry(response.status().as_u16()).or_default() += 1;
            if response.status() == StatusCode::SERVICE_UNAVAILABLE {
                sleep(Duration::from_secs(retry_after(&response))).await;
                continue;
            }
            let (status, answer) = answer(response).await;
            assert_eq!((status, answer["accepted"].as_u64()), (200, Some(size)), "{answer}");
            return;
        }
    };
    tokio::time::timeout(LONG, sending)
        .await
        .expect("a body is not acknowledged");
}

fn hosts(cluster: &Cluster) -> Vec<String> {
    let url = cluster.url();
    let hosts = url.trim_start_matches("nats://").split(',');
    hosts.map(|host| format!("nats://{host}")).collect()
}

/// The cluster's info of a stream; waits while it has no leader.
async fn info(jetstream: &Context, stream: &str) -> ClusterInfo {
    poll(LONG, async || {
        let stream = jetstream.get_stream(stream).await.ok()?;
        stream
            .cached_info()
            .cluster
            .clone()
            .filter(|cluster| cluster.leader.is_some())
    })
    .await
}

/// Waits until the stream of readings has another leader than this server.
async fn another_leads(jetstream: &Context, server: &str) {
    poll(LONG, async || {
        let leader = info(jetstream, "READINGS").await.leader;
        (leader.as_deref() != Some(server)).then_some(())
    })
    .await;
}

/// Waits until a server that came back has caught up.
///
/// On a busy machine a server with an empty disk may never take part in its streams: its catching up stalls, and
/// begins anew without an end (nats-server#8555). Then it is started once more, as docs/operate/deploy.md says.
async fn current_again(jetstream: &Context, cluster: &mut Cluster, server: &str) {
    if tokio::time::timeout(STALLED, all_current(jetstream)).await.is_err() {
        say(&format!("{server} does not catch up; starting it once more"));
        cluster.server(server).restart().await;
        all_current(jetstream).await;
    }
}

/// Waits until each stream and each consumer of the readings has two more replicas, all current, and the
/// spare stream has another leader than the stream.
async fn all_current(jetstream: &Context) {
    poll(LONG, async || {
        let mut clusters = Vec::new();
        for name in ["READINGS", "READINGS_SPARE"] {
            let stream = jetstream.get_stream(name).await.ok()?;
            clusters.push(stream.cached_info().cluster.clone()?);
            if name == "READINGS" {
                for consumer in ["persistor_live", "persistor_bulk"] {
                    clusters.push(stream.consumer_info(consumer).await.ok()?.cluster?);
                }
            }
        }
        let current = |cluster: &ClusterInfo| {
            let replicas = &cluster.replicas;
            cluster.leader.is_some() && replicas.len() == 2 && replicas.iter().all(|peer| peer.current && !peer.offline)
        };
        // The consumers are in between.
        let apart = clusters[0].leader != clusters[3].leader;
        (clusters.iter().all(current) && apart).then_some(())
    })
    .await;
}

/// Prints an observation for `make test ARGS='cluster --no-capture'`.
fn say(text: &str) {
    let _unread = writeln!(std::io::stderr(), "{text}");
}
