//! Pages that are read while others post, edit and delete: what is there throughout comes exactly once, nothing comes
//! twice, and at the end pages and trends equal a recount.

use super::Setting;
use crate::{Buckets, Entry, Fill, Filter, Id, Reader};
use ::postgres::Database;
use axum::http::Method;
use futures_util::future::join_all;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use service::Service;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::time::Duration;

/// The first moment, 2026-09-01 in milliseconds, and the last one after it.
const START: i64 = 1_788_220_800_000;
const SPAN: i64 = 4 * 3_600_000;

/// A moment that many entries share.
const SHARED: i64 = SPAN / 2;

const USERS: [&str; 3] = ["anna", "bob", "Žižek"];
const DEVICES: [&str; 2] = ["lada", "niva"];
const TAGS: [&str; 3] = ["cres", "road", "zadar"];

/// What an entry says, as filters see it.
#[derive(Clone, Debug)]
struct Said {
    at: i64,
    user: usize,
    device: Option<usize>,
    tags: Vec<usize>,
    is_ferry: bool,
}

#[derive(Clone, Debug)]
enum Step {
    Post(Said),
    Edit { of: usize, to: Said },
    Delete { of: usize },
}

/// An entry as the model has it.
#[derive(Clone, Debug)]
struct Known {
    id: Id,
    said: Said,
    is_deleted: bool,
}

/// What is there throughout; and of each user, what is there at first, and what is done.
#[derive(Clone, Debug)]
struct Case {
    lasting: Vec<Said>,
    writers: Vec<(Vec<Said>, Vec<Step>)>,
}

fn said() -> impl Strategy<Value = Said> {
    let at = prop_oneof![4 => 0..SPAN, 1 => Just(SHARED)];
    let device = prop::option::of(0..DEVICES.len());
    let tags = prop::collection::vec(0..TAGS.len(), 0..4);
    (at, 0..USERS.len(), device, tags, any::<bool>()).prop_map(|(at, user, device, tags, is_ferry)| Said {
        at: START + at,
        user,
        device,
        tags,
        is_ferry,
    })
}

fn case() -> impl Strategy<Value = Case> {
    let step = prop_oneof![
        3 => said().prop_map(Step::Post),
        3 => (0..1000_usize, said()).prop_map(|(of, to)| Step::Edit { of, to }),
        2 => (0..1000_usize).prop_map(|of| Step::Delete { of }),
    ];
    let writer = (
        prop::collection::vec(said(), 4..10),
        prop::collection::vec(step, 20..40),
    );
    let lasting = prop::collection::vec(said(), 30..50);
    let writers = prop::collection::vec(writer, USERS.len());
    (lasting, writers).prop_map(|(lasting, writers)| Case { lasting, writers })
}

impl Said {
    /// What a page says of an entry.
    fn of(entry: &Entry) -> Self {
        let place = |all: &[&str], name: &str| all.iter().position(|known| *known == name).unwrap();
        Self {
            at: entry.id.moment(),
            user: place(&USERS, &entry.author),
            device: entry.device.as_deref().map(|device| place(&DEVICES, device)),
            tags: entry.hashtags.iter().map(|tag| place(&TAGS, tag)).collect(),
            is_ferry: entry.text.starts_with("ferry"),
        }
    }

    /// The body of an edit.
    fn body(&self) -> Value {
        let tags: Vec<String> = self.tags.iter().map(|tag| format!("#{}", TAGS[*tag])).collect();
        let text = format!("{} {}", if self.is_ferry { "ferry" } else { "drive" }, tags.join(" "));
        json!({"text": text, "device": self.device.map(|device| DEVICES[device])})
    }

    fn fits(&self, filter: &Filter) -> bool {
        let has = |name: &String| self.tags.iter().any(|tag| TAGS[*tag] == name);
        let device = self.device.map(|device| DEVICES[device]);
        let is_one = |names: &[String], name: Option<&str>| {
            names.is_empty() || names.iter().any(|known| Some(known.as_str()) == name)
        };
        filter.since.is_none_or(|since| self.at >= since)
            && filter.before.is_none_or(|before| self.at < before)
            && is_one(&filter.authors, Some(USERS[self.user]))
            && is_one(&filter.devices, device)
            && filter.all.iter().all(has)
            && (filter.any.is_empty() || filter.any.iter().any(has))
            && (filter.words.is_none() || self.is_ferry)
    }
}

