//! Clients that leave in the middle of a question, over real HTTP.

use super::{Api, finished};
use ::postgres::Pool;
use reqwest::{Client, StatusCode};
use std::net::SocketAddr;
use std::time::Duration;
use testutil::{Authority, Postgres, poll};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Only the tested cancellation may end statements of the API.
const UNBOUNDED: Duration = Duration::ZERO;

const CONNECTIONS: usize = 4;

const LEAVING: usize = 40;

const LONG: Duration = Duration::from_secs(60);

/// Serves the API on a port of its own.
async fn serve(pool: Pool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    tokio::spawn(web::serve(listener, finished(pool), web::Front::default(), stop));
    address
}

/// Opens a session beside the API's.
async fn session(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Waits until this many of the API's statements run.
async fn until_running(monitor: &tokio_postgres::Client, expected: i64) {
    let statement = "
        SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'odograph' AND state = 'active'";
    poll(LONG, async || {
        let running: i64 = monitor.query_one(statement, &[]).await.unwrap().get(0);
        (running == expected).then_some(())
    })
    .await;
}

/// Asks these paths in turn, from many clients at once; dropping the set makes all of them leave.
fn ask(address: SocketAddr, paths: &[String]) -> JoinSet<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut asking = JoinSet::new();
    for path in paths.iter().cycle().take(LEAVING) {
        let url = format!("http://{address}{path}");
        asking.spawn(async move {
            let _left = Client::new().get(url).send().await;
        });
    }
    asking
}

async fn answer(address: SocketAddr, path: &str) -> StatusCode {
    let url = format!("http://{address}{path}");
    let asked = Client::new().get(url).timeout(LONG).send().await;
    asked.unwrap().status()
}

#[tokio::test]
async fn statements_end_with_the_clients_that_asked() {
    let api = Api::with(&[
        ("lada", "speed", "2021-02-28T10:00:00Z", 55.5),
        ("lada", "location_latitude", "2021-02-28T10:00:00Z", 45.0),
        ("lada", "location_longitude", "2021-02-28T10:00:01Z", 13.0),
    ])
    .await;
    let url = api.database.url();
    let address = serve(::postgres::open(&url, CONNECTIONS, UNBOUNDED).unwrap()).await;
    let (monitor, of_series, of_readings) = (session(&url).await, session(&url).await, session(&url).await);

    of_readings
        .batch_execute("BEGIN; LOCK TABLE reading, receipt")
        .await
        .unwrap();
    let (latest, status) = ("/api/statistics/latest".to_owned(), "/api/status".to_owned());
    let span = "from=2021-02-28T00:00:00Z&to=2021-03-01T00:00:00Z";
    // Over two connections.
    let trend = format!("/api/trends?sensor=speed&{span}");
    let day = "/api/statistics/sensor/speed/date/2021-02-28".to_owned();
    let filled = "/api/statistics/sensor/speed/date/2021-02-28?fill=previous".to_owned();
    let place = "/api/location/latest".to_owned();
    let receipt = format!("/api/ingests/{}", uuid::Uuid::now_v7());
    let held = format!("{receipt}?wait=30s");
    // By a task of its own.
    let track = format!("/api/location/track?{span}");
    let each = [trend, day, filled, place.clone(), receipt, held, track];
    for (locked, paths) in [
        ("LOCK TABLE series", vec![latest.clone(), status, place]),
        ("SELECT", each.to_vec()),
        ("SELECT", each[..1].to_vec()),
        ("SELECT", each[1..2].to_vec()),
        ("SELECT", each[3..4].to_vec()),
        ("SELECT", each[4..5].to_vec()),
        ("SELECT", each[5..6].to_vec()),
        ("SELECT", each[6..].to_vec()),
    ] {
        of_series.batch_execute(&format!("BEGIN; {locked}")).await.unwrap();
        let asking = ask(address, &paths);
        until_running(&monitor, running(&paths)).await;
        drop(asking);
        until_running(&monitor, 0).await;
        of_series.batch_execute("COMMIT").await.unwrap();
        // The readings are still locked.
        assert_eq!(answer(address, &latest).await, StatusCode::OK, "after {paths:?}");
    }
    of_readings.batch_execute("COMMIT").await.unwrap();
    for path in &each[..3] {
        assert_eq!(answer(address, path).await, StatusCode::OK, "{path}");
    }
}

/// How many of these questions run at once, asked by more clients than connections: the number of
/// connections, or one of each shared kind.
fn running(paths: &[String]) -> i64 {
    let shared = ["/api/statistics/latest", "/api/location/latest"];
    let only_shared = paths.iter().all(|path| shared.contains(&&**path));
    i64::try_from(if only_shared { paths.len() } else { CONNECTIONS }).unwrap()
}

/// An abandoned statement is cancelled over the same kind of connection that it ran on.
#[tokio::test]
async fn statements_end_over_tls() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, authority.pem()).unwrap();
    let server = Postgres::start_with_tls(&authority).await;
    let url = format!("{}?sslmode=verify-full&sslrootcert={}", server.tcp_url(), ca.display());
    let pool = ::postgres::open(&url, CONNECTIONS, UNBOUNDED).unwrap();
    schema::prepare(&pool, true).await.unwrap();
    let address = serve(pool).await;
    let (monitor, locking) = (session(server.url()).await, session(server.url()).await);
    locking.batch_execute("BEGIN; LOCK TABLE series").await.unwrap();
    let asking = ask(address, &["/api/status".to_owned()]);
    until_running(&monitor, 4).await;
    drop(asking);
    until_running(&monitor, 0).await;
}

/// A question that is answered all the same costs no new connection.
#[tokio::test]
async fn a_statement_that_ends_by_itself_leaves_its_connection() {
    let api = Api::start().await;
    let pool = ::postgres::open(&api.database.url(), 1, UNBOUNDED).unwrap();
    let process = async || -> i32 {
        let client = pool.get().await.unwrap();
        client.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0)
    };
    let first = process().await;
    let connection = pool.get().await.unwrap();
    drop(tokio::time::timeout(Duration::ZERO, connection.simple_query("SELECT 1")).await);
    pool.reclaim(connection).await;
    assert_eq!(process().await, first);
    let connection = pool.get().await.unwrap();
    drop(tokio::time::timeout(Duration::ZERO, connection.simple_query("SELECT pg_sleep(3600)")).await);
    pool.reclaim(connection).await;
    assert_ne!(process().await, first);
}
