use super::{Receipt, Status, Sums, earliest, judge};
use crate::tests::Api;
use axum::http::StatusCode;
use reading::{self, time};
use serde_json::Value;
use uuid::Uuid;

fn status(sums: Option<Sums>, minutes_later: i64) -> Option<Status> {
    let id = Uuid::now_v7();
    let now = reading::uploaded(id).unwrap() + minutes_later * 60 * 1_000_000;
    judge(id, sums, now).map(|receipt| receipt.status)
}

#[test]
fn every_status() {
    let sums = |persisted, failed, totals| {
        Some(Sums {
            persisted,
            duplicates: 2,
            conflicts: 1,
            failed,
            totals,
            last: None,
        })
    };
    let week = 7 * 24 * 60;
    for (expected, sums, minutes) in [
        (Some(Status::Pending), None, 0),
        (Some(Status::Pending), None, week - 1),
        (None, None, week),
        (None, sums(4, 0, Some((7, 0))), week),
        (Some(Status::Persisted), sums(4, 0, Some((7, 3))), 0),
        (Some(Status::Persisted), sums(4, 0, Some((7, 3))), 70),
        (Some(Status::Pending), sums(4, 0, Some((8, 0))), 70),
        (Some(Status::Failed), sums(4, 1, Some((8, 0))), 0),
        (Some(Status::Pending), sums(4, 1, Some((9, 0))), 0),
        (Some(Status::Pending), sums(4, 0, None), 59),
        (Some(Status::Incomplete), sums(4, 0, None), 61),
    ] {
        assert_eq!(status(sums, minutes), expected, "{sums:?} after {minutes} min");
    }
}

#[test]
fn an_upload_that_goes_on_for_hours_has_not_broken_off() {
    let id = Uuid::now_v7();
    let began = reading::uploaded(id).unwrap();
    let sums = Sums {
        persisted: 1,
        last: Some(began + 3 * 3600 * 1_000_000),
        ..Sums::default()
    };
    let at = |hours: i64| judge(id, Some(sums), began + hours * 3600 * 1_000_000).unwrap().status;
    assert_eq!((at(3), at(5)), (Status::Pending, Status::Incomplete));
}

#[test]
fn ids_that_no_upload_can_have() {
    let now = time::now();
    assert_eq!(judge(Uuid::new_v4(), None, now), None);
    assert_eq!(judge(Uuid::nil(), None, now), None);
    assert_eq!(
        judge(Uuid::now_v7(), None, now - 2 * time::DAY),
        None,
        "not before two days have passed"
    );
}

#[test]
fn as_json() {
    let id = Uuid::now_v7();
    let receipt: Receipt = judge(id, None, time::now()).unwrap();
    assert_eq!(
        serde_json::to_string(&receipt).unwrap(),
        format!(
            r#"{{"id":"{id}","status":"pending","accepted":null,"rejected":null,"persisted":0,"duplicates":0,"conflicts":0,"failed":0}}"#
        )
    );
}

/// The id of an upload that began at this moment, in microseconds.
fn upload(moment: i64, number: u128) -> Uuid {
    let milliseconds = u128::try_from(moment / 1000).unwrap();
    Uuid::from_u128((milliseconds << 80) | (7 << 76) | (2 << 62) | number)
}

#[test]
fn the_earliest_upload_that_has_a_receipt() {
    let now = time::now();
    let (kept, gone) = (now - reading::KEPT_RECEIPTS + 2000, now - reading::KEPT_RECEIPTS - 2000);
    assert!(earliest(now) < upload(kept, 0));
    assert!(judge(upload(kept, 0), None, now).is_some());
    assert!(upload(gone, 0) < earliest(now));
    assert!(judge(upload(gone, 0), None, now).is_none());
}

/// An API that knows these uploads, each with two rows; the third has a line that was rejected.
async fn with_uploads(uploads: &[Uuid]) -> Api {
    let api = Api::start().await;
    api.execute(
        "CREATE TABLE receipt_all PARTITION OF receipt FOR VALUES FROM (MINVALUE) TO (MAXVALUE);
         CREATE TABLE receipt_line_all PARTITION OF receipt_line FOR VALUES FROM (MINVALUE) TO (MAXVALUE)",
    )
    .await;
    for (number, upload) in uploads.iter().enumerate() {
        let rejected = i32::from(number == 2);
        let rows = format!(
            "INSERT INTO receipt VALUES
                ('{upload}', '00000000-0000-0000-0000-000000000001', 2, 0, 0, 0, NULL, NULL),
                ('{upload}', '00000000-0000-0000-0000-000000000002', 1, 1, 0, 0, 4, {rejected})"
        );
        api.execute(&rows).await;
        if rejected > 0 {
            let line = format!("INSERT INTO receipt_line VALUES ('{upload}', 1, 5, NULL, 'no JSON', 'x')");
            api.execute(&line).await;
        }
    }
    api
}

fn ids(page: &Value) -> Vec<String> {
    let ingests = page["ingests"].as_array().unwrap();
    ingests
        .iter()
        .map(|one| one["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn uploads_with_their_receipts() {
    let now = time::now();
    // Some began in the same millisecond. The last one has no receipt any more.
    let moments = [0, 1, 1, 1, 60_000_000, 3600 * 1_000_000, 8 * time::DAY];
    let uploads: Vec<Uuid> = (0_u128..)
        .zip(moments)
        .map(|(number, ago)| upload(now - ago, number))
        .collect();
    let api = with_uploads(&uploads).await;
    let mut expected: Vec<String> = uploads[..6].iter().map(Uuid::to_string).collect();
    expected.sort_unstable_by(|one, other| other.cmp(one));
    let all = api.ok("/api/ingests").await;
    assert_eq!(ids(&all), expected);
    assert_eq!(all["nextCursor"], Value::Null);
    for receipt in all["ingests"].as_array().unwrap() {
        let alone = api
            .ok(&format!("/api/ingests/{}", receipt["id"].as_str().unwrap()))
            .await;
        assert_eq!(*receipt, alone);
        assert_eq!(receipt["persisted"], 3);
        let is_third = receipt["id"] == uploads[2].to_string();
        assert_eq!(
            receipt["invalid"].as_array().map(Vec::len),
            is_third.then_some(1),
            "{receipt}"
        );
    }

    let (mut found, mut path) = (Vec::new(), "/api/ingests?limit=4".to_owned());
    loop {
        let page = api.ok(&path).await;
        found.extend(ids(&page));
        let Some(next) = page["nextCursor"].as_str() else { break };
        path = format!("/api/ingests?limit=4&cursor={next}");
    }
    assert_eq!(found, expected);
    for wrong in ["limit=0", "limit=101", "cursor=x", "device=lada"] {
        let (status, _) = api.get(&format!("/api/ingests?{wrong}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{wrong}");
    }
}

#[tokio::test]
async fn without_uploads() {
    let page = Api::start().await.ok("/api/ingests").await;
    assert_eq!(page, serde_json::json!({"ingests": [], "nextCursor": null}));
}
