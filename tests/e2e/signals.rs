//! Every program ends the same way on SIGTERM, SIGHUP and a closed terminal, and ignores SIGUSR1 and
//! SIGUSR2.

use crate::system::{self, LONG};
use std::path::Path;
use testutil::{Process, Program, Signal, nats_url, poll, unique};

/// No server listens there: jobs wait for it.
const NOWHERE: &str = "postgres://odograph@127.0.0.1:1/nothing?sslmode=disable";

/// Waits until a process has a handler for this signal.
async fn catches(process: &Process, signal: Signal) {
    let status = format!("/proc/{}/status", process.pid());
    poll(LONG, async || {
        let status = std::fs::read_to_string(&status).ok()?;
        let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"))?;
        let mask = u64::from_str_radix(mask.trim(), 16).ok()?;
        (mask >> (signal as i32 - 1) & 1 == 1).then_some(())
    })
    .await;
}

/// Waits until this process has ended.
async fn is_gone(pid: &str) {
    poll(LONG, async || {
        (!Path::new(&format!("/proc/{pid}")).exists()).then_some(())
    })
    .await;
}

/// The process id of the PostgreSQL in this data folder of `odograph up`, once it runs.
async fn postmaster(folder: &Path) -> String {
    poll(LONG, async || {
        let file = std::fs::read_to_string(folder.join("postgres/postmaster.pid")).ok()?;
        file.lines().next().map(str::to_owned).filter(|pid| !pid.is_empty())
    })
    .await
}

fn up(program: Program, folder: &Path) -> Program {
    program.args(["up", "--api-port", "0", "--data-dir"]).arg(folder)
}

/// Sends SIGUSR1, SIGUSR2 and SIGPIPE, then the ending signal; returns the exit code.
async fn end(mut process: Process, signal: Signal) -> i32 {
    catches(&process, Signal::SIGUSR2).await;
    for harmless in [Signal::SIGUSR1, Signal::SIGUSR2, Signal::SIGPIPE, signal] {
        process.signal(harmless);
    }
    process.wait(LONG).await
}

#[tokio::test]
async fn services_end_alike_by_each_signal() {
    for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT] {
        let (database, bus) = (testutil::database().await, nats_url(&unique("readings")));
        let (ingestor, persistor, api, notifier, messages, journal) = tokio::join!(
            system::ingestor(&bus).start(),
            system::persistor(&bus, &database.url()).start(),
            Program::new("api").env("DATABASE_URL", database.url()).start(),
            Program::new("notifier")
                .env("DATABASE_URL", database.url())
                .env("SIGNING_KEY", "a signing key that is long enough for all")
                .start(),
            Program::new("messages")
                .env("DATABASE_URL", database.url())
                .env("API_PORT", "0")
                .start(),
            Program::new("journal")
                .env("DATABASE_URL", database.url())
                .args(["--port", "0", "--demo-users"])
                .start(),
        );
        for process in [ingestor, persistor, api, notifier, messages, journal] {
            let name = format!("{process:?}");
            assert_eq!(end(process, signal).await, 0, "{signal}: {name}");
        }
    }
}

