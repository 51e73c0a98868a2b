//! Bad input gets a clear answer, and nothing is lost.

use crate::source::{best_gzip, gzip};
use crate::system::{self, KEY, LONG, System, counts, retry_after};
use testutil::{Program, poll};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn line(sensor: &str, value: &str, time: &str) -> String {
    format!(r#"{{"sensor":"{sensor}","value":{value},"timestamp":"{time}"}}"#)
}

fn good(at: usize) -> String {
    line(
        "speed",
        &at.to_string(),
        &format!(
            "2024-05-{:02}T{:02}:{:02}:{:02}Z",
            at / 86400 + 1,
            at / 3600 % 24,
            at / 60 % 60,
            at % 60
        ),
    )
}

fn goods(count: usize) -> String {
    (0..count).map(good).collect::<Vec<_>>().join("\n")
}

async fn zstd(plain: &[u8], window: u32) -> Vec<u8> {
    use async_compression::tokio::bufread::ZstdEncoder;
    use async_compression::{Level, zstd::CParameter};
    let mut encoder = ZstdEncoder::with_quality_and_params(plain, Level::Fastest, &[CParameter::window_log(window)]);
    let mut coded = Vec::new();
    encoder.read_to_end(&mut coded).await.unwrap();
    coded
}

/// Each kind of bad line is rejected with its number and reason, and no good line with it.
#[tokio::test]
async fn a_bad_line_costs_no_good_one() {
    let time = "2024-05-01T12:00:00Z";
    let bad: Vec<(Vec<u8>, &str)> = vec![
        (line("x", "1", "1901-12-13T20:45:52Z").into(), "too old"),
        (line("x", "1", "2099-01-01T00:00:00Z").into(), "future"),
        (line("x", "NaN", time).into(), "finite"),
        (line("x", "1e400", time).into(), "finite"),
        (line("x", "\"7\"", time).into(), "finite"),
        (b"[7]".to_vec(), "object"),
        (
            format!(r#"{{"sensor":"x","value":1,"value":2,"timestamp":"{time}"}}"#).into(),
            "twice",
        ),
        (line("x", "1", "2021-02-30T00:00:00Z").into(), "no such day"),
        (line("5x", "1", time).into(), "sensor"),
        (b"{\"sensor\":\"\xff\xfe\"}".to_vec(), "UTF-8"),
        (vec![b'x'; 10 << 20], "longer than"),
        (b"not json at all".to_vec(), "JSON"),
    ];
    let mut body = b"\xef\xbb\xbf".to_vec();
    for (at, (bad, _)) in bad.iter().enumerate() {
        body.extend_from_slice(good(at).as_bytes());
        body.extend_from_slice(b"\r\n\r\n");
        body.extend_from_slice(bad);
        body.push(b'\n');
    }
    body.extend_from_slice(good(bad.len()).as_bytes());

    let system = System::start(1).await;
    let response = system.upload(body).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let (status, answer) = system::answer(response).await;
    assert_eq!(status, 400, "{answer}");
    assert_eq!(counts(&answer), (bad.len() as u64 + 1, bad.len() as u64));
    let invalid = answer["invalid"].as_array().unwrap();
    for (at, ((_, reason), told)) in bad.iter().zip(invalid).enumerate() {
        assert_eq!(told["line"].as_u64(), Some(at as u64 * 3 + 3), "{told}");
        assert!(told["reason"].as_str().unwrap().contains(reason), "{reason}: {told}");
        assert!(told["reading"].as_str().unwrap().len() <= 4096, "{reason}");
    }
    system.wait_for_rows(bad.len() as i64 + 1).await;
    // Only bad lines, more than the answer shows.
    let (status, answer) = system.post("{}\n".repeat(250)).await;
    assert_eq!((status, counts(&answer)), (400, (0, 250)));
    assert_eq!(answer["invalid"].as_array().unwrap().len(), 100);
    // Empty bodies.
    for empty in ["", "\n\r\n  \n"] {
        let (status, answer) = system.post(empty).await;
        assert_eq!((status, counts(&answer)), (200, (0, 0)));
        assert_eq!(answer.get("invalid"), None);
    }
}

/// Clients wrap batches of readings in an object, on a line or over several lines. Of a long one, a dead letter keeps
/// the beginning alone. It may be longer than `--max-line`, too, which bounds a single reading.
#[tokio::test]
async fn readings_in_a_long_wrapper_are_kept() {
    let system = System::start(1).await;
    for (count, blank) in [(100, ""), (100, "\n"), (3000, ""), (3000, "\n")] {
        let readings = goods(count).replace('\n', &format!(",{blank}"));
        let object = format!("{{{blank}\"readings\":[{blank}{readings}]}}");
        let told = (400, (count as u64, 2));
        let (status, answer) = system.post(format!("{object}\n")).await;
        assert_eq!((status, counts(&answer)), told, "{count}{blank:?}: {answer}");
        // As an element of a document.
        let (status, answer) = system.post(format!("[{object}]")).await;
        assert_eq!((status, counts(&answer)), told, "[{count}{blank:?}]: {answer}");
    }
    // The object names a device that the credentials do not: a reading without one is not stored as another's, and the
    // device keeps its file.
    let niva = |count: usize| {
        format!(
            "{{\"device\":\"niva\",\"readings\":[{}]}}",
            goods(count).replace('\n', ",")
        )
    };
    for count in [100, 3000] {
        for body in [
            format!("{}{}", niva(count), good(0)),
            format!("[{},{}]", niva(count), good(0)),
        ] {
            let (status, answer) = system.post(body.clone()).await;
            assert_eq!((status, counts(&answer)), (403, (1, 2)), "{count}: {answer}");
            assert_eq!(answer["forbidden"], count, "{answer}");
            let named = system.http.post(&system.ingest_url).basic_auth("niva", Some(KEY));
            let (status, answer) = system::answer(named.body(body).send().await.unwrap()).await;
            let told = (400, (count as u64 + 1, 2));
            assert_eq!((status, counts(&answer)), told, "{count}: {answer}");
        }
    }
    // A byte that is no text costs its own reading only.
    let readings = goods(100).replace('\n', ",");
    let bad = [
        &b"[{\"readings\":[{\"sensor\":\"\xff\"},"[..],
        readings.as_bytes(),
        b"]}]",
    ];
    let (status, answer) = system.post(bad.concat()).await;
    assert_eq!((status, counts(&answer)), (400, (100, 3)), "{answer}");
    // A document that breaks off within the object: what is before the break is safe, and the device keeps its file.
    let broken = format!("[{{\"readings\":[{},{{\"sensor\":\"sp", goods(3000).replace('\n', ","));
    let (status, answer) = system.post(broken).await;
    assert_eq!((status, counts(&answer)), (422, (3000, 1)), "{answer}");
    // More such objects on a line than are looked into: the device keeps its file.
    let object = format!("{{\"readings\":[{}]}}", goods(1100).replace('\n', ","));
    let (status, answer) = system.post(object.repeat(20)).await;
    assert_eq!(status, 422, "{answer}");
    assert!(counts(&answer).0 >= 10_000, "{answer}");
    // Once of the device `default`, and once of `niva`.
    system.wait_for_rows(6000).await;
}

#[tokio::test]
async fn compressed_bodies_and_bombs() {
    let system = System::start(1).await;
    let plain = goods(20_000);
    let send = async |body: Vec<u8>, encoding: &str| {
        system::answer(
            system
                .upload(body)
                .header("content-encoding", encoding)
                .send()
                .await
                .unwrap(),
        )
        .await
    };
    let members = [gzip(&plain.as_bytes()[..1000]), gzip(&plain.as_bytes()[1000..])].concat();
    for (body, encoding) in [
        (gzip(plain.as_bytes()), "gzip"),
        (members, "gzip"),
        (zstd(plain.as_bytes(), 23).await, "zstd"),
    ] {
        let (status, answer) = send(body, encoding).await;
        assert_eq!((status, counts(&answer)), (200, (20_000, 0)), "{encoding}");
    }
    system.wait_for_rows(20_000).await;

    let (status, answer) = send(best_gzip(&vec![b'\n'; 64 << 20]), "gzip").await;
    assert_eq!(
        (status, answer["title"].as_str()),
        (413, Some("Payload Too Large")),
        "{answer}"
    );
    assert_eq!(send(zstd(&vec![b'\n'; 64 << 20], 20).await, "zstd").await.0, 413);
    let (status, answer) = send(zstd(plain.as_bytes(), 27).await, "zstd").await;
    assert_eq!(status, 415, "{answer}");
    let wrong_type = system
        .upload(plain)
        .header("content-type", "text/html")
        .send()
        .await
        .unwrap();
    assert_eq!(wrong_type.status(), 415);
    assert_eq!(wrong_type.headers()["content-type"], "application/problem+json");
}

#[tokio::test]
async fn a_reading_in_each_month_and_two_hundred_thousand_names() {
    let system = System::start(1).await;
    let months: Vec<String> = (2001..2024)
        .flat_map(|year| (1..=12).map(move |month| line("speed", "1", &format!("{year}-{month:02}-15T12:00:00Z"))))
        .collect();
    let (status, answer) = system.post(months.join("\n")).await;
    assert_eq!((status, counts(&answer)), (200, (276, 0)));
    system.wait_for_rows(276).await;

    let names: Vec<String> = (0..200_000)
        .map(|at| line(&format!("n{at}"), "1", "2024-05-01T12:00:00Z"))
        .collect();
    let (status, answer) = system.post(names.join("\n")).await;
    // One of the hundred thousand names is `speed`.
    assert_eq!((status, counts(&answer)), (429, (99_999, 0)));
    assert_eq!(answer["deferred"], 100_001);
    system.wait_for_rows(276 + 99_999).await;
    assert_eq!(system.post(good(1)).await.0, 200, "a name that is known is taken");
}

#[tokio::test]
async fn credentials() {
    let keys = tempfile::NamedTempFile::new().unwrap();
    let mut made = Program::new("odograph")
        .args(["key", "new", "--device", "lada"])
        .spawn();
    assert_eq!(made.wait(LONG).await, 0);
    let printed: Vec<String> = made
        .stdout()
        .iter()
        .map(|line| line.trim().to_owned())
        .filter(|line| !line.is_empty())
        .collect();
    let bound = printed.iter().find(|line| line.starts_with("odo_")).unwrap().clone();
    std::fs::write(keys.path(), format!("{}\n", printed.last().unwrap())).unwrap();

    let mut system = System::start_with(1, &["--api-keys-file", keys.path().to_str().unwrap()]).await;
    let post = async |authorization: Option<String>, body: String| {
        let mut request = system.http.post(&system.ingest_url).body(body);
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        let response = request.send().await.unwrap();
        if response.status() == 401 {
            assert!(
                response.headers()["www-authenticate"]
                    .to_str()
                    .unwrap()
                    .starts_with("Basic ")
            );
        }
        system::answer(response).await
    };
    let basic = |user: &str, password: &str| {
        let request = system
            .http
            .get("http://x/")
            .basic_auth(user, Some(password))
            .build()
            .unwrap();
        Some(request.headers()["authorization"].to_str().unwrap().to_owned())
    };
    assert_eq!(post(None, good(0)).await.0, 401);
    for wrong in [
        basic("wrong", ""),
        basic("niva", &bound),
        basic("lada", "wrong"),
        Some("Bearer wrong".into()),
        Some("Basic !".into()),
    ] {
        assert_eq!(post(wrong.clone(), good(0)).await.0, 401, "{wrong:?}");
    }
    let named = |device: &str| good(7).replace('}', &format!(r#","device":"{device}"}}"#));
    assert_eq!(post(basic(&bound, ""), good(1)).await.0, 200);
    assert_eq!(post(basic("lada", &bound), named("lada")).await.0, 200);
    let (status, answer) = post(Some(format!("Bearer {bound}")), named("niva")).await;
    assert_eq!((status, counts(&answer)), (403, (0, 0)));
    assert_eq!(answer["forbidden"], 1, "{answer}");
    assert_eq!(post(basic("gaz", KEY), good(3)).await.0, 200);
    assert_eq!(post(Some(format!("Bearer {KEY}")), good(4)).await.0, 200);
    system.wait_for_rows(4).await;
    assert_eq!(system.devices().await, ["default", "gaz", "lada", "lada"]);

    // A changed file takes effect without a restart.
    std::fs::write(keys.path(), format!("other * {}\n", "0".repeat(64))).unwrap();
    poll(LONG, async || {
        (post(basic(&bound, ""), good(1)).await.0 == 401).then_some(())
    })
    .await;
    // The logs hold no key.
    system.ingestor.signal(testutil::Signal::SIGTERM);
    assert_eq!(system.ingestor.wait(LONG).await, 0);
    let logs = system.ingestor.output().join("\n");
    assert!(!logs.contains(&bound) && !logs.contains(KEY), "{logs}");
}

#[tokio::test]
async fn correlation_ids_come_back_and_errors_are_problems() {
    let system = System::start(1).await;
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let response = system
        .upload(good(0))
        .header("x-correlation-id", "trip-7")
        .header("traceparent", parent)
        .send()
        .await
        .unwrap();
    assert_eq!(response.headers()["x-correlation-id"], "trip-7");
    assert_eq!(response.headers()["traceparent"], parent);
    let response = system.upload(good(0)).send().await.unwrap();
    assert_eq!(response.headers()["x-correlation-id"].len(), 36);
    for (method, path, status) in [
        ("GET", "/ingest", 405),
        ("POST", "/nowhere", 404),
        ("DELETE", "/ingest", 405),
    ] {
        let url = system.ingest_url.replace("/ingest", path);
        let response = system.http.request(method.parse().unwrap(), url).send().await.unwrap();
        assert_eq!(
            (response.status().as_u16(), &response.headers()["content-type"]),
            (status, &"application/problem+json".parse().unwrap())
        );
        assert_eq!(system::answer(response).await.1["status"], status);
    }
    let health = system
        .http
        .get(system.ingest_url.replace("/ingest", "/health"))
        .send()
        .await
        .unwrap();
    assert_eq!(health.status(), 200);
}

/// A body that ends with the connection is not taken for an empty one.
#[tokio::test]
async fn a_body_without_a_length() {
    let system = System::start(1).await;
    let address = system.ingest_address().to_owned();
    for (version, headers) in [("1.0", ""), ("1.1", "connection: close\r\n")] {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        let head = format!(
            "POST /ingest HTTP/{version}\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n{headers}\r\n{}\n",
            good(0)
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        tokio::time::timeout(LONG, stream.read_exact(&mut answer))
            .await
            .unwrap()
            .unwrap();
        assert!(answer.ends_with(b" 411"), "{:?}", String::from_utf8_lossy(&answer));
    }
}

/// A client that vanishes half way does not disturb the ingestor, and sending the body again stores all
/// of it.
#[tokio::test]
async fn a_client_that_vanishes() {
    let system = System::start(1).await;
    let address = system.ingest_address().to_owned();
    let body = goods(50_000);
    let head = format!(
        "POST /ingest HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    for part in [1, body.len() / 2, body.len() - 1] {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&body.as_bytes()[..part]).await.unwrap();
        drop(stream);
    }
    let (status, answer) = system.post(body).await;
    assert_eq!((status, counts(&answer)), (200, (50_000, 0)));
    system.wait_for_rows(50_000).await;
}

/// A client can read an early answer although it has not sent everything.
#[tokio::test]
async fn a_slow_client_reads_its_answer() {
    let system = System::start_with(1, &["--upload-idle-timeout", "300ms", "--max-body", "1MiB"]).await;
    let address = system.ingest_address().to_owned();
    for (headers, first, expected) in [
        (
            format!("authorization: Bearer {KEY}\r\ncontent-length: 1000\r\n"),
            format!("{}\n", good(0)),
            "408",
        ),
        (
            "authorization: Bearer wrong\r\ncontent-length: 100000000\r\n".to_owned(),
            "x".repeat(300_000),
            "401",
        ),
        (
            format!("authorization: Bearer {KEY}\r\ncontent-length: 100000000\r\n"),
            "x".repeat(300_000),
            "413",
        ),
    ] {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        stream
            .write_all(format!("POST /ingest HTTP/1.1\r\nhost: x\r\n{headers}\r\n{first}").as_bytes())
            .await
            .unwrap();
        let mut answer = Vec::new();
        let read = tokio::time::timeout(LONG, async {
            while !answer.ends_with(b"}") {
                let mut part = [0; 4096];
                let size = stream.read(&mut part).await.unwrap();
                assert_ne!(size, 0, "closed after {:?}", String::from_utf8_lossy(&answer));
                answer.extend_from_slice(&part[..size]);
            }
        });
        read.await.unwrap();
        let answer = String::from_utf8(answer).unwrap();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {expected} ")),
            "{expected}: {answer}"
        );
    }
    system.wait_for_rows(1).await;
}

#[tokio::test]
async fn urls_and_dates_that_mean_nothing() {
    for (name, variables, word) in [
        (
            "ingestor",
            vec![("API_KEY", "k"), ("EVENT_WRITER_URL", "kafka://h/readings")],
            "kafka is unknown",
        ),
        (
            "persistor",
            vec![
                ("EVENT_READER_URL", "memory://readings"),
                ("DATABASE_URL", "mysql://u:hunter2@h/d"),
            ],
            "postgres://",
        ),
        ("api", vec![("DATABASE_URL", "nonsense:hunter2")], "postgres://"),
        (
            "dumper",
            vec![("DATABASE_URL", "postgres://h/d"), ("BLOB_STORE_URL", "ftp://h/d")],
            "ftp",
        ),
        ("ingestor", vec![("EVENT_WRITER_URL", "memory://readings")], "API_KEY"),
    ] {
        let mut program = Program::new(name);
        for (variable, value) in variables {
            program = program.env(variable, value);
        }
        let mut process = program.spawn();
        assert_eq!(process.wait(LONG).await, 2, "{name} {word}");
        let logs = process.output().join("\n");
        assert!(logs.contains(word), "{word}: {logs}");
        assert!(!logs.contains("hunter2"), "{logs}");
    }
    let system = System::start(1).await;
    for path in [
        "statistics/sensor/speed/date/2021-02-30",
        "statistics/sensor/speed/date/today",
        "statistics/sensor/5/date/2021-02-01",
    ] {
        let (status, problem) = system.get(path).await;
        assert_eq!((status, problem["status"].as_u64()), (400, Some(400)), "{path}");
    }
    let (status, buckets) = system.get("statistics/sensor/never_seen/date/2021-02-01").await;
    assert_eq!((status, buckets.as_array().unwrap().len()), (200, 96));
}

#[tokio::test]
async fn uploads_beyond_the_limit_are_told_to_wait() {
    let system = System::start_with(1, &["--max-uploads-per-key", "1"]).await;
    let address = system.ingest_address().to_owned();
    let mut stream = TcpStream::connect(&address).await.unwrap();
    let head = format!(
        "POST /ingest HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-length: 1000\r\n\r\n{}\n",
        good(0)
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // Its first reading is stored, so this upload is under way. Otherwise the next upload could be let
    // in before it, and this one be refused.
    tokio::time::timeout(LONG, system.wait_for_rows(1)).await.unwrap();
    let refused = system.upload(good(1)).send().await.unwrap();
    assert_eq!(refused.status(), 429);
    assert!(retry_after(&refused) >= 1);
    drop(stream);
    poll(LONG, async || {
        (system.upload(good(1)).send().await.unwrap().status() == 200).then_some(())
    })
    .await;
    tokio::time::timeout(LONG, system.wait_for_rows(2)).await.unwrap();
}
