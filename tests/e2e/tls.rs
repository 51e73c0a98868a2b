//! TLS: for clients, and towards the event bus and the database.

use crate::system::{self, KEY, LONG, connect};
use reqwest::{Certificate, Client};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use testutil::{Authority, Nats, Postgres, Process, Program, nats, nats_url, poll, unique};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// A client that trusts only this authority, and makes a connection for each request.
fn trusting(authority: &Authority) -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .tls_certs_only([Certificate::from_pem(authority.pem().as_bytes()).unwrap()])
        .pool_max_idle_per_host(0)
        .timeout(LONG)
        .build()
        .unwrap()
}

fn with_tls(program: Program, folder: &Path) -> Program {
    program
        .arg("--tls-cert")
        .arg(folder.join("cert.pem"))
        .arg("--tls-key")
        .arg(folder.join("key.pem"))
}

async fn health(client: &Client, address: SocketAddr) -> Option<u16> {
    let answer = client.get(format!("https://localhost:{}/health", address.port()));
    Some(answer.send().await.ok()?.status().as_u16())
}

async fn logged(process: &Process, text: &str) {
    let said = async { poll(LONG, async || process.output().join("\n").contains(text).then_some(())).await };
    let found = timeout(Duration::from_secs(60), said).await;
    assert!(found.is_ok(), "it did not say {text:?}, but {:#?}", process.output());
}

/// The server's answer to these bytes until it closes the connection.
async fn until_closed(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut said = Vec::new();
    let closed = timeout(LONG, stream.read_to_end(&mut said)).await;
    closed.expect("never closed").unwrap();
    said
}

#[tokio::test]
async fn an_ingestor_speaks_tls_and_takes_over_renewed_certificates() {
    let (folder, first, second) = (tempfile::tempdir().unwrap(), Authority::new(), Authority::new());
    let _paths = first.write(folder.path());
    let bus = nats_url(&unique("readings"));
    let program = with_tls(system::ingestor(&bus), folder.path()).args(["--head-timeout", "2s"]);
    let mut ingestor = program.start().await;
    let address = ingestor.address("main").await;
    let (old, new) = (trusting(&first), trusting(&second));
    let line = r#"{"sensor":"speed","value":1,"timestamp":"2024-05-01T12:00:00Z"}"#;
    let upload = old
        .post(format!("https://127.0.0.1:{}/ingest", address.port()))
        .bearer_auth(KEY)
        .body(line);
    assert_eq!(upload.send().await.unwrap().status(), 200);
    assert_eq!(health(&new, address).await, None);

    // Plain HTTP gets an explanation, other bytes an alert; then the connection is closed.
    let plain = until_closed(address, b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let plain = String::from_utf8(plain).unwrap();
    assert!(
        plain.starts_with("HTTP/1.1 400 ") && plain.contains("https://"),
        "{plain}"
    );
    let alert = until_closed(address, &[0; 5]).await;
    assert_eq!(alert.first(), Some(&21));

    // Missing handshakes delay no other client, and are given up.
    let mut silent = Vec::new();
    for _ in 0..32 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    assert_eq!(health(&old, address).await, Some(200));
    for mut stream in silent {
        let closed = timeout(LONG, stream.read(&mut [0])).await;
        assert_eq!(closed.expect("never closed").unwrap(), 0);
    }

    // A half-written renewal has no effect.
    let (certificate, key) = second.issue();
    std::fs::write(folder.path().join("cert.pem"), &certificate).unwrap();
    logged(&ingestor, "keeping the previous one").await;
    assert_eq!(health(&old, address).await, Some(200));
    std::fs::write(folder.path().join("key.pem"), &key[..key.len() / 2]).unwrap();
    logged(&ingestor, "holds no private key").await;
    assert_eq!(health(&old, address).await, Some(200));
    std::fs::write(folder.path().join("key.pem"), &key).unwrap();
    poll(LONG, async || health(&new, address).await).await;
    // A new client, since the server still resumes the other one's earlier session.
    assert_eq!(health(&trusting(&first), address).await, None);
    let log = ingestor.output().join("\n");
    assert!(!log.contains(key.lines().nth(1).unwrap()), "{log}");
}

#[tokio::test]
async fn a_replay_says_which_scheme_to_write() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let _paths = authority.write(folder.path());
    let bus = nats_url(&unique("readings"));
    let mut with = with_tls(system::ingestor(&bus), folder.path()).start().await;
    let mut without = system::ingestor(&bus).start().await;
    let line = r#"{"sensor":"speed","value":1,"timestamp":"2024-05-01T12:00:00Z"}"#;
    let path = folder.path().join("drive.ndjson");
    // Longer than a connection's buffers.
    std::fs::write(&path, format!("{line}\n").repeat(100_000)).unwrap();
    for (url, advice) in [
        (format!("http://{}", with.address("main").await), "write https://"),
        (format!("https://{}", without.address("main").await), "write http://"),
    ] {
        let mut replay = Program::new("odograph")
            .arg("replay")
            .arg(&path)
            .args(["--url", &url, "--max-retry-time", "1ms"])
            .env("API_KEY", KEY)
            .spawn();
        assert_eq!(replay.wait(LONG).await, 1, "{:#?}", replay.output());
        let said = replay.output().join("\n");
        assert!(said.contains(advice), "{url}: {said}");
    }
}

