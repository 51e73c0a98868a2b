//! The command lines and the curl lines of the forerunner, as they stand, but for the port.

use super::claim;
use crate::system::LONG;
use serde_json::{Value, json};
use std::path::Path;
use testutil::{Authority, Database, Process, Program};
use tokio::process::Command;

/// Runs a line of curl as a shell does.
async fn curl(line: &str, port: u16, token: &str, folder: &Path) -> Value {
    let line = line.replace("localhost:9000", &format!("localhost:{port}"));
    let command = Command::new("sh")
        .args(["-c", &line])
        .env("TOKEN", token)
        .env("CURL_CA_BUNDLE", folder.join("ca.pem"))
        .env("NO_PROXY", "localhost")
        .output();
    let output = tokio::time::timeout(LONG, command).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{line}: {said}"))
}

/// A folder with a certificate for localhost, as `tls/crt.pem` and `tls/key.pem`.
fn certificates() -> tempfile::TempDir {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let tls = folder.path().join("tls");
    std::fs::create_dir(&tls).unwrap();
    let _paths = authority.write(&tls);
    std::fs::rename(tls.join("cert.pem"), tls.join("crt.pem")).unwrap();
    std::fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
    folder
}

fn program(folder: &Path) -> Program {
    Program::new("journal").current_dir(folder)
}

fn with_tls(folder: &Path) -> Program {
    let flags = ["--use_tls", "--tls.crt", "tls/crt.pem", "--tls.key", "tls/key.pem"];
    program(folder).args(flags).args(["--port", "0"])
}

async fn port(journal: &mut Process) -> u16 {
    journal.address("main").await.port()
}

async fn as_they_stand(journal: &mut Process, token: &str, folder: &Path, user: &str) {
    let port = port(journal).await;
    let say = async |line: &str| curl(line, port, token, folder).await;
    let first = r#"curl -sd '{"text": "some text", "hashtags":["tag1", "tag2"]}' -H"Authorization: Bearer ${TOKEN}" https://localhost:9000/message"#;
    let posted = say(first).await;
    let id = posted["data"]["id"].as_str().unwrap_or_else(|| panic!("{posted}"));
    let second = r#"curl -sd '{"text": "some other text", "hashtags":["tag3", "tag4"]}' -H"Authorization: Bearer ${TOKEN}" https://localhost:9000/message"#;
    assert!(say(second).await["data"]["id"].is_string());
    let found = say("curl -s 'https://localhost:9000/message?hashtag=tag1'").await;
    let messages = &found["data"]["messages"];
    assert_eq!(
        (&messages[0]["id"], &messages[0]["user"]["name"]),
        (&json!(id), &json!(user)),
        "{found}"
    );
    assert_eq!(messages.as_array().unwrap().len(), 1);
    let filtered = "curl -s 'https://localhost:9000/message?hashtag=tag1&from_date=2019-09-22&to_date=2030-01-01&limit=10&user_name=anna'";
    assert_eq!(say(filtered).await["data"]["messages"][0]["id"], json!(id));
    let trend = r#"curl -s "https://localhost:9000/trend?to_date=2019-09-23&aggregation=1m&from_date=2019-09-22&hashtag=dummy3""#;
    assert_eq!(say(trend).await, json!({"data": {}}));
    let trend = "curl -s 'https://localhost:9000/trend?aggregation=24h&from_date=2019-09-22&hashtag=tag1'";
    assert_eq!(say(trend).await["data"]["trends"][0]["count"], json!(1));
}

#[tokio::test]
async fn with_claims() {
    let (database, folder) = (testutil::database().await, certificates());
    let mut journal = with_tls(folder.path())
        .args(["--log_level", "debug"])
        .env("DATABASE_URL", database.url())
        .env("DEMO_USERS", "true")
        .start()
        .await;
    as_they_stand(&mut journal, &claim("anna"), folder.path(), "anna").await;
}

#[tokio::test]
async fn with_a_key() {
    let (database, folder) = (testutil::database().await, certificates());
    let (key, line) = made_key().await;
    std::fs::write(folder.path().join("keys"), line).unwrap();
    let mut journal = with_tls(folder.path())
        .env("DATABASE_URL", database.url())
        .env("API_KEYS_FILE", "keys")
        .start()
        .await;
    as_they_stand(&mut journal, &key, folder.path(), "anna").await;
    let port = port(&mut journal).await;
    let refused = curl(
        "curl -sd '{\"text\":\"a\"}' -H \"Authorization: Bearer $TOKEN\" https://localhost:9000/message",
        port,
        "another-key-of-nobody",
        folder.path(),
    )
    .await;
    assert_eq!(refused["status"], 401, "{refused}");
}

