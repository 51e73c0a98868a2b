//! What is wrong with a subscription that is judged all the same, while it is and once it no longer is: an area that is
//! not there, a target that must not be reached.

use super::{LATITUDE, LONGITUDE, Setting, event};
use uuid::Uuid;

const HOME: &str = r#"INSERT INTO area VALUES ('home',
    '{"type":"Polygon","coordinates":[[[13.5,44.5],[14.5,44.5],[14.5,45.5],[13.5,45.5],[13.5,44.5]]]}')"#;

impl Setting {
    /// Ticks until the subscription has this problem.
    async fn until_problem(&mut self, id: Uuid, expected: Option<&str>) {
        loop {
            self.settle().await;
            let problem = "SELECT problem FROM subscription WHERE id = $1";
            let row = self.client.query_one(problem, &[&id]).await.unwrap();
            if row.get::<_, Option<&str>>(0) == expected {
                return;
            }
        }
    }

    async fn place(&mut self, second: i64, latitude: f64) {
        let readings = [("lada", LATITUDE, second, latitude), ("lada", LONGITUDE, second, 14.0)];
        self.store(&readings).await;
        self.settle().await;
    }
}

#[tokio::test]
async fn a_missing_area_is_a_problem_until_it_is_set() {
    let mut setting = Setting::start().await;
    let id = setting.subscribe("filter, fire", r#"'inside("home")', 'both'"#).await;
    let missing = Some("there is no area home: set it, or name another one");
    setting.until_problem(id, missing).await;
    setting.place(0, 45.0).await;
    assert_eq!(setting.noticed(id).await, []);

    setting.client.batch_execute(HOME).await.unwrap();
    setting.until_problem(id, None).await;
    setting.place(60, 46.0).await;
    setting.place(120, 45.0).await;
    assert_eq!(setting.noticed(id).await.last(), Some(&event("rise", "lada", 120)));

    setting.client.batch_execute("DELETE FROM area").await.unwrap();
    setting.until_problem(id, missing).await;
    setting.client.batch_execute(HOME).await.unwrap();
    setting.until_problem(id, None).await;
    setting.place(180, 46.0).await;
    assert_eq!(setting.noticed(id).await.last(), Some(&event("fall", "lada", 180)));
}

#[tokio::test]
async fn a_target_by_sql_that_must_not_be_reached_is_a_problem() {
    let mut setting = Setting::start().await;
    let id = setting.subscribe("filter", "'speed > 120'").await;
    for (target, expected) in [
        ("http://hooks.example.com", Some("the URL is not https")),
        ("https://10.0.0.1/", Some("the address 10.0.0.1 is not public")),
        ("ftp://x", Some("the URL is not https")),
        ("https://hooks.example.com", None),
    ] {
        let update = "UPDATE subscription SET target_url = $2 WHERE id = $1";
        setting.client.execute(update, &[&id, &target]).await.unwrap();
        let select = "SELECT problem FROM subscription WHERE id = $1";
        loop {
            setting.settle().await;
            let row = setting.client.query_one(select, &[&id]).await.unwrap();
            let problem = row.get::<_, Option<String>>(0);
            if match (&problem, expected) {
                (Some(problem), Some(expected)) => problem.contains(expected),
                (problem, expected) => problem.is_some() == expected.is_some(),
            } {
                break;
            }
        }
    }
}

/// A row that only SQL can write keeps no other from being read.
#[tokio::test]
async fn one_row_stops_no_other() {
    let mut setting = Setting::start().await;
    let id = setting.subscribe("filter", "'speed > 120'").await;
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(1000), "]".repeat(1000));
    let odd = format!(
        "INSERT INTO subscription (target_url, filter, hold, every, timeout, previous_until, headers, rate, retries)
         VALUES ('https://hooks.example.com', 'speed > 0', '300000 years', '-300000 years', '-1 s', 'infinity', '{deep}',
            'infinity', '{{300000 years}}')"
    );
    setting.client.execute(&odd, &[]).await.unwrap();
    let holes = "INSERT INTO subscription (target_url, filter, rate, retries)
        VALUES ('https://hooks.example.com', 'speed > 0', 1e-12, '{0 s, NULL}')";
    setting.client.execute(holes, &[]).await.unwrap();
    let area = format!("INSERT INTO area VALUES ('odd', '{deep}')");
    setting.client.execute(&area, &[]).await.unwrap();
    let replay = "INSERT INTO replay (subscription, since, until, mode) VALUES ($1, '-infinity', 'infinity', 'all')";
    setting.client.execute(replay, &[&id]).await.unwrap();
    setting.evaluator.looked = None;
    setting.store(&[("lada", "speed", 1, 130.0)]).await;
    setting.settle().await;
    assert_eq!(setting.noticed(id).await, [event("rise", "lada", 1)]);
}