#[tokio::test]
async fn an_api_speaks_tls_and_ends_in_good_order() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let _paths = authority.write(folder.path());
    let database = testutil::database().await;
    let program = Program::new("api").env("DATABASE_URL", database.url());
    let mut api = with_tls(program, folder.path()).start().await;
    let address = api.address("main").await;
    assert_eq!(health(&trusting(&authority), address).await, Some(200));
    // An idle connection, and one without a handshake, do not delay the end.
    let _silent = TcpStream::connect(address).await.unwrap();
    api.signal(testutil::Signal::SIGTERM);
    assert_eq!(api.wait(LONG).await, 0);
}

#[tokio::test]
async fn certificates_that_cannot_be_used() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let _paths = authority.write(folder.path());
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("other.pem"), authority.issue().1).unwrap();
    let cases = [
        (vec!["--tls-cert".into(), at("cert.pem")], "--tls-key"),
        (vec!["--tls-key".into(), at("key.pem")], "--tls-cert"),
        (
            vec!["--tls-cert".into(), at("none.pem"), "--tls-key".into(), at("key.pem")],
            "none.pem cannot be read",
        ),
        (
            vec!["--tls-cert".into(), at("key.pem"), "--tls-key".into(), at("key.pem")],
            "key.pem holds no certificate",
        ),
        (
            vec!["--tls-cert".into(), at("cert.pem"), "--tls-key".into(), at("other.pem")],
            "cannot be used together",
        ),
    ];
    for (flags, words) in cases {
        let mut ingestor = system::ingestor("nats://127.0.0.1:1/readings").args(flags).spawn();
        assert_eq!(ingestor.wait(LONG).await, 2, "{words}");
        let said = ingestor.output().join("\n");
        assert!(said.contains(words), "{words}: {said}");
    }
}

#[tokio::test]
async fn everything_in_one_process_speaks_tls() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    // PostgreSQL's user has to enter the folder when the tests run as root.
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let _paths = authority.write(folder.path());
    let up = Program::new("odograph")
        .args(["up", "--api-port", "0", "--data-dir"])
        .arg(folder.path().join("data"));
    let mut up = with_tls(up, folder.path()).start().await;
    let client = trusting(&authority);
    for service in ["main", "api"] {
        let address = up.address(service).await;
        assert_eq!(health(&client, address).await, Some(200), "{service}");
    }
    poll(LONG, async || {
        up.stdout().join("\n").contains("https://127.0.0.1").then_some(())
    })
    .await;
}

