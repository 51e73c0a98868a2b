//! Limits, keys and conflicts, each by clients of two languages.

use super::{Language, port, server};
use serde_json::{Value, json};

/// A batch at each limit is taken; one byte, or one message, above it gets its status.
#[tokio::test]
async fn limits_have_their_statuses() {
    for language in Language::ALL {
        check_limits(language).await;
    }
}

/// Checks the limits of a server of its own, so that nothing is stored yet.
async fn check_limits(language: Language) {
    let database = testutil::database().await;
    let flags = [
        "--max-batch",
        "50",
        "--max-message",
        "2000",
        "--max-request",
        "20000",
        "--max-answer",
        "9000",
    ];
    let mut server = server(&database).args(flags).start().await;
    let port = port(&mut server).await;
    let put = |call: Value| {
        let mut put = json!({"method": "PutBatch"});
        put.as_object_mut().unwrap().extend(call.as_object().unwrap().clone());
        put
    };
    let cases = [
        // Messages in a batch.
        (put(json!({"messages": 50})), "OK", "", false),
        (put(json!({"messages": 51})), "RESOURCE_EXHAUSTED", "", false),
        // Bytes of a message, of its id and of its source.
        (put(json!({"message_bytes": 2000})), "OK", "", false),
        (
            put(json!({"message_bytes": 2001})),
            "INVALID_ARGUMENT",
            "msgs[0]",
            false,
        ),
        (put(json!({"id": "i".repeat(256)})), "OK", "", false),
        (
            put(json!({"id": "i".repeat(257)})),
            "INVALID_ARGUMENT",
            "msgs[0].id",
            false,
        ),
        (put(json!({"id": ""})), "INVALID_ARGUMENT", "msgs[0].id", false),
        (put(json!({"id": "a\u{0}"})), "INVALID_ARGUMENT", "msgs[0].id", false),
        (put(json!({"source": "s".repeat(1024)})), "OK", "", false),
        (
            put(json!({"source": "s".repeat(1025)})),
            "INVALID_ARGUMENT",
            "msgs[0].source",
            false,
        ),
        (put(json!({"attributes": 64})), "OK", "", false),
        (
            put(json!({"attributes": 65})),
            "INVALID_ARGUMENT",
            "msgs[0].attributes",
            false,
        ),
        // Bytes of a request, plain and compressed.
        (put(json!({"request_bytes": 20_000})), "OK", "", false),
        (put(json!({"request_bytes": 20_001})), "RESOURCE_EXHAUSTED", "", false),
        (put(json!({"request_bytes": 20_000, "gzip": true})), "OK", "", false),
        (
            put(json!({"request_bytes": 20_001, "gzip": true})),
            "RESOURCE_EXHAUSTED",
            "",
            false,
        ),
        // Ids in a request, and bytes of an answer.
        (json!({"method": "GetBatch", "ids": 50}), "OK", "", false),
        (
            json!({"method": "GetBatch", "ids": 51}),
            "RESOURCE_EXHAUSTED",
            "",
            false,
        ),
        (json!({"method": "DeleteBatch", "ids": 50}), "OK", "", false),
        (
            json!({"method": "DeleteBatch", "ids": 51}),
            "RESOURCE_EXHAUSTED",
            "",
            false,
        ),
        // Bytes that are no message.
        (
            json!({"method": "PutBatch", "raw": "ffff"}),
            "INVALID_ARGUMENT",
            "",
            false,
        ),
        (
            json!({"method": "PutBatch", "raw": "0a02ffff"}),
            "INVALID_ARGUMENT",
            "msgs[0]",
            false,
        ),
        (
            json!({"method": "GetBatch", "raw": "0a01ff"}),
            "INVALID_ARGUMENT",
            "",
            false,
        ),
    ];
    let steps = cases.iter().map(|(call, ..)| call.clone()).collect();
    let answers = language.calls(port, steps).await;
    for ((call, status, field, retry), answer) in cases.iter().zip(answers) {
        assert_eq!(answer["status"], *status, "{language:?}: {call}: {answer}");
        assert_eq!(answer["field"], *field, "{language:?}: {call}: {answer}");
        assert_eq!(answer["retry"], *retry, "{language:?}: {call}: {answer}");
    }
    // Which limit it was.
    let steps = json!([
        put(json!({"messages": 51})),
        put(json!({"request_bytes": 20_001})),
        put(json!({"request_bytes": 20_001, "gzip": true})),
        // A bomb: 100 MB in 100 kB.
        {"method": "PutBatch", "zeros": 100_000_000, "gzip": true},
        {"method": "GetBatch", "ids": 51},
    ]);
    let texts = language.calls(port, steps).await;
    let texts: Vec<_> = texts.iter().map(|answer| answer["text"].as_str().unwrap()).collect();
    let request = "The request has more than 20000 bytes; send it in parts.";
    let (messages, ids) = (
        "The request has 51 messages; send at most 50 at once.",
        "The request has 51 ids; send at most 50 at once.",
    );
    assert_eq!(texts, [messages, request, request, request, ids], "{language:?}");
    assert!(server.peak_memory() < 64 << 20, "{}", server.peak_memory());
    // An answer as long as it may be, one that is a byte longer, and a single id. Each message takes three bytes more.
    let long = |id: &str, bytes: usize| json!({"method": "PutBatch", "id": id, "message_bytes": bytes});
    let get = |ids: &[&str]| json!({"method": "GetBatch", "named": ids});
    let steps = json!([
        long("a", 1997),
        long("b", 1997),
        long("c", 1997),
        long("d", 1997),
        long("e", 997),
        long("f", 998),
        get(&["a", "b", "c", "d", "e"]),
        get(&["a", "b", "c", "d", "f"]),
        get(&["e"]),
    ]);
    let answers = language.calls(port, steps).await;
    let found: Vec<_> = answers[6..]
        .iter()
        .map(|answer| (answer["status"].as_str().unwrap(), &answer["count"]))
        .collect();
    assert_eq!(
        found,
        [
            ("OK", &json!(5)),
            ("RESOURCE_EXHAUSTED", &Value::Null),
            ("OK", &json!(1))
        ],
        "{language:?}"
    );
}

