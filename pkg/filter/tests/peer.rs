//! Agreement with another implementation of CEL, on filters that are made up each time from the same seed.
//!
//! One process of cel-python (`scripts/install-peers.sh` installs it) evaluates all of them. Values are absent now and
//! then, so errors and the way in which `&&`, `||` and macros pass them over are compared, too. Left out is what both
//! are known to answer differently, of which `reference.rs` holds examples:
//!
//! - `comparison`: `==`, `!=` and `in` over numbers of different types, where cel-python fails;
//! - `types`: functions of texts over sums of texts, where cel-python fails;
//! - `text`: `string` of conditions and of doubles, which cel-python writes as Python does;
//! - a double divided by zero, which is infinite in cel-python for all signs, and where it is no number;
//! - an error within `exists_one`, which `||` and `&&` pass over, but not in cel-python.
//!
//! `PEER_SEED=7` makes other filters.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use fastrand::Rng;
use filter::{Filter, Value, Variable, Variables, Vocabulary};
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeSet;

const FILTERS: usize = 300;

/// Values with which each filter is evaluated.
const VALUES: usize = 12;

/// Names of numbers. The last one never has a value.
const NUMBERS: [&str; 4] = ["speed", "fuel", "x", "absent"];
const KEYS: [&str; 2] = ["a-b", "none"];

/// What a filter may ask for.
struct Values(Map<String, Json>);

impl Variables for Values {
    fn name(&self, name: &str) -> Option<Variable<'_>> {
        match name {
            "device" => self.0["device"].as_str().map(Variable::Text),
            "time" => Some(Variable::Time(self.0["time"].as_str()?.parse().ok()?)),
            "data" => Some(Variable::Json(&self.0["data"])),
            number => self.0["numbers"][number].as_f64().map(Variable::Double),
        }
    }

    fn key(&self, key: &str) -> Option<Variable<'_>> {
        self.0["keys"][key].as_f64().map(Variable::Double)
    }
}

/// Makes values. Some are borders of what filters compare with.
fn values(random: &mut Rng) -> Json {
    let mut numbers = Map::new();
    for name in &NUMBERS[..3] {
        if random.u8(..6) > 0 {
            numbers.insert((*name).to_owned(), json!(double(random)));
        }
    }
    let mut keys = Map::new();
    if random.u8(..4) > 0 {
        keys.insert(KEYS[0].to_owned(), json!(double(random)));
    }
    let tags: Vec<&str> = (0..random.usize(..4)).map(|_| text(random)).collect();
    let items: Vec<Json> = (0..random.usize(..4))
        .map(|_| match random.u8(..4) {
            0 => json!({"ok": random.bool()}),
            _ => json!({"n": random.i64(-2..5), "ok": random.bool()}),
        })
        .collect();
    let mut body = json!({"x": random.i64(-3..9), "on": random.bool(), "half": double(random), "text": text(random)});
    for (name, list) in [("tags", json!(tags)), ("items", json!(items))] {
        if random.u8(..6) > 0 {
            body[name] = list;
        }
    }
    let data = json!({"body": body, "headers": {"y": text(random)}});
    let time = format!(
        "2024-0{}-{:02}T{:02}:{:02}:{:02}Z",
        random.u8(1..10),
        random.u8(1..29),
        random.u8(..24),
        random.u8(..60),
        random.u8(..60)
    );
    json!({"numbers": numbers, "keys": keys, "device": text(random), "time": time, "data": data})
}

fn double(random: &mut Rng) -> f64 {
    let all = [-40.5, -1.0, 0.0, 0.5, 1.0, 2.0, 7.25, 50.0, 105.0, 120.0, 120.5, 1e9];
    all[random.usize(..all.len())]
}

fn text(random: &mut Rng) -> &'static str {
    let all = ["", "lada", "truck-1", "truck-22", "red", "žuto", "z", "12"];
    all[random.usize(..all.len())]
}

/// Makes filters: each method writes an expression of a type.
struct Maker {
    random: Rng,
    /// A macro stands within no other.
    is_in_macro: bool,
}

