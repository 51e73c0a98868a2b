//! Every limit: at it, and one beyond.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use filter::{Failed, Filter, Invalid, MAX_DEPTH, MAX_NODES, MAX_TEXT, Value, Variable, Variables, Vocabulary};
use serde_json::{Value as Json, json};

struct Data(Json);

impl Variables for Data {
    fn name(&self, name: &str) -> Option<Variable<'_>> {
        match name {
            "a" => Some(Variable::Bool(true)),
            "n" => Some(Variable::Int(1)),
            "data" => Some(Variable::Json(&self.0)),
            _ => None,
        }
    }

    fn call(&self, _: &str, arguments: &[Value]) -> Result<Value, String> {
        Ok(arguments[0].clone())
    }
}

fn compiled(text: &str) -> Result<Filter, Invalid> {
    Filter::compile(text, &Vocabulary::of(["a", "n", "data"]).function("f", 1))
}

/// In the stack that the documentation of `evaluate` names.
fn evaluated(text: &str, data: Json) -> Result<Value, Failed> {
    let filter = compiled(text).unwrap_or_else(|invalid| panic!("{text}: {invalid}"));
    let evaluation = std::thread::Builder::new().stack_size(1024 * 1024);
    let thread = evaluation.spawn(move || filter.evaluate(&Data(data)));
    thread.unwrap().join().unwrap()
}

fn refused(text: &str, message: &str, column: usize) {
    let invalid = compiled(text).err().unwrap_or_else(|| panic!("{text} compiles"));
    assert!(invalid.message.contains(message), "{text}: {invalid}");
    assert_eq!(invalid.position.column, column, "{text}: {invalid}");
    assert!(!invalid.hint.is_empty());
}

#[test]
fn text() {
    let text = format!("{:<MAX_TEXT$}", "a");
    assert_eq!(evaluated(&text, Json::Null), Ok(Value::Bool(true)));
    refused(&(text + " "), "2049 bytes", MAX_TEXT + 1);
}

#[test]
fn nodes() {
    // 128 names and 127 operators.
    let text = vec!["a"; MAX_NODES / 2].join("&&");
    assert_eq!(evaluated(&text, Json::Null), Ok(Value::Bool(true)));
    assert_eq!(evaluated(&format!("!{text}"), Json::Null), Ok(Value::Bool(false)));
    refused(&format!("!a&&{text}"), "258 nodes", text.len() + 2);
    let list = format!("[{}]", vec!["1"; MAX_NODES - 1].join(","));
    assert_eq!(evaluated(&list, Json::Null), Ok(Value::Other));
    let list = format!("[{}]", vec!["1"; MAX_NODES].join(","));
    refused(&list, "257 nodes", 2 * MAX_NODES);
    let map = format!("{{{}}}", vec!["1:1"; MAX_NODES / 2].join(","));
    refused(&map, "257 nodes", 4 * MAX_NODES / 2);
}

/// `before` and `after` so often around `middle`, where the column is that of the node or word too deep.
fn depth_of(before: &str, middle: &str, after: &str, most: usize, column: usize) {
    let text = |times: usize| format!("{}{middle}{}", before.repeat(times), after.repeat(times));
    let fits = compiled(&text(most));
    assert!(fits.is_ok(), "{}: {:?}", text(most), fits.err());
    let _ = evaluated(&text(most), json!({ "a": [] }));
    refused(&text(most + 1), "nested deeper than 24", column);
}

#[test]
fn depth() {
    depth_of("(", "a", ")", MAX_DEPTH, 25);
    depth_of("[", "a", "]", MAX_DEPTH - 1, 25);
    depth_of("{1:", "a", "}", MAX_DEPTH - 1, 71);
    depth_of("!(", "a", ")", MAX_DEPTH - 1, 49);
    depth_of("-(", "n", ")", MAX_DEPTH - 1, 49);
    depth_of("size(", "a", ")", MAX_DEPTH - 1, 121);
    depth_of("data[", "n", "]", MAX_DEPTH - 1, 116);
    depth_of("a?a:", "a", "", MAX_DEPTH - 1, 93);
    depth_of("1+(", "1", ")", MAX_DEPTH - 1, 70);
    // The first summand is the deepest.
    depth_of("", "1", "+1", MAX_DEPTH - 1, 1);
    depth_of("", "n", ".contains('a')", MAX_DEPTH - 1, 1);
    depth_of("", "data", ".a", MAX_DEPTH - 1, 1);
    depth_of("", "data", "[0]", MAX_DEPTH - 1, 1);
    // The parser takes pairs away, the check of words does not.
    depth_of("!", "a", "", MAX_DEPTH, 25);
    depth_of("-", "n", "", MAX_DEPTH, 25);
    depth_of("f(", "n", ")", MAX_DEPTH - 1, 49);
}

#[test]
fn steps_of_a_macro() {
    // The body has 5 nodes, `result && x >= 0`. Each round counts them, and each element counts 6 reads.
    let filter = "data.all(x, x >= 0)";
    let list = |length: usize| Json::from(vec![0; length]);
    assert_eq!(evaluated(filter, list(90_908)), Ok(Value::Bool(true)));
    assert_eq!(evaluated(filter, list(90_909)), Err(Failed::Costly));
    // && and || absorb errors, but not this one.
    assert_eq!(evaluated("data.all(x, x >= 0) || a", list(90_909)), Err(Failed::Costly));
}

#[test]
fn work_that_grows_with_the_values_is_bounded() {
    let text = "x".repeat(64 * 1024);
    let data = json!({ "list": vec![1; 10_000], "l": vec![1; 20_000], "text": text, "lists": [vec![1; 30_000]] });
    let sum = |part: &str, times: usize| vec![part; times].join("+");
    for filter in [
        // A long text in each round.
        "data.list.all(x, data.text.contains('y') || true)".to_owned(),
        // Sums, each of which copies the one before.
        format!("size({}) > 1", sum("data.l", 21)),
        // A large element in each node of the body.
        format!("data.lists.all(x, {})", vec!["x==x"; 40].join("&&")),
        // A large list literal in each round.
        format!("data.list.all(x, [{}] == [])", vec!["x"; 200].join(",")),
        // A function of the caller in each round.
        "data.list.all(x, f(x) == 1)".to_owned(),
    ] {
        assert_eq!(evaluated(&filter, data.clone()), Err(Failed::Costly), "{filter}");
    }
    // Without a macro, texts are read once for each node at most.
    let filter = format!("size({}) > 1", sum("data.text", 20));
    assert_eq!(evaluated(&filter, data), Ok(Value::Bool(true)));
}

#[test]
fn deep_json_is_refused_without_recursion_into_it() {
    let nested = |depth: usize| (1..depth).fold(json!([]), |inner, _| json!([inner]));
    assert_eq!(evaluated("data == data", nested(128)), Ok(Value::Bool(true)));
    assert_eq!(evaluated("data == data", nested(129)), Err(Failed::Costly));
}
