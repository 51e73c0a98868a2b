//! The journal: the lines of its forerunner, its commands, late posts beside readings, subscribers, kills.

mod dumps;
mod kills;
mod lines;
mod roles;
mod track;

use crate::system::{LONG, System, answer};
use reqwest::Method;
use serde_json::{Value, json};
use std::process::Stdio;
use testutil::{Database, Process, Program, built};
use tokio::process::Command;
use tokio::time::timeout;

/// A journal with no more rights than it needs, in which everybody writes under any name.
fn journal(database: &Database) -> Program {
    Program::new("journal")
        .env("DATABASE_URL", database.url_as("odograph_journal"))
        .args(["--migrate", "false", "--port", "0", "--demo-users"])
}

/// `Authorization` of a user, in a journal that takes claims.
fn claim(user: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(user)
}

/// Posts an entry as this user. Returns its id.
async fn post(journal: &mut Process, user: &str, body: &Value) -> String {
    let url = format!("{}/message", journal.url().await);
    let request = crate::system::client().post(url).bearer_auth(claim(user));
    let (status, answer) = answer(request.body(body.to_string()).send().await.unwrap()).await;
    assert_eq!(status, 201, "{answer}");
    answer["data"]["id"].as_str().unwrap().to_owned()
}

/// A bot that is told of `#help`, by a subscription to the topic of the journal.
#[tokio::test]
async fn a_subscriber_is_told_of_a_hashtag() {
    let system = System::start(1).await;
    let mut notifier = crate::notifier::notifier(&system).await;
    let endpoint = crate::notifier::Endpoint::start(|_| true).await;
    let definition = json!({
        "name": "help", "topic": "odograph.journal", "targetUrl": endpoint.url,
        "filter": r#"data.event == "created" && "help" in data.hashtags"#,
    });
    crate::notifier::subscribe(&system, &mut notifier, definition).await;
    let mut journal = journal(&system.database).start().await;
    post(&mut journal, "anna", &json!({"text": "all is well #cres"})).await;
    let id = post(
        &mut journal,
        "anna",
        &json!({"text": "flat tyre #Help", "device": "lada"}),
    )
    .await;
    let told = testutil::poll(LONG, async || endpoint.taken().first().cloned())
        .await
        .body;
    assert_eq!(told["data"]["id"], json!(id), "{told}");
    let url = format!("{}/message/{id}", journal.url().await);
    let delete = system.http.request(Method::DELETE, url).bearer_auth(claim("anna"));
    assert_eq!(delete.send().await.unwrap().status(), 204);
}

/// `odograph post` and `odograph journal`, in `odograph up`.
#[tokio::test]
async fn people_post_and_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut up = Program::new("odograph")
        .args([
            "up",
            "--port",
            "0",
            "--api-port",
            "0",
            "--notifier-port",
            "0",
            "--messages-port",
            "0",
        ])
        .args(["--journal-port", "0", "--journal-user", "anna", "--data-dir"])
        .arg(folder.path())
        .start()
        .await;
    let url = format!("http://{}", up.address("journal").await);
    let run = async |arguments: &[&str]| {
        let mut command = Program::new("odograph")
            .args(arguments.iter().copied())
            .args(["--url", &url])
            .env("DATA_DIR", folder.path().display().to_string())
            .env("TZ", "Europe/Zagreb")
            .spawn();
        let code = command.wait(LONG).await;
        (code, command.stdout().join("\n"), command.output().join("\n"))
    };
    let (code, id, said) = run(&["post", "ferry to #Cres, 14 euros", "--time", "2026-06-01 10:00"]).await;
    assert_eq!((code, id.trim().len()), (0, 26), "{said}");
    let (code, _, said) = run(&[
        "post",
        "flat tyre",
        "--hashtag",
        "help",
        "--device",
        "lada",
        "--time",
        "2026-06-01T12:00:00Z",
    ])
    .await;
    assert_eq!(code, 0, "{said}");
    let (code, listed, said) = run(&["journal"]).await;
    assert_eq!(code, 0, "{said}");
    assert_eq!(
        listed.trim(),
        "2026-06-01 14:00  anna  lada  flat tyre  #help\n2026-06-01 10:00  anna  ferry to #Cres, 14 euros"
    );
    // A reader that is gone, as `head` is after its last line, is no failure.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let unread = Command::new(built("odograph"))
        .args(["journal", "--url", &url])
        .stdout(writer)
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let unread = timeout(LONG, unread.wait_with_output()).await.unwrap().unwrap();
    assert!(unread.status.success() && unread.stderr.is_empty(), "{unread:?}");
    let (_, listed, _) = run(&["journal", "--hashtag", "CRES", "--words", "ferry"]).await;
    assert_eq!(listed.trim(), "2026-06-01 10:00  anna  ferry to #Cres, 14 euros");
    let (code, listed, said) = run(&["journal", "--user", "bob"]).await;
    assert_eq!((code, &*listed, &*said), (0, "", "odograph: there are no such entries"));
    let (code, _, said) = run(&["post", "a", "--hashtag", "b c"]).await;
    assert_eq!(code, 1);
    assert!(said.contains("--hashtag: write letters"), "{said}");
    for line in [
        ["journal", "--since", "x"],
        ["journal", "--until", "x"],
        ["post", "--time", "x"],
    ] {
        let (code, _, said) = run(&line).await;
        assert_eq!(code, 2, "{said}");
        let expected = format!("error: invalid value 'x' for '{} <TIME>': write a date", line[1]);
        assert!(said.contains(&expected), "{said}");
    }
}
