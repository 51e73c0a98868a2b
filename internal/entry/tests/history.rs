//! Random histories of posts, edits and deletes agree with plain Rust: pages and trends.

use super::Setting;
use axum::http::Method;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The first moment, 2026-09-01 in milliseconds, and the last one after it.
const START: i64 = 1_788_220_800_000;
const SPAN: i64 = 4 * 3_600_000;

const USERS: [&str; 3] = ["anna", "bob", "Žižek"];
const TAGS: [&str; 4] = ["cres", "Help", "road", "zadar"];

#[derive(Clone, Debug)]
enum Step {
    Post {
        user: usize,
        at: i64,
        tags: Vec<usize>,
        key: Option<u8>,
    },
    Edit {
        of: usize,
        tags: Vec<usize>,
    },
    Delete {
        of: usize,
    },
}

/// An entry as the model has it.
#[derive(Clone, Debug)]
struct Known {
    id: String,
    user: usize,
    at: i64,
    tags: BTreeSet<usize>,
    key: Option<u8>,
    body: Value,
    is_deleted: bool,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let tags = || prop::collection::vec(0..TAGS.len(), 0..3);
    let step = prop_oneof![
        6 => (0..USERS.len(), 0..SPAN, tags(), prop::option::weighted(0.4, 0..6_u8))
            .prop_map(|(user, at, tags, key)| Step::Post { user, at: START + at, tags, key }),
        2 => (0..100_usize, tags()).prop_map(|(of, tags)| Step::Edit { of, tags }),
        1 => (0..100_usize).prop_map(|of| Step::Delete { of }),
    ];
    prop::collection::vec(step, 1..60)
}

fn text(tags: &[usize]) -> String {
    let tags: Vec<String> = tags.iter().map(|tag| format!("#{}", TAGS[*tag])).collect();
    format!("on the way {}", tags.join(" "))
}

#[tokio::test]
async fn pages_and_trends_are_those_of_plain_rust() {
    let mut runner = TestRunner::deterministic();
    for case in 0..12 {
        let setting = Setting::start().await;
        let steps = steps().new_tree(&mut runner).unwrap().current();
        let mut known: Vec<Known> = Vec::new();
        for step in &steps {
            take(&setting, &mut known, step).await;
        }
        let there: Vec<&Known> = known.iter().filter(|entry| !entry.is_deleted).collect();
        for (user, tags) in [
            (None, vec![]),
            (Some(0), vec![]),
            (None, vec![1]),
            (Some(2), vec![0]),
            (None, vec![0, 2]),
        ] {
            pages(&setting, &there, user, &tags).await;
        }
        for tag in [None, Some(1)] {
            trend(&setting, &there, tag).await;
        }
        let told: BTreeSet<String> = setting.told().await.into_iter().collect();
        assert!(
            known
                .iter()
                .all(|entry| told.contains(&format!("{}-created", entry.id))),
            "case {case}"
        );
    }
}

async fn take(setting: &Setting, known: &mut Vec<Known>, step: &Step) {
    match step {
        Step::Post { user, at, tags, key } => {
            let body = json!({"text": text(tags), "created_at": at});
            let name = key.map(|key| format!("key-{key}"));
            let (status, id) = setting.post(USERS[*user], name.as_deref(), &body).await;
            let before = known
                .iter()
                .find(|entry| key.is_some() && entry.key == *key && entry.user == *user);
            let expected = match before {
                None => 201,
                Some(before) if before.body != body => 409,
                Some(before) if before.is_deleted => 410,
                Some(before) => {
                    assert_eq!(before.id, id);
                    200
                }
            };
            assert_eq!(status, expected, "{step:?}");
            if status == 201 {
                known.push(Known {
                    id,
                    user: *user,
                    at: *at,
                    tags: tags.iter().copied().collect(),
                    key: *key,
                    body,
                    is_deleted: false,
                });
            }
        }
        Step::Edit { of, tags } => {
            let count = known.len().max(1);
            let Some(entry) = known.get_mut(of % count) else { return };
            let body = json!({"text": text(tags)});
            let (status, _) = setting
                .change(Method::PATCH, USERS[entry.user], &entry.id, None, &body)
                .await;
            assert_eq!(status, if entry.is_deleted { 410 } else { 200 });
            entry.tags = tags.iter().copied().collect();
        }
        Step::Delete { of } => {
            let count = known.len().max(1);
            let Some(entry) = known.get_mut(of % count) else { return };
            let (status, _) = setting
                .change(Method::DELETE, USERS[entry.user], &entry.id, None, &json!({}))
                .await;
            assert_eq!(status, if entry.is_deleted { 410 } else { 204 });
            entry.is_deleted = true;
        }
    }
}

/// Pages of three entries: all of them once, in order.
async fn pages(setting: &Setting, there: &[&Known], user: Option<usize>, tags: &[usize]) {
    let mut expected: Vec<&str> = there
        .iter()
        .filter(|entry| user.is_none_or(|user| user == entry.user))
        .filter(|entry| tags.iter().all(|tag| entry.tags.contains(tag)))
        .map(|entry| &*entry.id)
        .collect();
    expected.sort_unstable_by(|one, other| other.cmp(one));
    let mut asked: String = tags.iter().map(|tag| format!("&hashtag={}", TAGS[*tag])).collect();
    if let Some(user) = user {
        asked += &format!("&user_name={}", USERS[user]);
    }
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = setting
            .get(
                &format!("/message?limit=3{asked}{cursor}")
                    .replace('Ž', "%C5%BD")
                    .replace('ž', "%C5%BE"),
            )
            .await;
        let all = page["messages"].as_array().cloned().unwrap_or_default();
        found.extend(all.iter().map(|one| one["id"].as_str().unwrap().to_owned()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(found, expected, "{asked}");
}

async fn trend(setting: &Setting, there: &[&Known], tag: Option<usize>) {
    let width = 600_000;
    let hashtag = tag.map(|tag| format!("&hashtag={}", TAGS[tag])).unwrap_or_default();
    let asked = format!(
        "/trend?aggregation=10m&fill=zero&from_date={START}&to_date={}{hashtag}",
        START + SPAN
    );
    let answer = setting.get(&asked).await;
    let counts: Vec<i64> = answer["trends"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one: &Value| one["count"].as_i64().unwrap())
        .collect();
    let expected: Vec<i64> = (0..SPAN / width)
        .map(|bucket| {
            let begin = START + bucket * width;
            let is_in = |entry: &&&Known| {
                (begin..begin + width).contains(&entry.at) && tag.is_none_or(|tag| entry.tags.contains(&tag))
            };
            i64::try_from(there.iter().filter(is_in).count()).unwrap()
        })
        .collect();
    assert_eq!(counts, expected, "{asked}");
}
