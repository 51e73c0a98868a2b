//! Random calls at once, through the gatherers of two servers, beside a map: what the calls say, and what is there
//! afterwards, is explained by an order of the calls.
//!
//! Each identity has its own order. A delete waits for no put: of two identities of one put, it may find one, which was
//! there before, and miss the other, which comes a moment later.

use super::*;
use crate::gather::Gatherer;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::collections::{BTreeMap, BTreeSet};
use tokio::sync::Barrier;
use tokio_util::sync::CancellationToken;

/// Identities are few, so that they meet.
const IDS: usize = 4;
const SOURCES: usize = 2;

const SERVERS: usize = 2;

/// Hours of a week.
const KEPT: i64 = 7 * 24;

/// An id and a source.
type Identity = (usize, usize);

/// What an identity has: a text, and the hour of its arrival.
type There = Option<(usize, i64)>;

/// Calls at once, each to a server; then so many hours pass.
type Round = (Vec<(usize, Call)>, i64);

#[derive(Clone, Debug)]
enum Call {
    /// Messages: id, source, text.
    Put(Vec<(usize, usize, usize)>),
    Get(Vec<usize>),
    Delete(Vec<usize>),
    Roll,
    Clean,
}

/// What a call answered.
#[derive(Debug)]
enum Said {
    Judged(Verdict),
    Found(BTreeMap<Identity, usize>),
    Done,
}

/// What an answer says of one identity.
#[derive(Clone, Debug)]
enum Fact {
    /// Texts of a put, in their order, and whether each was in conflict.
    Put {
        texts: Vec<(usize, bool)>,
        stored: bool,
    },
    Found(Option<usize>),
    Deleted,
}

#[derive(Clone)]
struct Server {
    store: Store,
    gatherer: Gatherer,
}

fn call() -> impl Strategy<Value = Call> {
    let ids = || proptest::collection::vec(0..IDS, 1..4);
    let batch = proptest::collection::vec((0..IDS, 0..SOURCES, 0..2_usize), 1..5);
    prop_oneof![
        8 => batch.prop_map(Call::Put),
        3 => ids().prop_map(Call::Get),
        3 => ids().prop_map(Call::Delete),
        1 => Just(Call::Roll),
        1 => Just(Call::Clean),
    ]
}

fn rounds() -> impl Strategy<Value = Vec<Round>> {
    let calls = proptest::collection::vec((0..SERVERS, call()), 2..=6);
    proptest::collection::vec((calls, 0..60_i64), 0..8)
}

impl Server {
    async fn answer(self, call: Call) -> Said {
        match call {
            Call::Put(batch) => {
                let messages = batch
                    .iter()
                    .map(|(id, source, text)| event(&id.to_string(), &source.to_string(), &text.to_string()));
                return Said::Judged(self.gatherer.put(messages.collect()).await.unwrap());
            }
            Call::Get(ids) => return Said::Found(found(&self.store, &ids).await),
            Call::Delete(ids) => self.store.delete(&names(&ids)).await.unwrap(),
            Call::Roll => {
                let select = "SELECT max(number) FROM epoch WHERE closed IS NULL";
                let client = self.store.pool.get().await.unwrap();
                let open: Option<i32> = client.query_one(select, &[]).await.unwrap().get(0);
                drop(client);
                self.store.roll(open).await.unwrap();
            }
            Call::Clean => drop(self.store.clean().await.unwrap()),
        }
        Said::Done
    }
}

impl Fact {
    /// Whether it may be so where this is there.
    fn allows(&self, there: There) -> bool {
        match self {
            Self::Put { texts, .. } => {
                let first = there.map_or(texts[0].0, |(text, _)| text);
                texts.iter().all(|(text, conflicts)| (*text != first) == *conflicts)
            }
            Self::Found(text) => *text == there.map(|(text, _)| text),
            Self::Deleted => true,
        }
    }

    /// What is there afterwards.
    fn after(&self, there: There, hour: i64) -> There {
        match self {
            Self::Put { texts, stored: true } => there.or(Some((texts[0].0, hour))),
            Self::Put { .. } | Self::Found(_) => there,
            Self::Deleted => None,
        }
    }
}

fn names(ids: &[usize]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}

async fn found(store: &Store, ids: &[usize]) -> BTreeMap<Identity, usize> {
    let Answer::Found(events) = store.get(&names(ids), usize::MAX).await.unwrap() else {
        panic!("nothing is too large");
    };
    let number = |name: &str| name.parse::<usize>().unwrap();
    let mut found = BTreeMap::new();
    for event in events {
        let decoded = CloudEvent::decode(&*event).unwrap();
        let identity = (number(&decoded.id), number(&decoded.source));
        let twice = found.insert(identity, number(&text(&event)));
        assert_eq!(twice, None, "{identity:?} is there twice");
    }
    found
}

