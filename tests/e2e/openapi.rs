//! Tools of others read the description of the API: one looks for answers that are not as described, and one makes a
//! client.

use crate::system::System;
use serde_json::{Value, json};
use std::fmt::Write;

/// The seed of made-up questions, so that each run asks the same ones.
const SEED: u32 = 16;

/// Made-up questions to each endpoint, beside those at the bounds of its schemas.
const EXAMPLES: u32 = 15;

/// A system with a drive of five minutes.
async fn with_a_drive() -> System {
    let system = System::start(1).await;
    let mut body = String::new();
    let mut rows = 0;
    for second in 0..300_u32 {
        let time = format!("2021-02-28T10:{:02}:{:02}Z", second / 60, second % 60);
        let latitude = 45.0 + f64::from(second) * 0.00015;
        for (sensor, value) in [
            ("speed", 60.0),
            ("fuel", 50.0),
            ("location_latitude", latitude),
            ("location_longitude", 13.0),
        ] {
            let line = json!({"device": "lada", "sensor": sensor, "value": value, "timestamp": time});
            writeln!(body, "{line}").unwrap();
            rows += 1;
        }
    }
    let (status, answer) = system.post(body).await;
    assert_eq!(status, 200, "{answer}");
    system.wait_for_rows(rows).await;
    system
}

async fn run(system: &System, script: &str, question: Value) -> Value {
    let script = testutil::workspace().join("tests/e2e/openapi").join(script);
    let mut question = question;
    question["url"] = system.api_url.trim_end_matches("/api").into();
    testutil::python(&script, &question).await
}

#[tokio::test]
async fn answers_to_made_up_questions_are_as_described() {
    let system = with_a_drive().await;
    let found = run(
        &system,
        "schemathesis_run.py",
        json!({"seed": SEED, "examples": EXAMPLES}),
    )
    .await;
    let said = found["said"].as_str().unwrap();
    assert_eq!(found["code"], 0, "{said}");
    assert!(said.contains("No issues found"), "{said}");
    // It has asked every endpoint but the stream, and the description, which it leaves out by itself.
    let (status, document) = system.get("openapi.json").await;
    assert_eq!(status, 200, "{document}");
    let all = document["paths"].as_object().unwrap().len();
    assert!(said.contains(&format!("Tested: {}", all - 2)), "{said}");
}

#[tokio::test]
async fn a_generated_client_fetches_the_latest_values() {
    let system = with_a_drive().await;
    let fetched = run(&system, "client.py", json!({})).await;
    assert_eq!(fetched["speed"], 60.0);
    let speed = &fetched["sensors"]["speed"];
    assert_eq!(*speed, json!(["lada", 60.0, "km/h", "2021-02-28T10:04:59+00:00"]));
    assert_eq!(fetched["sensors"].as_object().unwrap().len(), 4);
}
