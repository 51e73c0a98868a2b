//! Agreement with another implementation of CEL.
//!
//! A script with a seed generated 400 filters over numbers, texts and conditions, with variables, and evaluated them
//! with cel-python 0.5.0. `data/filters.json` holds 300 on which both agree, 27 of them errors. `data/differences.json`
//! holds all 83 on which they differ. There `result` is what the specification says, which was checked by hand,
//! `reference` what cel-python says, and `why` is one of
//!
//! - `comparison`: numbers of different types compare by value, and values of other different types are unequal.
//!   cel-python fails.
//! - `types`: arithmetic takes numbers of one type, and `%` no doubles. cel-python forgets the types of sums and
//!   products: it goes on with any number, and fails at the functions of texts.
//! - `text`: `string(true)` is `true` and `string(2.0)` is `2`, as in cel-go. cel-python has `True` and `2.0`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use filter::{Filter, Value, Variable, Variables, Vocabulary};
use serde_json::{Map, Value as Json};

struct Case(Map<String, Json>);

impl Variables for Case {
    fn name(&self, name: &str) -> Option<Variable<'_>> {
        let (kind, value) = self.0.get(name)?.as_object()?.iter().next()?;
        Some(match kind.as_str() {
            "bool" => Variable::Bool(value.as_bool()?),
            "int" => Variable::Int(value.as_i64()?),
            "uint" => Variable::Uint(value.as_u64()?),
            "double" => Variable::Double(value.as_f64()?),
            "string" => Variable::Text(value.as_str()?),
            _ => return None,
        })
    }
}

/// None for an error.
fn expected(result: &Json) -> Option<Value> {
    let (kind, value) = result.as_object().unwrap().iter().next().unwrap();
    Some(match kind.as_str() {
        "bool" => Value::Bool(value.as_bool().unwrap()),
        "int" => Value::Int(value.as_i64().unwrap()),
        "uint" => Value::Uint(value.as_u64().unwrap()),
        "double" => Value::Double(
            value
                .as_f64()
                .unwrap_or_else(|| value.as_str().unwrap().parse().unwrap()),
        ),
        "string" => Value::Text(value.as_str().unwrap().to_owned()),
        "error" => return None,
        other => panic!("{other}"),
    })
}

fn same(one: &Option<Value>, other: &Option<Value>) -> bool {
    match (one, other) {
        (Some(Value::Double(one)), Some(Value::Double(other))) => {
            one.to_bits() == other.to_bits() || one.is_nan() && other.is_nan()
        }
        _ => one == other,
    }
}

/// The cases whose result differs from `expected`.
fn different(cases: &[Json]) -> Vec<String> {
    let mut different = Vec::new();
    for case in cases {
        let text = case["filter"].as_str().unwrap();
        let filter = Filter::compile(text, &Vocabulary::fitting(|_| true));
        let filter = filter.unwrap_or_else(|invalid| panic!("{text}: {invalid}"));
        let variables = Case(case["variables"].as_object().unwrap().clone());
        let result = filter.evaluate(&variables).ok();
        if !same(&result, &expected(&case["result"])) {
            different.push(format!(
                "{text} with {}: {result:?}, not {}",
                case["variables"], case["result"]
            ));
        }
    }
    different
}

#[test]
fn results_are_those_of_cel_python() {
    let cases: Vec<Json> = serde_json::from_str(include_str!("data/filters.json")).unwrap();
    assert_eq!(cases.len(), 300);
    assert_eq!(different(&cases), Vec::<String>::new());
}

#[test]
fn results_are_those_of_the_specification_where_cel_python_differs() {
    let cases: Vec<Json> = serde_json::from_str(include_str!("data/differences.json")).unwrap();
    assert_eq!(different(&cases), Vec::<String>::new());
    for case in cases {
        let why = case["why"].as_str().unwrap();
        assert!(["comparison", "types", "text"].contains(&why), "{case}");
        assert!(
            !same(&expected(&case["result"]), &expected(&case["reference"])),
            "{case}"
        );
    }
}