/// Every kind of filter, and some together.
fn filters() -> Vec<Filter> {
    let names = |names: &[&str]| -> Vec<String> { names.iter().map(|name| (*name).to_owned()).collect() };
    let none = Filter::default;
    let ferry = Some("ferry".to_owned());
    let all = [
        none(),
        Filter {
            since: Some(START + SPAN / 4),
            before: Some(START + SHARED + 1),
            ..none()
        },
        Filter {
            since: Some(START + SHARED),
            before: Some(START + SHARED + 1),
            ..none()
        },
        Filter {
            authors: names(&["anna"]),
            ..none()
        },
        Filter {
            authors: names(&["anna", "Žižek", "nobody"]),
            ..none()
        },
        Filter {
            devices: names(&["lada"]),
            ..none()
        },
        Filter {
            devices: names(&["lada", "niva"]),
            authors: names(&["bob"]),
            ..none()
        },
        Filter {
            all: names(&["cres"]),
            ..none()
        },
        Filter {
            all: names(&["cres", "road"]),
            ..none()
        },
        Filter {
            all: names(&["road"]),
            authors: names(&["anna", "bob"]),
            ..none()
        },
        Filter {
            all: names(&["zadar"]),
            devices: names(&["niva"]),
            ..none()
        },
        Filter {
            any: names(&["cres", "zadar"]),
            ..none()
        },
        Filter {
            any: names(&["cres", "zadar"]),
            authors: names(&["Žižek"]),
            ..none()
        },
        Filter {
            all: names(&["road"]),
            any: names(&["cres", "zadar"]),
            ..none()
        },
        Filter {
            words: ferry.clone(),
            ..none()
        },
        Filter {
            words: ferry.clone(),
            authors: names(&["anna"]),
            ..none()
        },
        Filter {
            words: ferry.clone(),
            devices: names(&["lada"]),
            since: Some(START + SPAN / 4),
            ..none()
        },
        Filter {
            words: ferry.clone(),
            authors: names(&["bob"]),
            all: names(&["road"]),
            ..none()
        },
        Filter {
            words: ferry.clone(),
            all: names(&["cres", "road"]),
            ..none()
        },
        Filter {
            since: Some(START),
            before: Some(START + SHARED + 1),
            authors: names(&["anna", "bob"]),
            devices: names(&["lada", "niva"]),
            all: names(&["cres"]),
            any: names(&["cres", "road"]),
            words: ferry,
        },
    ];
    all.into_iter().map(|filter| filter.checked().unwrap()).collect()
}

/// All pages of so many entries, one after the other.
async fn list(reader: &Reader, filter: &Filter, limit: usize) -> Vec<Entry> {
    let (mut found, mut cursor) = (Vec::new(), None);
    loop {
        let page = reader.page(filter, cursor, limit).await.unwrap();
        assert!(page.entries.len() <= limit);
        found.extend(page.entries);
        match page.next {
            Some(next) => cursor = Some(next),
            None => return found,
        }
    }
}

async fn post(setting: &Setting, user: usize, said: &Said) -> Known {
    let mut body = said.body();
    body["created_at"] = said.at.into();
    let (status, id) = setting.post(USERS[user], None, &body).await;
    assert_eq!(status, 201, "{body}");
    Known {
        id: id.parse().unwrap(),
        said: Said { user, ..said.clone() },
        is_deleted: false,
    }
}

