//! Cursors: what is written between two pages, and questions that they do not belong to.

use super::*;
use axum::http::StatusCode;
use std::collections::BTreeSet;

#[tokio::test]
async fn what_was_there_throughout_is_told_once() {
    for order in ["asc", "desc"] {
        let (api, held) = (Api::start().await, held());
        store(&api, &held).await;
        let mut next = random();
        let mut told: Vec<Held> = Vec::new();
        let mut cursor = String::new();
        // Values say what was there: those of later readings are 5,000.
        for page in 0.. {
            let answer = api.ok(&format!("/api/readings?limit=17&order={order}{cursor}")).await;
            told.extend(read(&answer["readings"]));
            let Some(token) = answer["nextCursor"].as_str() else {
                break;
            };
            cursor = format!("&cursor={token}");
            // Before and behind the page's end, at its very moment, of new series as well.
            let end = told.last().unwrap().0;
            let other = held[next(u64::try_from(held.len()).unwrap())].0;
            for moment in BTreeSet::from([end, end - 1, end + 1, other]) {
                let moment = time::exact(moment);
                for sensor in ["A", "fuel:late", "z"] {
                    api.add(&[("lada", &format!("{sensor}{page}"), &moment, 5000.0)]).await;
                }
            }
        }
        let mut sorted = told.clone();
        sorted.sort_by(|one, other| identity(one).cmp(&identity(other)));
        sorted.dedup_by(|one, other| identity(one) == identity(other));
        let mut expected = held.clone();
        if order == "desc" {
            sorted.reverse();
            expected.reverse();
        }
        assert_eq!(told, sorted, "{order}: in order, each once");
        told.retain(|held| held.3 < 5000.0);
        assert_eq!(told, expected, "{order}");
    }
}

#[tokio::test]
async fn a_cursor_belongs_to_its_question() {
    let (api, held) = (Api::start().await, held());
    store(&api, &held).await;
    let question = "device=lada&device=Lada&sensor=fuel&sensor=speed&from=2021-01-01&limit=5";
    let page = api.ok(&format!("/api/readings?{question}")).await;
    let cursor = page["nextCursor"].as_str().unwrap();
    let second = |question: &str| format!("/api/readings?{question}&cursor={cursor}");
    let expected = api.ok(&second(question)).await;
    // The same question in other words.
    for same in [
        "sensor=speed&sensor=fuel&device=Lada&device=lada&from=2021-01-01&limit=5",
        "device=lada&device=Lada&sensor=fuel&sensor=speed&from=2021-01-01&limit=5&tz=UTC&order=asc&format=json",
    ] {
        assert_eq!(api.ok(&second(same)).await, expected, "{same}");
    }
    // The limit may change.
    let longer = api.ok(&second(&question.replace("limit=5", "limit=9"))).await;
    assert_eq!(read(&longer["readings"])[..5], read(&expected["readings"]));
    assert_eq!(longer["readings"].as_array().unwrap().len(), 9);
    for other in [
        "limit=5".to_owned(),
        question.replace("device=lada&", ""),
        question.replace("sensor=speed", "sensor=Speed"),
        question.replace("2021-01-01", "2021-01-02"),
        question.replace("2021-01-01", "2021-01-01T00:00:00Z"),
        format!("{question}&to=2022-01-01"),
        format!("{question}&tz=Europe/Berlin"),
        format!("{question}&order=desc"),
    ] {
        let (status, problem) = api.get(&second(&other)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{other}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.starts_with("cursor: it belongs to another question"), "{detail}");
    }
    let (status, _) = api
        .get(&format!("/api/readings?{question}&cursor={}", &cursor[1..]))
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}