/// A key of anna's and its line, by `odograph key new`.
async fn made_key() -> (String, String) {
    let mut made = Program::new("odograph").args(["key", "new", "--user", "anna"]).spawn();
    assert_eq!(made.wait(LONG).await, 0);
    let said = made.stdout();
    let word = |prefix: &str| {
        let line = said
            .iter()
            .map(|line| line.trim())
            .find(|line| line.starts_with(prefix) || line.contains(prefix));
        line.unwrap_or_else(|| panic!("{said:?}")).to_owned()
    };
    (word("odo_"), word(" user=anna "))
}

/// The database as the forerunner's flags name it: host, database, user. The host is a socket's folder.
fn parts(database: &Database) -> (String, String, String) {
    let url = database.url();
    let (rest, host) = url.split_once("?host=").unwrap();
    let name = rest.rsplit('/').next().unwrap();
    (host.replace("%2F", "/"), name.to_owned(), "odograph".to_owned())
}

#[tokio::test]
async fn a_config_file_stands_below_flags() {
    let (database, folder) = (testutil::database().await, certificates());
    let (host, name, user) = parts(&database);
    let config = format!(
        "use_tls: true\ntls:\n  crt: tls/crt.pem\n  key: tls/key.pem\nport: 9\ndebug: true\ncockroach:\n  host: {host}\n  should_migrate: true\n  debug: true\n  database: {name}\n  user: {user}\n"
    );
    std::fs::write(folder.path().join("config.yaml"), config).unwrap();
    let mut journal = program(folder.path())
        .args(["--config_file", "config.yaml", "--port", "0", "--demo-users"])
        .start()
        .await;
    as_they_stand(&mut journal, &claim("anna"), folder.path(), "anna").await;
    let log = journal.output().join("\n");
    assert!(
        log.contains("cockroach.debug") && log.contains("does nothing here"),
        "{log}"
    );
    let mut journal = program(folder.path())
        .args([
            "--use_tls",
            "--tls.crt",
            "tls/crt.pem",
            "--tls.key",
            "tls/key.pem",
            "--port",
            "0",
            "--log_level",
            "debug",
        ])
        .args([
            "--cockroach.host",
            &host,
            "--cockroach.database",
            &name,
            "--cockroach.user",
            &user,
        ])
        .args(["--demo-users", "--cockroach.should_migrate"])
        .start()
        .await;
    assert!(port(&mut journal).await > 0);
}

/// As in the forerunner, `use_tls` decides.
#[tokio::test]
async fn without_use_tls_clients_speak_plain_http_though_there_is_a_certificate() {
    let (database, folder) = (testutil::database().await, certificates());
    let config = "use_tls: false\ntls:\n  crt: tls/crt.pem\n  key: tls/key.pem\n";
    std::fs::write(folder.path().join("config.yaml"), config).unwrap();
    let mut journal = program(folder.path())
        .args(["--config_file", "config.yaml", "--port", "0", "--demo-users"])
        .env("DATABASE_URL", database.url())
        .start()
        .await;
    let url = format!("http://{}/message", journal.address("main").await);
    let found = crate::system::client().get(url).send().await.unwrap();
    assert_eq!(found.status(), 200);
    let log = journal.output().join("\n");
    assert!(log.contains("use_tls is false"), "{log}");
}

/// One file serves the ingestor and the journal; each needs a key of its own kind in it.
#[tokio::test]
async fn a_file_without_keys_of_its_kind_lets_no_program_start() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("users"), format!("a user=anna {}\n", "0".repeat(64))).unwrap();
    std::fs::write(folder.path().join("devices"), format!("a lada {}\n", "0".repeat(64))).unwrap();
    let database = "postgres://localhost/x";
    for (program, arguments, expected) in [
        (
            "ingestor",
            &["--api-keys-file", "users"][..],
            "no client could write readings",
        ),
        (
            "odograph",
            &[
                "up",
                "--data-dir",
                "data",
                "--database-url",
                database,
                "--api-keys-file",
                "users",
            ],
            "no client could write readings",
        ),
        (
            "journal",
            &["--api-keys-file", "devices", "--database-url", database],
            "odograph key new --user",
        ),
    ] {
        let mut started = Program::new(program)
            .current_dir(folder.path())
            .args(arguments.iter().copied())
            .spawn();
        assert_eq!(started.wait(LONG).await, 2, "{program}");
        let said = started.output().join("\n");
        assert!(said.contains(expected), "{program}: {said}");
    }
}

#[tokio::test]
async fn what_cannot_start_says_what_to_give() {
    for (arguments, expected) in [
        (&["--database-url", "postgres://localhost/x"][..], "--api-keys-file"),
        (&["--demo-users"], "--database-url"),
        (
            &["--demo-users", "--use_tls", "--database-url", "postgres://localhost/x"],
            "--tls-cert",
        ),
        (&["--config_file", "nowhere.yaml"], "nowhere.yaml"),
    ] {
        let mut journal = Program::new("journal").args(arguments.iter().copied()).spawn();
        assert_eq!(journal.wait(LONG).await, 2, "{arguments:?}");
        let said = journal.output().join("\n");
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
}