/// One user, who changes what is their own.
async fn write(setting: &Setting, user: usize, mut known: Vec<Known>, steps: &[Step]) -> Vec<Known> {
    for step in steps {
        let count = known.len();
        match step {
            Step::Post(said) => known.push(post(setting, user, said).await),
            Step::Edit { of, to } => {
                let entry = &mut known[of % count];
                let id = entry.id.to_string();
                let (status, answer) = setting.change(Method::PATCH, USERS[user], &id, None, &to.body()).await;
                assert_eq!(status, if entry.is_deleted { 410 } else { 200 }, "{answer}");
                let at = entry.said.at;
                entry.said = Said { at, user, ..to.clone() };
            }
            Step::Delete { of } => {
                let entry = &mut known[of % count];
                let id = entry.id.to_string();
                let (status, answer) = setting.change(Method::DELETE, USERS[user], &id, None, &json!({})).await;
                assert_eq!(status, if entry.is_deleted { 410 } else { 204 }, "{answer}");
                entry.is_deleted = true;
            }
        }
    }
    known
}

/// Lists by all filters, again until a whole round began after `is_done`.
async fn read(reader: &Reader, lasting: &[Known], first: usize, is_done: &Cell<bool>) {
    for round in first.. {
        let is_last = is_done.get();
        for (at, filter) in filters().iter().enumerate() {
            let limit = 2 + (at + round) % 9;
            let found = list(reader, filter, limit).await;
            for pair in found.windows(2) {
                assert!(
                    pair[0].id > pair[1].id,
                    "twice, or out of order: {pair:?} of {filter:?}"
                );
            }
            for entry in &found {
                assert!(Said::of(entry).fits(filter), "{entry:?} of {filter:?}");
            }
            let found: BTreeSet<Id> = found.iter().map(|entry| entry.id).collect();
            for known in lasting.iter().filter(|known| known.said.fits(filter)) {
                assert!(
                    found.contains(&known.id),
                    "{known:?} is missing of {filter:?}, {limit} a page"
                );
            }
        }
        if is_last {
            return;
        }
    }
}

/// Pages and trends once nothing changes any more.
async fn recount(reader: &Reader, there: &[&Known]) {
    for filter in filters() {
        let mut expected: Vec<Id> = there
            .iter()
            .filter(|known| known.said.fits(&filter))
            .map(|known| known.id)
            .collect();
        expected.sort_unstable_by(|one, other| other.cmp(one));
        let found = list(reader, &filter, 7).await;
        let found: Vec<Id> = found.iter().map(|entry| entry.id).collect();
        assert_eq!(found, expected, "{filter:?}");
    }
    let buckets = Buckets::new(START, START + SPAN, 10).unwrap();
    for tags in [&[][..], &["cres"], &["road", "zadar"]] {
        let filter = Filter {
            all: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            ..Filter::default()
        };
        let counts = reader.trend(&filter, buckets, Fill::Zero).await.unwrap();
        for (from, to, count) in counts {
            let is_in = |known: &&&Known| (from..to).contains(&known.said.at) && known.said.fits(&filter);
            let expected = there.iter().filter(is_in).count();
            assert_eq!(usize::try_from(count), Ok(expected), "{tags:?} from {from}");
        }
    }
}

#[tokio::test]
async fn pages_miss_and_repeat_nothing_while_others_write() {
    let mut runner = TestRunner::deterministic();
    for _ in 0..4 {
        let case = case().new_tree(&mut runner).unwrap().current();
        let setting = Setting::start().await;
        let service = Service::new("test", Duration::from_secs(25));
        let reader = Reader::new(Database::new(setting.pool.clone(), service));
        let mut lasting = Vec::new();
        for said in &case.lasting {
            lasting.push(post(&setting, said.user, said).await);
        }
        let mut writers = Vec::new();
        for (user, (first, steps)) in case.writers.iter().enumerate() {
            let mut known = Vec::new();
            for said in first {
                known.push(post(&setting, user, said).await);
            }
            writers.push((user, known, steps));
        }
        let is_done = Cell::new(false);
        let writing = async {
            let writers = writers
                .into_iter()
                .map(|(user, known, steps)| write(&setting, user, known, steps));
            let known = join_all(writers).await;
            is_done.set(true);
            known
        };
        let reading = join_all((0..2).map(|first| read(&reader, &lasting, first, &is_done)));
        let (known, _) = tokio::join!(writing, reading);
        let all = lasting.iter().chain(known.iter().flatten());
        let there: Vec<&Known> = all.filter(|known| !known.is_deleted).collect();
        recount(&reader, &there).await;
    }
}
