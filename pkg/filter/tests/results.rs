//! Results of filters over values of every kind.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use filter::{Failed, Filter, Value, Variable, Variables, Vocabulary};
use serde_json::json;

struct Sample(serde_json::Value);

impl Variables for Sample {
    fn name(&self, name: &str) -> Option<Variable<'_>> {
        Some(match name {
            "speed" => Variable::Double(121.5),
            "gear" => Variable::Int(3),
            "count" => Variable::Uint(7),
            "open" => Variable::Bool(true),
            "device" => Variable::Text("lada"),
            "time" => Variable::Time("2026-01-31T23:30:00.25Z".parse().unwrap()),
            "data" => Variable::Json(&self.0),
            _ => return None,
        })
    }

    fn key(&self, key: &str) -> Option<Variable<'_>> {
        (key == "gear-no").then_some(Variable::Double(4.0))
    }

    fn call(&self, function: &str, arguments: &[Value]) -> Result<Value, String> {
        match (function, arguments) {
            ("inside", [Value::Text(area)]) if area == "home" => Ok(Value::Bool(true)),
            ("inside", [Value::Text(area)]) => Err(format!("There is no area {area}.")),
            ("sum", [Value::Int(one), Value::Double(two), Value::Uint(three)]) => {
                Ok(Value::Text(format!("{one} {two} {three}")))
            }
            _ => Err("The arguments do not fit.".to_owned()),
        }
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
}

fn vocabulary() -> Vocabulary {
    let vocabulary = Vocabulary::fitting(is_name).map("value");
    vocabulary.function("inside", 1).function("sum", 3).function("sum", 2)
}

fn sample() -> Sample {
    Sample(json!({
        "body": {
            "x": 1, "for": 4, "big": 18446744073709551615_u64, "half": 0.5, "whole": 2.0, "none": null, "on": true,
            "text": "héllo", "a b": { "c": [10, 20, { "d": "deep" }] }, "tags": ["red", "green"],
            "items": [{ "n": 1, "ok": true }, { "n": 2 }, { "n": 3, "ok": false }], "empty": [],
        },
        "headers": { "y": "z" },
    }))
}

fn evaluated(text: &str) -> Result<Value, Failed> {
    let filter = Filter::compile(text, &vocabulary()).unwrap_or_else(|invalid| panic!("{text}: {invalid}"));
    filter.evaluate(&sample())
}

