use super::{Receipt, Status, Sums, judge};
use reading::{self, time};
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
