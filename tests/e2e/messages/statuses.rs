//! The texts of statuses, and deadlines.

use super::{client, port, script, server};
use crate::system::LONG;
use serde_json::{Value, json};
use testutil::{Program, poll};

/// Calls whose bytes and headers are as the steps have them.
async fn raw(port: u16, steps: Value) -> Vec<Value> {
    let question = json!({"port": port, "calls": steps});
    let answers = testutil::javascript(&script("raw.js"), &question).await;
    answers.as_array().unwrap().clone()
}

/// A key of a file: itself, and its line.
fn key(device: &str) -> (String, String) {
    let output = std::process::Command::new(testutil::built("odograph"))
        .args(["key", "new", "--device", device])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("  "));
    let mut next = || lines.next().unwrap().trim().to_owned();
    (next(), next())
}

/// Words of what is inside: SQL, addresses, libraries.
const INSIDE: [&str; 10] = [
    "SELECT",
    "INSERT",
    "COPY",
    "epoch",
    "postgres",
    "relation",
    "127.0.0.1",
    "tonic",
    "prost",
    "os error",
];

/// A put of one message.
fn put(id: &str, text: &str) -> Value {
    json!({"method": "PutBatch", "messages": [[id, text]], "key": "the key"})
}

fn get(ids: &[&str]) -> Value {
    json!({"method": "GetBatch", "ids": ids, "key": "the key"})
}

/// Makes steps, and compares each status and its text with those beside it.
async fn check(port: u16, cases: &[(Value, &str, &str)]) {
    let steps = cases.iter().map(|(step, ..)| step.clone()).collect();
    for ((step, status, text), answer) in cases.iter().zip(raw(port, steps).await) {
        assert_eq!(
            (&answer["status"], &answer["text"]),
            (&json!(status), &json!(text)),
            "{step}"
        );
        assert!(!INSIDE.iter().any(|word| text.contains(word)), "{text}");
    }
}

/// Each status of the contract has its text, and none has a word of what is inside.
#[tokio::test]
async fn statuses_have_their_texts() {
    let database = testutil::database().await;
    let folder = tempfile::tempdir().unwrap();
    let fleet = key("lada");
    let file = folder.path().join("keys");
    std::fs::write(&file, format!("{}\n", fleet.1)).unwrap();
    let flags = [
        "--max-batch",
        "2",
        "--max-message",
        "100",
        "--max-request",
        "400",
        "--max-answer",
        "100",
    ];
    let mut keyed = server(&database)
        .args(flags)
        .arg("--api-keys-file")
        .arg(&file)
        .env("API_KEY", "the key")
        .start()
        .await;
    let keyed_port = port(&mut keyed).await;
    let client = client(&database).await;
    // The database refuses this one for its content.
    let refuse = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF NEW.id = 'refused' THEN RAISE EXCEPTION 'relation inside' USING ERRCODE = '22023'; END IF;
            RETURN NEW;
        END $$;
        CREATE TRIGGER refuse BEFORE INSERT ON message FOR EACH ROW EXECUTE FUNCTION refuse()";
    client.batch_execute(refuse).await.unwrap();
    let sixty = "x".repeat(60);
    let with = |key: Value| json!({"method": "GetBatch", "ids": ["a"], "key": key});
    let three = json!([["c", "1"], ["d", "1"], ["e", "1"]]);
    let cases = [
        (
            with(json!("another key")),
            "16",
            "Send a key that this server knows, as metadata: authorization: Bearer KEY",
        ),
        (
            with(json!(fleet.0)),
            "7",
            "This key is not bound to messages; make one with: odograph key new --device messages",
        ),
        (put("a", &sixty), "0", ""),
        (put("b", &sixty), "0", ""),
        (
            put("a", "other"),
            "6",
            "Nothing was stored: one of the messages has the id and the source of another message, with other content.",
        ),
        (
            put("", "x"),
            "3",
            "Nothing was stored. msgs[0].id: it has 0 bytes; write 1 to 256.",
        ),
        (
            put("c", &"x".repeat(120)),
            "3",
            "Nothing was stored. msgs[0]: the message has 125 bytes; at most 100 are stored.",
        ),
        (
            json!({"method": "PutBatch", "raw": "ffff", "key": "the key"}),
            "3",
            "The request is no message of this service, or its compression is damaged.",
        ),
        (
            json!({"method": "PutBatch", "messages": three, "key": "the key"}),
            "8",
            "The request has 3 messages; send at most 2 at once.",
        ),
        (
            get(&["a", "b", "c"]),
            "8",
            "The request has 3 ids; send at most 2 at once.",
        ),
        (
            put("c", &"x".repeat(500)),
            "8",
            "The request has more than 400 bytes; send it in parts.",
        ),
        (
            get(&["a", "b"]),
            "8",
            "These messages have more than 100 bytes together; ask for fewer ids at once.",
        ),
        (put("refused", "x"), "13", "The server failed; its log says how."),
    ];
    check(keyed_port, &cases).await;

    let flags = ["--max-in-flight", "1", "--max-store", "1"];
    let mut full = server(&database).args(flags).start().await;
    let full_port = port(&mut full).await;
    let full_text = "The store is full. Send the same again once messages are past their time, or raise --max-store.";
    // Its first look tells that it is full.
    poll(LONG, async || {
        let answer = raw(full_port, json!([put("full", "x")])).await.remove(0);
        (answer["text"] == full_text).then_some(())
    })
    .await;
    // Of the first step no answer is awaited: the server may begin with it after the second one.
    let steps = json!([{"method": "GetBatch", "unfinished": true}, get(&["a"])]);
    let busy = json!({"status": "8", "text": "The server has too many requests under way."});
    poll(LONG, async || {
        let answer = raw(full_port, steps.clone()).await.remove(0);
        (answer == busy).then_some(())
    })
    .await;

    let mut waiting = Program::new("messages")
        .env("DATABASE_URL", "postgres://127.0.0.1:1/nothing")
        .env("API_PORT", "0")
        .spawn();
    let text = "The database does not answer now. Send the same again.";
    let cases = [(put("a", "x"), "14", text), (get(&["a"]), "14", text)];
    check(port(&mut waiting).await, &cases).await;
}

