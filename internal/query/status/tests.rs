use crate::tests::Api;
use serde_json::{Value, json};

#[tokio::test]
async fn how_far_the_readings_go() {
    let api = Api::start().await;
    let empty = api.ok("/api/status").await;
    let expected = json!({
        "lastIngestTimestamp": null,
        "devices": 0,
        "series": 0,
        "version": env!("CARGO_PKG_VERSION"),
        "schemaVersion": schema::version(),
    });
    assert_eq!(empty, expected);
    api.add(&[
        ("lada", "speed", "2021-02-28T10:00:00.511Z", 1.0),
        ("lada", "fuel", "2021-02-27T10:00:00Z", 1.0),
        ("saab", "fuel", "2021-02-28T09:00:00Z", 1.0),
    ])
    .await;
    for (device, last) in [
        ("", json!("2021-02-28T10:00:00.511Z")),
        ("?device=saab", json!("2021-02-28T09:00:00Z")),
        ("?device=nobody", Value::Null),
    ] {
        let status = api.ok(&format!("/api/status{device}")).await;
        assert_eq!(
            (&status["lastIngestTimestamp"], &status["devices"], &status["series"]),
            (&last, &json!(2), &json!(3))
        );
    }
}