impl Maker {
    fn pick<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.random.usize(..all.len())]
    }

    fn filter(&mut self) -> String {
        match self.random.u8(..10) {
            0 => self.int(3),
            1 => self.double(3),
            2 => self.text(2),
            _ => self.condition(4),
        }
    }

    fn condition(&mut self, depth: u8) -> String {
        if depth == 0 {
            return self.comparison(0);
        }
        let below = depth - 1;
        match self.random.u8(..16) {
            0..=2 => format!("({} && {})", self.condition(below), self.condition(below)),
            3..=5 => format!("({} || {})", self.condition(below), self.condition(below)),
            6 => format!("!({})", self.condition(below)),
            7 => format!(
                "({} ? {} : {})",
                self.condition(below),
                self.condition(below),
                self.condition(below)
            ),
            8 => self.presence(),
            9 => self.of_texts(),
            10 => self.of_times(),
            11 => self.member(below),
            12 if !self.is_in_macro => self.looped(below),
            13 => self
                .pick(&["data.body.on", "true", "false", "data.body.off"])
                .to_owned(),
            _ => self.comparison(below),
        }
    }

    fn comparison(&mut self, depth: u8) -> String {
        let order = self.pick(&["<", "<=", ">", ">="]);
        let any = self.pick(&["<", "<=", ">", ">=", "==", "!="]);
        match self.random.u8(..6) {
            0 | 1 => format!("{} {any} {}", self.double(depth), self.double(depth)),
            // As most filters are written.
            2 => {
                let name = self.pick(&NUMBERS);
                format!("{name} {order} {}", self.random.i64(-2..130))
            }
            3 | 4 => format!("{} {any} {}", self.int(depth), self.int(depth)),
            _ => format!("{} {any} {}", self.text(depth), self.text(depth)),
        }
    }

    fn double(&mut self, depth: u8) -> String {
        if depth == 0 || self.random.bool() {
            return match self.random.u8(..6) {
                0 | 1 => format!("{:?}", double(&mut self.random)),
                2 => format!("value[\"{}\"]", self.pick(&KEYS)),
                3 => "data.body.half".to_owned(),
                _ => self.pick(&NUMBERS).to_owned(),
            };
        }
        let below = depth - 1;
        match self.random.u8(..6) {
            0 => format!("double({})", self.int(below)),
            1 => format!("-({})", self.double(below)),
            2 => format!(
                "({} ? {} : {})",
                self.condition(below),
                self.double(below),
                self.double(below)
            ),
            3 => format!("({} / {})", self.double(below), self.pick(&["0.5", "-2.0", "120.5"])),
            _ => {
                let operator = self.pick(&["+", "-", "*"]);
                format!("({} {operator} {})", self.double(below), self.double(below))
            }
        }
    }

    fn int(&mut self, depth: u8) -> String {
        if depth == 0 || self.random.bool() {
            return match self.random.u8(..5) {
                0 => "data.body.x".to_owned(),
                1 => "data[\"body\"][\"x\"]".to_owned(),
                2 => "0x1F".to_owned(),
                _ => self.random.i64(-3..9).to_string(),
            };
        }
        let below = depth - 1;
        match self.random.u8(..8) {
            0 => format!(
                "int({})",
                self.pick(&["speed", "value[\"a-b\"]", "data.body.half", "\"12\""])
            ),
            1 => format!(
                "size({})",
                self.pick(&["device", "data.body.tags", "data.body.text", "data.headers"])
            ),
            2 => format!("{}.size()", self.pick(&["device", "data.body.items"])),
            3 => self.part_of_time(),
            4 => format!(
                "({} ? {} : {})",
                self.condition(below),
                self.int(below),
                self.int(below)
            ),
            _ => {
                let operator = self.pick(&["+", "-", "*", "/", "%"]);
                format!("({} {operator} {})", self.int(below), self.int(below))
            }
        }
    }

    fn text(&mut self, depth: u8) -> String {
        match self.random.u8(..if depth == 0 { 5 } else { 7 }) {
            0 | 1 => format!("{:?}", text(&mut self.random)),
            2 => "device".to_owned(),
            3 => "data.headers.y".to_owned(),
            4 => "data.body.text".to_owned(),
            5 => format!("string({})", self.int(depth - 1)),
            _ => format!("({} + {})", self.text(depth - 1), self.text(depth - 1)),
        }
    }

    fn of_texts(&mut self) -> String {
        let function = self.pick(&["startsWith", "endsWith", "contains"]);
        format!("{}.{function}({})", self.text(0), self.text(0))
    }

    fn of_times(&mut self) -> String {
        let order = self.pick(&["<", "<=", ">", ">=", "==", "!="]);
        match self.random.u8(..3) {
            0 => {
                let hour = self.random.u8(..24);
                format!("time {order} timestamp(\"2024-05-01T{hour:02}:00:00Z\")")
            }
            1 => {
                let span = self.pick(&["24h", "1h30m", "90s", "1000h"]);
                format!("time - timestamp(\"2024-05-01T00:00:00Z\") {order} duration(\"{span}\")")
            }
            _ => format!("{} {order} {}", self.part_of_time(), self.random.i64(..24)),
        }
    }

    fn part_of_time(&mut self) -> String {
        let parts = [
            "getHours",
            "getMinutes",
            "getSeconds",
            "getMonth",
            "getDate",
            "getDayOfWeek",
            "getFullYear",
        ];
        let zone = self.pick(&["", "", "\"+02:00\"", "\"Europe/Zagreb\""]);
        format!("time.{}({zone})", self.pick(&parts))
    }

    fn presence(&mut self) -> String {
        let path = self.pick(&[
            "data.body.x",
            "data.body.tags",
            "data.other",
            "data.body.none",
            "data.headers.y",
        ]);
        format!("has({path})")
    }

    fn member(&mut self, depth: u8) -> String {
        match self.random.u8(..4) {
            0 => format!("{} in [{}, {}]", self.text(depth), self.text(0), self.text(0)),
            1 => format!("{} in data.body.tags", self.text(0)),
            2 => format!("{} in [{}, {}]", self.int(depth), self.int(0), self.int(0)),
            _ => format!("{} in data.headers", self.text(0)),
        }
    }

    fn looped(&mut self, depth: u8) -> String {
        let kind = self.pick(&["exists", "all"]);
        self.is_in_macro = true;
        let made = match self.random.u8(..5) {
            0 => format!("data.body.tags.{kind}(e, e == {})", self.text(0)),
            1 => {
                let order = self.pick(&["<", ">=", "==", "!="]);
                format!("data.body.items.{kind}(e, e.n {order} {})", self.int(depth.min(1)))
            }
            2 => format!("data.body.items.{kind}(e, has(e.n) && e.ok)"),
            3 => "data.body.items.exists_one(e, has(e.n) && e.ok)".to_owned(),
            _ => {
                let order = self.pick(&["<", ">"]);
                let list = [self.double(0), self.double(0), self.double(0)].join(", ");
                format!("[{list}].{kind}(e, e {order} {})", self.double(depth.min(1)))
            }
        };
        self.is_in_macro = false;
        made
    }
}