/// A database in another encoding than UTF-8 may lack a character of an id. Its client is told; data is bytes.
#[tokio::test]
async fn an_id_that_the_database_cannot_write_is_refused() {
    let database = testutil::database_in("LATIN1").await;
    let mut server = server(&database).start().await;
    let port = port(&mut server).await;
    let text = "The encoding of the store's database lacks a character of an id or a source; use other characters.";
    let delete = json!({"method": "DeleteBatch", "ids": ["größe", "速度"]});
    let cases = [
        (put("größe", "速度 🚗"), "0", ""),
        (put("速度", "x"), "3", text),
        (get(&["größe", "速度"]), "3", text),
        (delete, "3", text),
        (get(&["größe"]), "0", ""),
    ];
    check(port, &cases).await;
}

/// While another session holds the tables, calls end at the deadline that their client asks for. What was put then is
/// stored or not, and the same again is harmless.
#[tokio::test]
async fn what_is_late_can_be_sent_again() {
    let database = testutil::database().await;
    let mut server = server(&database).start().await;
    let port = port(&mut server).await;
    check(port, &[(put("there", "1"), "0", "")]).await;
    let mut holder = client(&database).await;
    let holding = holder.transaction().await.unwrap();
    let lock = "LOCK TABLE epoch, message IN ACCESS EXCLUSIVE MODE";
    holding.batch_execute(lock).await.unwrap();
    let late = |mut call: Value| {
        call["timeout"] = json!("500m");
        (call, "4", "The request took too long; send the same again.")
    };
    let cases = [late(put("a", "1")), late(put("b", "1")), late(get(&["there"]))];
    check(port, &cases).await;
    holding.rollback().await.unwrap();
    let again = [
        (put("a", "1"), "0", ""),
        (put("b", "1"), "0", ""),
        (put("there", "1"), "0", ""),
    ];
    check(port, &again).await;
    let found = raw(port, json!([get(&["there", "a", "b"])])).await;
    assert_eq!(found[0]["status"], "0");
    let client = client(&database).await;
    let rows = client
        .query("SELECT id, count(*) FROM message GROUP BY id ORDER BY id", &[])
        .await;
    let rows: Vec<(String, i64)> = rows.unwrap().iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(
        rows,
        [("a", 1), ("b", 1), ("there", 1)].map(|(id, count)| (id.to_owned(), count))
    );
}