/// An interrupted job has failed, so that its scheduler starts it again.
#[tokio::test]
async fn jobs_end_alike_by_each_signal() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = format!("file://{}", folder.path().display());
    let bus = "nats://127.0.0.1:1/readings";
    let job = |words: &[&str]| {
        let (program, arguments) = words.split_first().unwrap();
        Program::new(program)
            .args(arguments.iter().copied())
            .env("DATABASE_URL", NOWHERE)
            .env("BLOB_STORE_URL", &*blobs)
            .env("EVENT_READER_URL", bus)
            .env("API_KEY", "k")
    };
    let file = folder.path().join("drive.ndjson");
    let line = r#"{"sensor":"speed","value":1,"timestamp":"2024-05-01T12:00:00Z"}"#;
    std::fs::write(&file, format!("{line}\n")).unwrap();
    let file = file.to_str().unwrap();
    let jobs: [(&[&str], i32); 8] = [
        (&["dumper"], 1),
        (&["odograph", "migrate"], 1),
        (&["odograph", "rebuild"], 1),
        (&["odograph", "restore"], 1),
        (&["odograph", "verify", bus, &blobs], 1),
        (&["odograph", "replay", file, "--url", "http://127.0.0.1:1"], 130),
        (&["odograph", "simulate"], 0),
        // This one holds no state, so signals have their default effect.
        (
            &["odograph", "dead", "redrive", "--all", "--event-reader-url", bus],
            128,
        ),
    ];
    for (words, code) in jobs {
        for signal in [Signal::SIGTERM, Signal::SIGHUP] {
            let expected = if code == 128 { 128 + signal as i32 } else { code };
            assert_eq!(end(job(words).spawn(), signal).await, expected, "{signal}: {words:?}");
        }
    }
}

#[tokio::test]
async fn nohup_is_honoured() {
    let bus = nats_url(&unique("readings"));
    let program = Program::under("nohup", &[], "ingestor");
    let mut ingestor = program.env("API_KEY", "k").env("EVENT_WRITER_URL", &bus).start().await;
    ingestor.signal(Signal::SIGHUP);
    ingestor.signal(Signal::SIGTERM);
    assert_eq!(ingestor.wait(LONG).await, 0);
    let log = ingestor.output().join("\n");
    assert!(log.contains("SIGTERM") && !log.contains("SIGHUP"), "{log}");
    let drive = Program::under("nohup", &[], "odograph")
        .args(["simulate", "--rate", "20"])
        .spawn();
    catches(&drive, Signal::SIGTERM).await;
    drive.signal(Signal::SIGHUP);
    // Far more than was in flight.
    let lines = drive.stdout().len() + 500;
    poll(LONG, async || (drive.stdout().len() > lines).then_some(())).await;
    assert_eq!(end(drive, Signal::SIGTERM).await, 0);
}

#[tokio::test]
async fn no_postgres_is_left_behind() {
    let folder = system::folder();
    let mut running = up(Program::new("odograph"), folder.path()).start().await;
    let pid = postmaster(folder.path()).await;
    running.signal(Signal::SIGHUP);
    assert_eq!(running.wait(LONG).await, 0, "{:?}", running.output());
    is_gone(&pid).await;
    // The log goes to the terminal, too.
    let mut running = up(Program::on_terminal("odograph"), folder.path()).start().await;
    let pid = postmaster(folder.path()).await;
    running.hang_up().await;
    assert_eq!(running.wait(LONG).await, 0);
    is_gone(&pid).await;
}

/// A second signal does not wait for an upload under way, and leaves no PostgreSQL running either.
#[tokio::test]
async fn a_second_signal_leaves_no_postgres_behind() {
    let folder = system::folder();
    let mut running = up(Program::new("odograph"), folder.path())
        .args(["--api-key", "k", "--shutdown-timeout", "10m"])
        .start()
        .await;
    let pid = postmaster(folder.path()).await;
    let _upload = system::half_an_upload(running.address("main").await, "k").await;
    running.signal(Signal::SIGTERM);
    poll(LONG, || {
        running.signal(Signal::SIGHUP);
        let ended = running.has_ended();
        async move { ended.then_some(()) }
    })
    .await;
    assert_eq!(running.wait(LONG).await, 1);
    is_gone(&pid).await;
}

#[tokio::test]
async fn a_closed_terminal_ends_a_replay() {
    let mut replay = Program::on_terminal("odograph")
        .args(["replay", "-", "--url", "http://127.0.0.1:1"])
        .spawn();
    catches(&replay, Signal::SIGHUP).await;
    replay.hang_up().await;
    assert_eq!(replay.wait(LONG).await, 130);
}