fn facts_of(call: &Call, said: &Said) -> Vec<(Identity, Fact)> {
    let of_ids = |ids: &[usize], fact: &dyn Fn(Identity) -> Fact| -> Vec<(Identity, Fact)> {
        let ids: BTreeSet<usize> = ids.iter().copied().collect();
        let identities = ids
            .into_iter()
            .flat_map(|id| (0..SOURCES).map(move |source| (id, source)));
        identities.map(|identity| (identity, fact(identity))).collect()
    };
    match (call, said) {
        (Call::Put(batch), Said::Judged(verdict)) => {
            assert_ne!(*verdict, Err(Vec::new()), "a refusal names its conflicts");
            let mut judged: BTreeMap<Identity, Vec<(usize, bool)>> = BTreeMap::new();
            for (at, (id, source, text)) in batch.iter().enumerate() {
                let conflicts = verdict.as_ref().is_err_and(|named| named.contains(&Conflict(at)));
                judged.entry((*id, *source)).or_default().push((*text, conflicts));
            }
            let stored = verdict.is_ok();
            let fact = |(identity, texts)| (identity, Fact::Put { texts, stored });
            judged.into_iter().map(fact).collect()
        }
        (Call::Get(ids), Said::Found(found)) => of_ids(ids, &|identity| Fact::Found(found.get(&identity).copied())),
        (Call::Delete(ids), _) => of_ids(ids, &|_| Fact::Deleted),
        _ => Vec::new(),
    }
}

/// What may be there after these facts, in every order that allows them.
fn ends(there: There, facts: &[Fact], hour: i64, into: &mut BTreeSet<There>) {
    if facts.is_empty() {
        into.insert(there);
    }
    for (at, fact) in facts.iter().enumerate() {
        if fact.allows(there) {
            let mut left = facts.to_vec();
            left.remove(at);
            ends(fact.after(there, hour), &left, hour, into);
        }
    }
}

async fn replay(setting: &Setting, servers: &[Server], rounds: &[Round]) {
    let all: Vec<usize> = (0..IDS).collect();
    let identities = (0..IDS).flat_map(|id| (0..SOURCES).map(move |source| (id, source)));
    let mut there: BTreeMap<Identity, BTreeSet<There>> =
        identities.map(|identity| (identity, BTreeSet::from([None]))).collect();
    let mut hour = 0;
    for (calls, hours) in rounds {
        let start = Arc::new(Barrier::new(calls.len()));
        let answering = calls.iter().map(|(server, call)| {
            let (server, call, start) = (servers[*server].clone(), call.clone(), start.clone());
            tokio::spawn(async move {
                start.wait().await;
                server.answer(call).await
            })
        });
        let said: Vec<Said> = join_all(answering).await.into_iter().map(Result::unwrap).collect();
        let mut facts: BTreeMap<Identity, Vec<Fact>> = BTreeMap::new();
        for ((_, call), said) in calls.iter().zip(&said) {
            for (identity, fact) in facts_of(call, said) {
                facts.entry(identity).or_default().push(fact);
            }
        }
        let now = found(&servers[0].store, &all).await;
        for (identity, before) in &mut there {
            let facts = facts.remove(identity).unwrap_or_default();
            let mut after = BTreeSet::new();
            for one in before.iter() {
                ends(*one, &facts, hour, &mut after);
            }
            let has = now.get(identity).copied();
            after.retain(|one| one.map(|(text, _)| text) == has);
            assert!(
                !after.is_empty(),
                "{identity:?} was {before:?} and has {has:?}; no order explains {facts:?}, of {calls:?} and {said:?}"
            );
            *before = after;
        }
        setting.pass(&format!("{hours} hours")).await;
        hour += hours;
        for possible in there.values_mut() {
            let expired = |one: &There| one.filter(|(_, arrived)| hour - arrived < KEPT);
            *possible = possible.iter().map(expired).collect();
        }
    }
}

#[test]
fn calls_at_once_have_an_order() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .unwrap();
    let setting = runtime.block_on(Setting::start());
    let server = |_| {
        let store = setting.another(WEEK);
        let (gatherer, gathering) = Gatherer::new(store.clone(), CancellationToken::new());
        (Server { store, gatherer }, runtime.spawn(gathering))
    };
    let (servers, gathering): (Vec<Server>, Vec<_>) = (0..SERVERS).map(server).unzip();
    let mut runner = TestRunner::new(Config {
        cases: 40,
        max_shrink_iters: 100,
        failure_persistence: None,
        ..Config::default()
    });
    let run = runner.run(&rounds(), |rounds| {
        runtime.block_on(async {
            let all: Vec<usize> = (0..IDS).collect();
            servers[0].store.delete(&names(&all)).await.unwrap();
            replay(&setting, &servers, &rounds).await;
        });
        Ok(())
    });
    run.unwrap();
    // Their work ends with the last of them.
    drop(servers);
    for ended in runtime.block_on(join_all(gathering)) {
        ended.unwrap();
    }
}
