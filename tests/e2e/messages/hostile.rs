//! Bytes that no client of gRPC sends: each gets its status, or costs its own connection alone.

use super::{port, script, server};
use serde_json::json;

#[tokio::test]
async fn hostile_bytes_cost_their_sender_alone() {
    let database = testutil::database().await;
    // A place that is not given back would be missed soon.
    let mut server = server(&database).args(["--max-in-flight", "4"]).start().await;
    let question = json!({"port": port(&mut server).await});
    let answer = testutil::javascript(&script("hostile.js"), &question).await;
    let (ok, invalid, too_large, unimplemented) = ("0", "3", "8", "12");
    let statuses = json!({
        "good": ok,
        "good gzip": ok,
        "damaged gzip": invalid,
        "gzip that is cut": invalid,
        "no gzip": invalid,
        "gzip without its name": invalid,
        "another compression": unimplemented,
        "an unknown flag": invalid,
        "a length above": invalid,
        "a length below": invalid,
        "the longest length": too_large,
        "half a head": invalid,
        "no frame": invalid,
    });
    assert_eq!(answer["statuses"], statuses);
    let connections = answer["connections"].as_object().unwrap();
    assert_eq!(connections.len(), 10);
    assert!(connections.values().all(|became| became == "closed"), "{connections:?}");
    assert_eq!(
        (&answer["resets"], &answer["rapid"]),
        (&json!(ok), &json!(ok)),
        "{answer}"
    );
    let left = ["answered"; 8];
    assert_eq!(answer["left"], json!(left), "{answer}");
    assert_eq!(
        (&answer["bystander"], &answer["fresh"]),
        (&json!(ok), &json!(ok)),
        "{answer}"
    );
    let log = server.output().join("\n");
    assert!(!log.contains("panicked"), "{log}");
    // Nothing of what was refused or reset is stored.
    let client = super::client(&database).await;
    let stored = client.query("SELECT id FROM message ORDER BY id", &[]).await.unwrap();
    let stored: Vec<String> = stored.iter().map(|row| row.get(0)).collect();
    assert_eq!(stored, ["good", "l0", "l1", "l2", "served"]);
}
