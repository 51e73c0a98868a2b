//! The bodies of the public reports in `../shared/cases`, byte by byte as they are there. Their kinds are tested beside the
//! code and in the other files here.

use crate::system::{System, counts};
use serde_json::json;

#[tokio::test]
async fn bodies_of_public_reports_are_taken_whole() {
    let Some(folder) = testutil::shared("cases", "WITH THE BODIES OF PUBLIC REPORTS") else {
        return;
    };
    let system = System::start(1).await;
    for (name, readings) in [
        ("05-gzip-unlabelled.ndjson.gz", 2000),
        ("09-nul-gap.ndjson", 4),
        ("10-concatenated.ndjson", 3),
        ("01-pair-every-15s.ndjson", 40),
        ("01-pair-every-9s.ndjson", 40),
    ] {
        let body = std::fs::read(folder.join(name)).unwrap();
        let (status, answer) = system.post(body).await;
        assert_eq!((status, counts(&answer)), (200, (readings, 0)), "{name}: {answer}");
    }
    system.wait_for_rows(2087).await;
    for (device, latitude, longitude) in [("pairA", 45.019, 13.019), ("pairB", 45.057, 13.057)] {
        let (status, place) = system.get(&format!("location/latest?device={device}")).await;
        let expected = (200, &json!(latitude), &json!(longitude));
        assert_eq!((status, &place["latitude"], &place["longitude"]), expected, "{place}");
    }
}
