//! What a rule would have told of stored readings.

use super::{START, Setting};
use crate::judge::{Rehearsed, Span, rehearse};
use reading::time::DAY;

/// Without the area, no moment has a result. An empty answer would look as if the vehicle had never been there.
#[tokio::test]
async fn a_missing_area_is_told() {
    let mut setting = Setting::start().await;
    let id = setting.subscribe("filter", r#"'inside("home")'"#).await;
    let rules = &setting.evaluator.rules;
    let rule = rules
        .all
        .iter()
        .find(|rule| rule.subscription.id == id)
        .unwrap()
        .clone();
    let areas = rules.areas.clone();
    let transaction = setting.client.transaction().await.unwrap();
    let span = Span { first: 0, last: START };
    let rehearsed = rehearse(&transaction, &rule, &areas, span, DAY).await.unwrap();
    assert!(matches!(rehearsed, Rehearsed::NoArea(area) if area == "home"));
}

/// A span of centuries costs no more than the readings in it.
#[tokio::test]
async fn years_without_readings_cost_nothing() {
    let mut setting = Setting::start().await;
    let id = setting.subscribe("filter", "'speed > 120'").await;
    let year = 365 * 24 * 3600;
    for second in [0, year, 3 * year] {
        setting
            .store(&[("lada", "speed", second, 100.0), ("lada", "speed", second + 1, 130.0)])
            .await;
    }
    let rules = setting.evaluator.rules.all.iter();
    let rule = rules.clone().find(|rule| rule.subscription.id == id).unwrap().clone();
    let areas = setting.evaluator.rules.areas.clone();
    let transaction = setting.client.transaction().await.unwrap();
    let span = Span {
        first: -100_000 * DAY,
        last: 100_000 * DAY,
    };
    let rehearsed = rehearse(&transaction, &rule, &areas, span, 7 * DAY).await.unwrap();
    let Rehearsed::Done(events) = rehearsed else {
        panic!("there are six readings");
    };
    let seconds: Vec<i64> = events
        .iter()
        .map(|(_, firing)| (firing.moment - START) / 1_000_000)
        .collect();
    assert_eq!(seconds, [1, year + 1, 3 * year + 1]);
}
