use super::account::Account;
use super::{Binaries, Error, Options, Server};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_secs(60);

/// A folder that the user postgres can enter, when the tests run as root.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o711)).unwrap();
    folder
}

async fn start(data_dir: &Path) -> Server {
    timeout(DEADLINE, Server::start(Options::new(data_dir)))
        .await
        .unwrap()
        .unwrap()
}

async fn refusal(options: Options) -> Error {
    timeout(DEADLINE, Server::start(options)).await.unwrap().unwrap_err()
}

async fn client(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn remember(server: &Server) {
    client(&server.url())
        .await
        .batch_execute("CREATE TABLE kept (n int); INSERT INTO kept VALUES (42)")
        .await
        .unwrap();
}

async fn remembered(server: &Server) -> i32 {
    client(&server.url())
        .await
        .query_one("SELECT n FROM kept", &[])
        .await
        .unwrap()
        .get(0)
}

async fn setting(server: &Server, name: &str) -> String {
    client(&server.url())
        .await
        .query_one(&format!("SHOW {name}"), &[])
        .await
        .unwrap()
        .get(0)
}

fn is_alive(pid: u32) -> bool {
    kill(Pid::from_raw(pid.try_into().unwrap()), None).is_ok()
}

#[tokio::test]
async fn is_found_again_with_its_data() {
    let folder = folder();
    // The leftovers of a killed initdb.
    std::fs::create_dir(folder.path().join("data.initdb")).unwrap();
    std::fs::write(folder.path().join("data.initdb/PG_VERSION"), "15\n").unwrap();
    let data_dir = folder.path().join("data");
    let mut options = Options::new(&data_dir);
    options.settings = vec![
        ("max_connections".to_owned(), "17".to_owned()),
        ("fsync".to_owned(), "off".to_owned()),
    ];
    let server = timeout(DEADLINE, Server::start(options)).await.unwrap().unwrap();
    remember(&server).await;
    assert_eq!(setting(&server, "max_connections").await, "17");
    assert_eq!(setting(&server, "fsync").await, "on");
    assert_eq!(setting(&server, "server_encoding").await, "UTF8");
    assert_eq!(setting(&server, "lc_collate").await, "C");
    let (pid, url, sockets) = (server.pid(), server.url(), server.socket.dir().to_owned());
    assert!(
        server
            .psql()
            .ends_with(&format!(" -h {} -p 5432 -U odograph odograph", sockets.display())),
        "{}",
        server.psql()
    );
    assert_eq!(sockets.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    server.stop(DEADLINE).await;
    assert!(!is_alive(pid));
    assert!(!sockets.exists());
    assert!(
        !data_dir.join("postmaster.pid").exists(),
        "a clean stop leaves nothing to recover"
    );

    let server = start(&data_dir).await;
    assert_eq!(server.url(), url, "the same folder has the same socket");
    assert_eq!(remembered(&server).await, 42);
    server.stop(DEADLINE).await;
}

#[tokio::test]
async fn survives_a_kill_of_the_server() {
    let folder = folder();
    let data_dir = folder.path().join("data");
    // An existing empty folder is accepted.
    std::fs::create_dir(&data_dir).unwrap();
    let mut server = start(&data_dir).await;
    remember(&server).await;
    kill(Pid::from_raw(server.pid().try_into().unwrap()), Signal::SIGKILL).unwrap();
    let ended = timeout(DEADLINE, server.exited()).await.unwrap();
    assert!(matches!(ended, Error::Ended { .. }), "{ended:?}");
    drop(server);
    let server = start(&data_dir).await;
    assert_eq!(remembered(&server).await, 42);
    server.stop(DEADLINE).await;
}

#[tokio::test]
async fn stops_a_server_that_outlived_its_owner() {
    let folder = folder();
    let data_dir = folder.path().join("data");
    let server = start(&data_dir).await;
    remember(&server).await;
    // As when its owner is killed: the lock is released, the server stays.
    server.lock.unlock().unwrap();
    let orphan = server.pid();
    std::mem::forget(server);
    let server = start(&data_dir).await;
    assert_ne!(server.pid(), orphan);
    assert_eq!(remembered(&server).await, 42);
    server.stop(DEADLINE).await;
}

#[tokio::test]
async fn a_pid_file_that_names_a_stranger_is_survived() {
    let folder = folder();
    let data_dir = folder.path().join("data");
    let server = start(&data_dir).await;
    let sockets = server.socket.dir().to_owned();
    server.stop(DEADLINE).await;

    // Another program of the server's user: PostgreSQL itself refuses to start over its pid.
    let account = Account::of(&data_dir).unwrap();
    let mut stranger = account
        .command(Path::new("/bin/sleep"))
        .arg("600")
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let pid = stranger.id().unwrap();
    let lines = format!(
        "{pid}\n{}\n1700000000\n5432\n{}\n\n",
        data_dir.display(),
        sockets.display()
    );
    std::fs::write(data_dir.join("postmaster.pid"), &lines).unwrap();
    account.give(&data_dir.join("postmaster.pid")).unwrap();
    std::fs::create_dir(&sockets).unwrap();
    std::fs::write(sockets.join(".s.PGSQL.5432.lock"), &lines).unwrap();
    std::fs::write(sockets.join(".s.PGSQL.5432"), "").unwrap();
    account.give(&sockets).unwrap();

    let server = start(&data_dir).await;
    assert!(stranger.try_wait().unwrap().is_none(), "the stranger was left alone");
    assert_eq!(server.socket.dir(), sockets);
    server.stop(DEADLINE).await;
}

#[tokio::test]
async fn a_long_and_odd_path_has_one_owner() {
    let folder = folder();
    let data_dir = folder
        .path()
        .join("a long way, with spaces & quotes' ".repeat(6))
        .join("down".repeat(50))
        .join("data");
    let server = start(&data_dir).await;
    remember(&server).await;
    let round = data_dir.join("../data");
    let refused = refusal(Options::new(&round)).await;
    assert!(
        matches!(&refused, Error::InUse(path) if path.ends_with("data")),
        "{refused:?}"
    );
    assert_eq!(remembered(&server).await, 42, "the first owner's server is untouched");
    server.stop(DEADLINE).await;
}

#[tokio::test]
async fn listens_on_a_port_where_it_is_asked_to() {
    let folder = folder();
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let mut options = Options::new(folder.path().join("data"));
    options.port = Some(port);
    options.socket_dir = Some(folder.path().join("a, b"));
    let server = timeout(DEADLINE, Server::start(options)).await.unwrap().unwrap();
    remember(&server).await;
    let n: i32 = client(&server.tcp_url().unwrap())
        .await
        .query_one("SELECT n FROM kept", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(n, 42);
    server.stop(DEADLINE).await;
}

#[tokio::test]
async fn what_is_not_ours_is_refused() {
    let folder = folder();
    let data_dir = folder.path().join("data");
    std::fs::create_dir(&data_dir).unwrap();
    std::fs::write(data_dir.join("PG_VERSION"), "15\n").unwrap();
    let refused = refusal(Options::new(&data_dir)).await;
    assert!(
        matches!(&refused, Error::Refused { path, .. } if path.ends_with("data")),
        "{refused:?}"
    );
    assert_eq!(data_dir.read_dir().unwrap().count(), 1, "nothing was touched");
}

#[tokio::test]
async fn a_setting_that_postgres_refuses_shows_its_words() {
    let folder = folder();
    let data_dir = folder.path().join("data");
    let mut options = Options::new(&data_dir);
    options.settings = vec![("max_connections".to_owned(), "many".to_owned())];
    let error = refusal(options.clone()).await.to_string();
    assert!(
        error.contains("max_connections") && error.contains("data.log"),
        "{error}"
    );

    // A folder for the socket that this account does not own.
    options.socket_dir = Some("/usr".into());
    let refused = refusal(options.clone()).await;
    assert!(
        matches!(&refused, Error::Refused { path, .. } if path == Path::new("/usr")),
        "{refused:?}"
    );

    std::fs::write(data_dir.join("PG_VERSION"), "9\n").unwrap();
    let refused = refusal(options).await;
    assert!(matches!(&refused, Error::Version { needed: 9, .. }), "{refused:?}");
}

#[tokio::test]
async fn a_closed_folder_above_is_named() {
    let folder = folder();
    let closed = folder.path().join("closed");
    std::fs::create_dir(&closed).unwrap();
    std::fs::set_permissions(&closed, PermissionsExt::from_mode(0o700)).unwrap();
    let started = timeout(DEADLINE, Server::start(Options::new(closed.join("data"))))
        .await
        .unwrap();
    if nix::unistd::geteuid().is_root() {
        let refused = started.unwrap_err();
        assert!(
            matches!(&refused, Error::Unreachable { folder, .. } if *folder == closed.canonicalize().unwrap()),
            "{refused:?}"
        );
    } else {
        // The folder is closed to other users only, and the server runs as this one.
        started.unwrap().stop(DEADLINE).await;
    }
}

#[tokio::test]
async fn the_programs_are_found() {
    let binaries = Binaries::find().await.unwrap();
    assert!(binaries.major() >= 14);
    assert!(binaries.folder().join("postgres").is_file());
}

#[test]
fn versions_are_read_from_what_programs_say() {
    for (text, major) in [
        ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n", Some(15)),
        ("postgres (PostgreSQL) 19beta1", Some(19)),
        ("14\n", Some(14)),
        ("", None),
    ] {
        assert_eq!(super::binaries::major_in(text), major, "{text}");
    }
}

#[test]
fn words_survive_urls_and_shells() {
    let config: tokio_postgres::Config = format!("postgres://u@/d?host={}", percent::encode_path(b"/run/a b&c"))
        .parse()
        .unwrap();
    assert_eq!(
        config.get_hosts(),
        [tokio_postgres::config::Host::Unix("/run/a b&c".into())]
    );
    assert_eq!(super::quoted("/run/it's here"), r"'/run/it'\''s here'");
    assert_eq!(super::quoted("/usr/bin/psql"), "/usr/bin/psql");
}