#[test]
fn filters_are_true() {
    for text in [
        // Numbers of three kinds compare as numbers.
        "speed > 120",
        "speed > 120 && speed < 121.6",
        "!(speed < 1)",
        "gear == 3.0",
        "count == 7",
        "gear < count",
        "1 == 1.0 && 1u == 1",
        "speed != 3",
        "-gear == -3",
        "- -gear == 3",
        "!!open",
        "0x1F == 31",
        "1e3 == 1000.0",
        "gear + 4 == int(count)",
        "gear * 2 % 4 == 2",
        "7 / 2 == 3",
        "-7 / 2 == -3",
        "-7 % 2 == -1",
        "speed / 0.0 > 1e308",
        // Conditions.
        "open ? true : absent",
        "open || absent > 1",
        "absent > 1 || open",
        "!(absent > 1 && false)",
        "open == true",
        // Texts.
        "device == \"lada\"",
        "device + '!' == r'lada!'",
        "device.startsWith('la') && device.endsWith('da')",
        "device.contains('ad')",
        "size(device) == 4 && device.size() == 4",
        "data.body.text.size() == 5",
        "\"\\u00e9\\x41\\101\\n\" == 'éAA\\n'",
        "'''it's''' == \"it's\"",
        "device < 'lade'",
        "string(gear) + '.' == '3.'",
        "int('12') == 12 && double('1.5') == 1.5 && uint(3) == 3u && string(1.5) == '1.5'",
        "bool('true')",
        "int(speed) == 121",
        "bytes('a') == b'a'",
        "string(b'a') == 'a'",
        // The map with literal keys.
        "value[\"gear-no\"] == 4",
        "int(value['gear-no']) == 4",
        // JSON.
        "data.body.x == 1 && data.headers.y == \"z\"",
        "data[\"body\"][\"x\"] == 1",
        "data.body['a b'].c[1] == 20",
        "data.body['a b'].c[2].d == 'deep'",
        "data.body.big > 1e19",
        "data.body.whole == 2",
        "data.body.none == null",
        "data.body.x / 2 == 0",
        "data.body.for == 4",
        "data.body.tags == ['red', 'green']",
        "['red', 'green'] == data.body.tags",
        "data.headers == {'y': 'z'}",
        "{'y': 'z'} == data.headers",
        "'red' in data.body.tags",
        "'y' in data.headers",
        "size(data.body.tags) == 2 && size(data.headers) == 1",
        "data.body.tags + ['blue'] == ['red', 'green', 'blue']",
        "data.body.tags[gear - 2] == 'green'",
        "data.body[data.headers.y == 'z' ? 'x' : 'on'] == 1",
        "has(data.body.x) && !has(data.body.nothing) && has(data.body.none)",
        "has(data.headers) && !has(data.other)",
        "has({'a': 1}.a)",
        "{'a': {'b': 2}}.a.b == 2",
        "[1, 2, 3][1] == 2",
        "device in ['lada', 'niva']",
        // Macros.
        "data.body.items.exists(x, x.n == 2)",
        "data.body.items.all(x, x.n > 0)",
        "[].all(x, x)",
        "![].exists(x, x)",
        "data.body.items.exists_one(x, x.n > 2)",
        "data.body.items.existsOne(x, x.n > 2)",
        "data.body.items.exists(x, has(x.ok) && x.ok)",
        "data.headers.all(key, key == 'y')",
        "data.body.tags.exists(data, data == 'red')",
        "data.body.items.exists(x, x.n == data.body.x)",
        "data.body.items.all(x, x.n < speed) && data.body.tags.exists(x, x == 'red')",
        "[1, 'a'].exists(x, x == 'a')",
        "[0, 2].exists(x, 4 / x == 2)",
        "!['a', 1].all(x, x == 1)",
        // Functions of the caller.
        "inside(\"home\")",
        "sum(1, 2.5, 3u) == '1 2.5 3'",
        "data.body.tags.exists(x, inside('home'))",
        // Times.
        "time > timestamp('2026-01-31T00:00:00Z')",
        "time - timestamp('2026-01-31T23:00:00Z') > duration('30m')",
        "time + duration('30m') >= timestamp('2026-02-01T00:00:00Z')",
        "time - duration('90s') < time",
        "duration('1h') + duration('30m') == duration('90m')",
        "duration('1m') + time > time",
        "duration('1.5s') - duration('2s') == duration('-500ms')",
        "-duration('1s') == duration('-1s')",
        "time.getHours() == 23 && time.getMinutes() == 30 && time.getSeconds() == 0 && time.getMilliseconds() == 250",
        "time.getFullYear() == 2026 && time.getMonth() == 0 && time.getDate() == 31 && time.getDayOfMonth() == 30",
        "time.getDayOfWeek() == 6 && time.getDayOfYear() == 30",
        "time.getDate('+01:00') == 1",
        "time.getHours('-03:30') == 20",
        "duration('90m').getHours() == 1 && duration('90m').getMinutes() == 90",
        "timestamp(0) == timestamp('1970-01-01T00:00:00Z')",
        "int(timestamp('1970-01-01T00:01:00Z')) == 60",
        "string(duration('1m1.5s')) == '61.5s'",
        "string(time) == '2026-01-31T23:30:00.25Z'",
        "duration('0') == duration('0s')",
        "timestamp(string(time)) == time",
        // Space and comments.
        "  speed\n > // faster\n 120 ",
        "speed > 120 // the end",
    ] {
        assert_eq!(evaluated(text), Ok(Value::Bool(true)), "{text}");
    }
}

#[test]
fn filters_have_results() {
    for (text, expected) in [
        ("speed", Value::Double(121.5)),
        ("gear", Value::Int(3)),
        ("count", Value::Uint(7)),
        (
            "device + \" is hot: \" + string(speed)",
            Value::Text("lada is hot: 121.5".to_owned()),
        ),
        ("null", Value::Null),
        ("data.body.none", Value::Null),
        ("data.body.on", Value::Bool(true)),
        ("int(value[\"gear-no\"])", Value::Int(4)),
        ("[1]", Value::Other),
        ("{1: 2}", Value::Other),
        ("b'x'", Value::Other),
        ("time", Value::Other),
        ("time - time", Value::Other),
        ("data", Value::Other),
        ("-9223372036854775808", Value::Int(i64::MIN)),
        ("18446744073709551615u", Value::Uint(u64::MAX)),
    ] {
        assert_eq!(evaluated(text), Ok(expected), "{text}");
    }
}