#[tokio::test]
async fn keys_let_in_and_other_content_is_named() {
    let database = testutil::database().await;
    let folder = tempfile::tempdir().unwrap();
    let key = |device: &str| {
        let output = std::process::Command::new(testutil::built("odograph"))
            .args(["key", "new", "--device", device])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let mut lines = text
            .lines()
            .filter(|line| line.starts_with("  "))
            .map(|line| line.trim().to_owned());
        (lines.next().unwrap(), lines.next().unwrap())
    };
    let (own, fleet) = (key("messages"), key("lada"));
    let file = folder.path().join("keys");
    std::fs::write(&file, format!("{}\n{}\n", own.1, fleet.1)).unwrap();
    let mut server = server(&database)
        .arg("--api-keys-file")
        .arg(&file)
        .env("API_KEY", "a key of the flags")
        .start()
        .await;
    let port = port(&mut server).await;
    let with = |key: &str, text: &str| json!({"method": "PutBatch", "id": "a", "text": text, "key": key});
    let steps = json!([
        {"method": "PutBatch", "id": "a"}, with("wrong", "1"), with(&fleet.0, "1"),
        with(&own.0, "1"), with("a key of the flags", "1"), with(&own.0, "2"),
    ]);
    for language in Language::ALL {
        let answers = language.calls(port, steps.clone()).await;
        let statuses: Vec<_> = answers
            .iter()
            .map(|answer| answer["status"].as_str().unwrap())
            .collect();
        assert_eq!(
            statuses,
            [
                "UNAUTHENTICATED",
                "UNAUTHENTICATED",
                "PERMISSION_DENIED",
                "OK",
                "OK",
                "ALREADY_EXISTS"
            ],
            "{language:?}"
        );
        assert_eq!(answers[5]["field"], "msgs[0].id", "{language:?}");
    }
}

/// Of a hundred conflicts all are named, with names as long as they may be: no more than clients take.
#[tokio::test]
async fn a_hundred_conflicts_are_named() {
    let database = testutil::database().await;
    let mut server = server(&database).start().await;
    let port = port(&mut server).await;
    let with = |text: &str| json!({"method": "PutBatch", "messages": 300, "source": "s".repeat(1024), "text": text, "ids_of": 256});
    // The same of the next language is the same again.
    for language in Language::ALL {
        let answers = language.calls(port, json!([with("1"), with("1"), with("2")])).await;
        let found: Vec<_> = answers
            .iter()
            .map(|answer| (answer["status"].as_str().unwrap(), &answer["fields"]))
            .collect();
        assert_eq!(
            found,
            [
                ("OK", &Value::Null),
                ("OK", &Value::Null),
                ("ALREADY_EXISTS", &json!(100))
            ],
            "{language:?}"
        );
    }
}
