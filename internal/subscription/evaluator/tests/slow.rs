//! Filters that take too long.

use super::{Setting, event};
use std::time::Duration;

#[tokio::test]
async fn a_rule_whose_filter_is_too_slow_is_not_judged() {
    let mut setting = Setting::start().await;
    let id = setting.subscribe("filter", "'speed > 120'").await;
    let other = setting.subscribe("filter", "'speed > 121'").await;
    let slow = setting.evaluator.active.iter().find(|rule| rule.subscription.id == id);
    for _ in 0..1000 {
        slow.unwrap().cost.add(Duration::from_millis(1));
    }
    for (second, value) in [(1, 100.0), (2, 130.0), (3, 100.0), (4, 130.0)] {
        setting.store(&[("lada", "speed", second, value)]).await;
        setting.settle().await;
    }
    assert_eq!(setting.noticed(id).await, []);
    assert_eq!(setting.noticed(other).await.len(), 2);
    let problem = "SELECT problem FROM subscription WHERE id = $1";
    let row = setting.client.query_one(problem, &[&id]).await.unwrap();
    assert!(row.get::<_, &str>(0).contains("50 microseconds"));
    // An edit gives it another chance.
    let edit = "UPDATE subscription SET filter = 'speed > 125' WHERE id = $1";
    setting.client.execute(edit, &[&id]).await.unwrap();
    let in_force = "SELECT FROM subscription WHERE id = $1 AND in_force = rule AND problem IS NULL";
    while setting.client.query_opt(in_force, &[&id]).await.unwrap().is_none() {
        setting.settle().await;
    }
    setting
        .store(&[("lada", "speed", 5, 100.0), ("lada", "speed", 6, 130.0)])
        .await;
    setting.settle().await;
    assert_eq!(setting.noticed(id).await, [event("rise", "lada", 6)]);
}