/// As `peer.py` writes a result.
fn shown(result: Option<Value>) -> Json {
    match result {
        None => json!({"error": null}),
        Some(Value::Bool(value)) => json!({"bool": value}),
        Some(Value::Int(value)) => json!({"int": value}),
        Some(Value::Double(value)) if value.is_finite() => json!({"double": value}),
        Some(Value::Double(value)) => json!({"double": value.to_string().to_lowercase()}),
        Some(Value::Text(value)) => json!({"text": value}),
        Some(value) => json!({"other": format!("{value:?}")}),
    }
}

#[tokio::test]
async fn made_up_filters_are_evaluated_as_by_cel_python() {
    let seed = std::env::var("PEER_SEED").map_or(300, |seed| seed.parse().unwrap());
    let mut maker = Maker {
        random: Rng::with_seed(seed),
        is_in_macro: false,
    };
    let vocabulary = Vocabulary::fitting(|name| name != "value").map("value");
    let (mut questions, mut filters) = (Vec::new(), Vec::new());
    let mut known = BTreeSet::new();
    while questions.len() < FILTERS {
        let text = maker.filter();
        if !known.insert(text.clone()) {
            continue;
        }
        let filter = match Filter::compile(&text, &vocabulary) {
            Ok(filter) => filter,
            // Some are larger than a filter may be.
            Err(told) => {
                let told = told.to_string();
                assert!(told.contains("nodes") || told.contains("deep"), "{text}: {told}");
                continue;
            }
        };
        let values: Vec<Json> = (0..VALUES).map(|_| values(&mut maker.random)).collect();
        questions.push(json!({"filter": text, "values": values}));
        filters.push(filter);
    }
    let script = testutil::workspace().join("pkg/filter/tests/peer.py");
    let answers = testutil::python(&script, &json!(questions)).await;
    let (mut different, mut kinds) = (Vec::new(), BTreeSet::new());
    for ((question, filter), answer) in questions.iter().zip(&filters).zip(answers.as_array().unwrap()) {
        for (values, theirs) in question["values"]
            .as_array()
            .unwrap()
            .iter()
            .zip(answer.as_array().unwrap())
        {
            let variables = Values(values.as_object().unwrap().clone());
            let ours = shown(filter.evaluate(&variables).ok());
            kinds.extend(theirs.as_object().unwrap().keys().cloned());
            if ours != *theirs {
                different.push(format!(
                    "{}\n  with {values}\n  is {ours}, and {theirs} by cel-python",
                    question["filter"]
                ));
            }
        }
    }
    let count = different.len();
    assert!(
        count == 0,
        "{count} results differ with seed {seed}:\n{}",
        different.join("\n")
    );
    // Each kind of result was compared, errors as well.
    assert_eq!(
        kinds,
        ["bool", "double", "error", "int", "text"].map(str::to_owned).into()
    );
}
