//! Stubs of `io.cloudevents.v1`, for clients that have the events of CloudEvents and not those of our files.

use super::{port, script, server};
use serde_json::json;

/// Attributes and data of every kind come back as they were sent. The strict rules take all of them.
#[tokio::test]
async fn events_of_cloudevents_come_back() {
    let events = json!([
        {
            "id": "every kind", "source": "/cars/lada", "specVersion": "1.0", "type": "example.type",
            "attributes": {
                "locked": {"ceBoolean": false},
                "distance": {"ceInteger": i32::MIN},
                "subject": {"ceString": "машина"},
                "signature": {"ceBytes": "AP8="},
                "dataschema": {"ceUri": "https://example.com/schema?a=b#c"},
                "trip": {"ceUriRef": "../trips/1"},
                "time": {"ceTimestamp": "2026-04-12T23:20:50.123456789Z"},
            },
            "binaryData": "AP8AAQ==",
        },
        {
            "id": "text", "source": "/cars/lada", "specVersion": "1.0", "type": "example.type",
            "attributes": {"empty": {"ceString": ""}, "zero": {"ceInteger": 0}},
            "textData": "",
        },
        {
            "id": "protobuf", "source": "/cars/lada", "specVersion": "1.0", "type": "example.type",
            "protoData": {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": "half full"},
        },
        {"id": "no data", "source": "/cars/lada", "specVersion": "1.0", "type": "example.type"},
    ]);
    let database = testutil::database().await;
    let mut server = server(&database).arg("--strict").start().await;
    let address = format!("localhost:{}", port(&mut server).await);
    let question = json!({"address": address, "events": events});
    let answer = testutil::python(&script("stubs.py"), &question).await;
    let expected = json!({
        "stored": 4,
        "found": events,
        "equal": true,
        "types": ["io.cloudevents.v1.CloudEvent"],
        "deleted": 4,
        "left": 0,
        "same_bytes": true,
    });
    assert_eq!(answer, expected);
}
