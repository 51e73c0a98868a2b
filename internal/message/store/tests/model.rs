//! Random histories beside a map: four servers, conflicts, deletes, epochs, and time that passes.

use super::*;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::collections::BTreeMap;

/// Names are few, so that they meet.
const NAMES: usize = 12;

/// What happens.
#[derive(Clone, Debug)]
enum Step {
    /// A server takes a batch of messages (id, source, text).
    Put(usize, Vec<(usize, usize, usize)>),
    Get(usize, Vec<usize>),
    Delete(usize, Vec<usize>),
    Roll(usize),
    Clean(usize),
    /// So many hours pass.
    Pass(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let server = 0..4_usize;
    let ids = || proptest::collection::vec(0..NAMES, 0..6);
    let batch = proptest::collection::vec((0..NAMES, 0..2_usize, 0..2_usize), 0..6);
    prop_oneof![
        6 => (server.clone(), batch).prop_map(|(server, batch)| Step::Put(server, batch)),
        4 => (server.clone(), ids()).prop_map(|(server, ids)| Step::Get(server, ids)),
        2 => (server.clone(), ids()).prop_map(|(server, ids)| Step::Delete(server, ids)),
        1 => server.clone().prop_map(Step::Roll),
        1 => server.prop_map(Step::Clean),
        2 => (1..60_i64).prop_map(Step::Pass),
    ]
}

/// Messages by id and source: the text, and the hour of arrival.
#[derive(Debug, Default)]
struct Model {
    there: BTreeMap<(usize, usize), (usize, i64)>,
    hour: i64,
}

impl Model {
    fn expire(&mut self) {
        let hour = self.hour;
        self.there.retain(|_, (_, arrived)| hour - *arrived < 7 * 24);
    }

    fn put(&mut self, batch: &[(usize, usize, usize)]) -> Verdict {
        let mut after = self.there.clone();
        let mut conflicts = Vec::new();
        for (at, (id, source, text)) in batch.iter().enumerate() {
            let there = after.entry((*id, *source)).or_insert((*text, self.hour));
            if there.0 != *text {
                conflicts.push(Conflict(at));
            }
        }
        if conflicts.is_empty() {
            self.there = after;
            Ok(())
        } else {
            Err(conflicts)
        }
    }

    fn get(&self, ids: &[usize]) -> Vec<String> {
        let mut seen = Vec::new();
        for id in ids {
            if !seen.contains(id) {
                seen.push(*id);
            }
        }
        let of = |id| {
            self.there
                .range((id, 0)..(id, 2))
                .map(|(_, (text, _))| text.to_string())
        };
        seen.into_iter().flat_map(of).collect()
    }
}

fn names(ids: &[usize]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}

async fn replay(setting: &Setting, servers: &[Store], steps: &[Step]) {
    let mut model = Model::default();
    for (number, step) in steps.iter().enumerate() {
        let context = format!("step {number} of {steps:?}");
        match step {
            Step::Put(server, batch) => {
                let messages = batch
                    .iter()
                    .map(|(id, source, text)| event(&id.to_string(), &source.to_string(), &text.to_string()));
                let verdict = servers[*server]
                    .put(&[Arc::new(messages.collect())])
                    .await
                    .unwrap()
                    .remove(0);
                assert_eq!(verdict, model.put(batch), "{context}");
            }
            Step::Get(server, ids) => {
                let found = servers[*server].get(&names(ids), usize::MAX).await.unwrap();
                let Answer::Found(found) = found else {
                    panic!("{context}")
                };
                let found: Vec<String> = found.iter().map(|event| text(event)).collect();
                assert_eq!(found, model.get(ids), "{context}");
            }
            Step::Delete(server, ids) => {
                servers[*server].delete(&names(ids)).await.unwrap();
                model.there.retain(|(id, _), _| !ids.contains(id));
            }
            Step::Roll(server) => servers[*server]
                .roll(setting.epochs().await.last().copied())
                .await
                .unwrap(),
            Step::Clean(server) => drop(servers[*server].clean().await.unwrap()),
            Step::Pass(hours) => {
                setting.pass(&format!("{hours} hours")).await;
                model.hour += hours;
                model.expire();
            }
        }
    }
    let all: Vec<usize> = (0..NAMES).collect();
    for server in servers {
        let Answer::Found(found) = server.get(&names(&all), usize::MAX).await.unwrap() else {
            panic!("{steps:?}")
        };
        let found: Vec<String> = found.iter().map(|event| text(event)).collect();
        assert_eq!(found, model.get(&all), "{steps:?}");
    }
}

#[test]
fn a_store_is_as_a_map() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let setting = runtime.block_on(Setting::start());
    let servers: Vec<Store> = (0..4).map(|_| setting.another(WEEK)).collect();
    let mut runner = TestRunner::new(Config {
        cases: 40,
        failure_persistence: None,
        ..Config::default()
    });
    let steps = proptest::collection::vec(step(), 0..40);
    let run = runner.run(&steps, |steps| {
        runtime.block_on(async {
            let all: Vec<usize> = (0..NAMES).collect();
            servers[0].delete(&names(&all)).await.unwrap();
            replay(&setting, &servers, &steps).await;
        });
        Ok(())
    });
    run.unwrap();
}
