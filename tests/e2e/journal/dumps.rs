//! A dumper with no more rights than it needs writes the journal, where it is told to, and a restore brings it back.

use super::{claim, journal, post};
use crate::system::{LONG, System, answer, client};
use reqwest::Method;
use serde_json::{Value, json};
use std::path::Path;
use testutil::{Process, Program};

const DAY: &str = "2024-05-01";

async fn dump(system: &System, url: &str, flags: &[&str]) {
    let mut dumper = Program::new("dumper")
        .env("DATABASE_URL", system.database.url_as("odograph_dumper"))
        .env("BLOB_STORE_URL", url)
        .args(["--dump-date", DAY])
        .args(flags.iter().copied())
        .spawn();
    assert_eq!(dumper.wait(LONG).await, 0, "{}", dumper.output().join("\n"));
}

async fn restore(url: &str, database: &str, flags: &[&str]) -> String {
    let mut restoring = Program::new("odograph")
        .arg("restore")
        .env("BLOB_STORE_URL", url)
        .env("DATABASE_URL", database)
        .args(flags.iter().copied())
        .spawn();
    let code = restoring.wait(LONG).await;
    assert_eq!(code, 0, "{}", restoring.output().join("\n"));
    restoring.stdout().join("\n")
}

/// The names of the journal's files.
fn files(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap();
    let names = names.map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.contains("journal")).collect();
    names.sort();
    names
}

async fn entry(journal: &mut Process, id: &str) -> (u16, Value) {
    let url = format!("{}/message/{id}", journal.url().await);
    answer(client().get(url).send().await.unwrap()).await
}

#[tokio::test]
async fn the_journal_is_dumped_where_it_is_asked_for_and_restored() {
    let system = System::start(1).await;
    let mut first = journal(&system.database).start().await;
    let body = |text: &str| {
        json!({"text": text, "hashtags": ["trip"], "device": "lada", "created_at": format!("{DAY}T10:00:00Z"),
            "latitude": 45.1, "longitude": 14.2})
    };
    let stays = post(&mut first, "anna", &body("ferry to #Cres")).await;
    let goes = post(&mut first, "anna", &body("a secret")).await;
    let folder = tempfile::tempdir().unwrap();
    let url = format!("file://{}", folder.path().display());
    dump(&system, &url, &[]).await;
    assert_eq!(files(folder.path()), [""; 0]);
    let (manifest, data) = (format!("{DAY}.journal.manifest.json"), |revision| {
        format!("{DAY}.journal.r{revision}.json.gz")
    });
    for _ in 0..2 {
        dump(&system, &url, &["--journal"]).await;
        assert_eq!(files(folder.path()), [manifest.clone(), data(1)]);
    }

    let message = format!("{}/message/{goes}", first.url().await);
    let delete = system.http.request(Method::DELETE, message).bearer_auth(claim("anna"));
    assert_eq!(delete.send().await.unwrap().status(), 204);
    dump(&system, &url, &["--journal"]).await;
    assert_eq!(files(folder.path()), [manifest, data(2)]);

    let new = testutil::database().await;
    testutil::give_roles(&new.url()).await;
    let said = restore(&url, &new.url(), &["--journal", "false"]).await;
    assert!(!said.contains("journal"), "{said}");
    // The writer restores readings, and may not write entries: it is told so at once, not after many tries.
    let mut writer = Program::new("odograph")
        .arg("restore")
        .env("BLOB_STORE_URL", &url)
        .env("DATABASE_URL", new.url_as("odograph_writer"))
        .args(["--migrate", "false"])
        .spawn();
    assert_eq!(writer.wait(LONG).await, 1);
    let said = writer.output().join("\n");
    assert!(
        said.contains("pass --journal=false") && !said.contains("trying again"),
        "{said}"
    );
    for (stored, there) in [(1, 0), (0, 1)] {
        let said = restore(&url, &new.url(), &[]).await;
        let counts =
            format!("1 days of the journal restored: {stored} entries stored, {there} were there; 0 days failed");
        assert!(said.ends_with(&counts), "{said}");
    }
    let mut second = journal(&new).start().await;
    let expected = entry(&mut first, &stays).await;
    assert_eq!(expected.0, 200, "{}", expected.1);
    assert_eq!(entry(&mut second, &stays).await, expected);
    assert_eq!(entry(&mut second, &goes).await.0, 404);
}