#[test]
fn evaluations_fail_with_a_sentence() {
    let told: Vec<String> = [
        "absent > 1",
        "value[\"none\"] > 1",
        "data.body.nothing == 1",
        "data.nothing.more == 1",
        "data.body['a b'].c[3] == 1",
        "data.body.x.y == 1",
        "speed.x == 1",
        "has(data.nothing.more)",
        "has(data.body.x.y)",
        "has(speed.x)",
        "speed > 'fast'",
        "speed + gear",
        "device - 'a'",
        "device + 1",
        "open > gear",
        "!speed",
        "-device",
        "speed ? 1 : 2",
        "speed && open",
        "open && speed",
        "gear / 0",
        "gear % 0",
        "count % 0u",
        "9223372036854775807 + 1",
        "-9223372036854775807 - 2",
        "9223372036854775807 * 2",
        "0u - 1u",
        "int(1e30)",
        "int('x')",
        "uint(-1)",
        "bool('x')",
        "[1][5]",
        "[1]['a']",
        "{'a': 1}.b",
        "{'a': 1, 'a': 2}",
        "{[1]: 1}",
        "size(1)",
        "device.contains(1)",
        "1 in 2",
        "gear.exists(x, x == 1)",
        "[1].exists(x, x)",
        "['a'].all(x, x > 1)",
        "[1, 1].exists_one(x, 1 / (x - 1) == 1)",
        "inside('away')",
        "inside(1)",
        "sum(1, 2)",
        "timestamp('x')",
        "duration('1 hour')",
        "duration('1d')",
        "time + time",
        "time > 1",
        "time - 1",
        "timestamp(9223372036854775807)",
        "time + duration('9999999h') + duration('999999999h')",
        "time.getHours('Nowhere/Land')",
        "time.getHours('+99:00')",
        "device.getHours()",
        "inside",
        "data == inside",
    ]
    .map(|text| match evaluated(text) {
        Ok(value) => panic!("{text} is {value:?}"),
        Err(failed) => format!("{text:<45} {failed}"),
    })
    .to_vec();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn a_filter_tells_what_it_uses() {
    for (text, names, keys, functions) in [
        ("speed > 120", vec!["speed"], vec![], vec![]),
        (
            "b > a && a < value['x-y'] + value[\"k\"] + b",
            vec!["a", "b"],
            vec!["k", "x-y"],
            vec![],
        ),
        (
            "data.body.items.exists(x, x.n == limit)",
            vec!["data", "limit"],
            vec![],
            vec![],
        ),
        ("data.body.items.exists(data, data == 1)", vec!["data"], vec![], vec![]),
        (
            "has(data.x) && inside('a') && sum(1, 2) == inside('b')",
            vec!["data"],
            vec![],
            vec!["inside", "sum"],
        ),
        ("true", vec![], vec![], vec![]),
    ] {
        let filter = Filter::compile(text, &vocabulary()).unwrap();
        assert_eq!(filter.names(), names, "{text}");
        assert_eq!(filter.keys(), keys, "{text}");
        assert_eq!(filter.functions(), functions, "{text}");
    }
}

#[test]
fn one_filter_serves_many_threads() {
    let filter = Filter::compile("data.body.items.exists(x, x.n == 3) && inside('home')", &vocabulary()).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(filter.evaluate(&sample()), Ok(Value::Bool(true))));
        }
    });
}

#[test]
fn a_panic_is_an_error() {
    struct Panics;
    impl Variables for Panics {
        fn name(&self, _: &str) -> Option<Variable<'_>> {
            panic!("a test panics")
        }
    }
    let filter = Filter::compile("speed > 120", &vocabulary()).unwrap();
    assert_eq!(filter.evaluate(&Panics), Err(Failed::Defect));
    assert_eq!(filter.evaluate(&sample()), Ok(Value::Bool(true)));
}

#[test]
fn a_function_of_the_caller_hides_that_of_cel() {
    let vocabulary = Vocabulary::fitting(is_name).function("size", 2);
    assert!(Filter::compile("size(1, 2) == 3", &vocabulary).is_ok());
    assert!(Filter::compile("size('a') == 1", &vocabulary).is_err());
    assert!(Filter::compile("'a'.size() == 1", &vocabulary).is_ok());
}