/// A nats-server with a certificate is verified by default, by the authority in the URL or the system's.
#[tokio::test]
async fn the_event_bus_proves_who_it_is() {
    let (folder, authority, stranger) = (
        tempfile::tempdir().unwrap(),
        Authority::new(),
        tempfile::tempdir().unwrap(),
    );
    let [ca, certificate, key] = authority.write(folder.path()).map(|path| path.display().to_string());
    let [other, ..] = Authority::new()
        .write(stranger.path())
        .map(|path| path.display().to_string());
    let server = Nats::start(nats::Options {
        extra: format!("tls {{ cert_file: \"{certificate}\", key_file: \"{key}\" }}\nauthorization {{ user: me, password: hunter2 }}"),
        ..nats::Options::default()
    })
    .await;
    let host = server.url().replace("nats://", "");
    let ingestor = |scheme: &str, password: &str, query: &str| {
        system::ingestor(&format!("{scheme}://me:{password}@{host}/readings{query}"))
    };
    for scheme in ["nats", "tls"] {
        let mut trusting = ingestor(scheme, "hunter2", &format!("?ca={ca}")).start().await;
        assert!(!trusting.has_ended());
        for query in [String::new(), format!("?ca={other}")] {
            let refusing = ingestor(scheme, "hunter2", &query).spawn();
            logged(&refusing, "?ca=FILE").await;
        }
    }
    let wrong = ingestor("tls", "hunter3", &format!("?ca={ca}")).spawn();
    logged(&wrong, "refuses the credentials").await;
    assert!(!wrong.output().join("\n").contains("hunter3"));
    // A program refuses a server without a certificate if the URL requires TLS.
    let plain = nats_url(&unique("readings"));
    for url in [plain.replace("nats://", "tls://"), format!("{plain}?ca={ca}")] {
        let refusing = system::ingestor(&url).spawn();
        logged(&refusing, "?ca=FILE").await;
    }
    let mut none = ingestor("tls", "hunter2", "?ca=/nowhere/ca.pem").spawn();
    assert_eq!(none.wait(LONG).await, 2);
    assert!(none.output().join("\n").contains("/nowhere/ca.pem"));
}

/// A PostgreSQL with a certificate.
#[tokio::test]
async fn the_database_proves_who_it_is() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let [ca, ..] = authority.write(folder.path()).map(|path| path.display().to_string());
    let stranger = tempfile::tempdir().unwrap();
    let [other, ..] = Authority::new()
        .write(stranger.path())
        .map(|path| path.display().to_string());
    let server = Postgres::start_with_tls(&authority).await;
    let url = |query: &str| format!("{}{query}", server.tcp_url());
    let api = |query: &str| Program::new("api").env("DATABASE_URL", url(query));

    for query in ["", "?sslmode=prefer"].map(str::to_owned).into_iter().chain([
        format!("?sslrootcert={ca}"),
        format!("?sslmode=require&sslrootcert={ca}"),
        format!("?sslmode=verify-full&sslrootcert={ca}"),
    ]) {
        let mut running = api(&query).start().await;
        let monitor = connect(server.url()).await;
        let plain = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'odograph' AND NOT ssl";
        let plain: i64 = monitor.query_one(plain, &[]).await.unwrap().get(0);
        assert_eq!(plain, 0, "{query}");
        running.kill9().await;
    }
    for query in [
        "?sslmode=require".to_owned(),
        "?sslmode=verify-full".to_owned(),
        format!("?sslrootcert={other}"),
        format!("?sslmode=require&sslrootcert={other}"),
    ] {
        for flags in [vec![], vec!["--migrate", "false"]] {
            let refusing = api(&query).args(flags).spawn();
            logged(&refusing, "sslrootcert=FILE").await;
        }
    }
    // A server that counts as another machine by its name is verified by default.
    let far = server.tcp_url().replace("@127.0.0.1:", "@db.example:") + "?hostaddr=127.0.0.1";
    let unsaid = Program::new("api").env("DATABASE_URL", &far).spawn();
    logged(&unsaid, "sslmode=prefer").await;
    let said = Program::new("api").env("DATABASE_URL", format!("{far}&sslmode=prefer"));
    said.start().await.kill9().await;
    let mut without_effect = api(&format!("?sslmode=prefer&sslrootcert={ca}")).spawn();
    assert_eq!(without_effect.wait(Duration::from_secs(60)).await, 2);
}

/// Neither a password nor a reading is sent in clear to another machine, unless the URL says so.
#[tokio::test]
async fn a_far_database_without_tls_is_refused_with_what_to_do() {
    let near = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = near.local_addr().unwrap().port();
    let url = format!("postgres://odograph:hunter2@db.example:{port}/odograph?hostaddr=127.0.0.1");
    let program = Program::new("api").env("DATABASE_URL", url).spawn();
    let (mut connection, _) = timeout(LONG, near.accept()).await.unwrap().unwrap();
    let mut request = [0; 8];
    connection.read_exact(&mut request).await.unwrap();
    // An SSLRequest (PostgreSQL's protocol, 55.7), and the answer of a server that has none.
    assert_eq!(request[4..], 80_877_103_u32.to_be_bytes());
    connection.write_all(b"N").await.unwrap();
    let mut rest = Vec::new();
    timeout(LONG, connection.read_to_end(&mut rest)).await.unwrap().unwrap();
    assert!(rest.is_empty(), "nothing follows: {rest:?}");
    logged(&program, "sslmode=disable").await;
}
