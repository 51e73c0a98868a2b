//! Texts that attack the parser or the evaluation. No panic, no overflow of the stack, however they end.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use filter::{Filter, MAX_TEXT, Value, Variable, Variables, Vocabulary};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

struct Data(Json);

impl Variables for Data {
    fn name(&self, name: &str) -> Option<Variable<'_>> {
        match name {
            "a" => Some(Variable::Double(1.5)),
            "t" => Some(Variable::Text("text")),
            "time" => Some(Variable::Time(jiff::Timestamp::UNIX_EPOCH)),
            "data" => Some(Variable::Json(&self.0)),
            _ => None,
        }
    }

    fn key(&self, _: &str) -> Option<Variable<'_>> {
        Some(Variable::Int(1))
    }

    fn call(&self, _: &str, arguments: &[Value]) -> Result<Value, String> {
        Ok(arguments.first().cloned().unwrap_or(Value::Null))
    }
}

fn vocabulary() -> Vocabulary {
    Vocabulary::of(["a", "t", "time", "data"]).map("value").function("f", 1)
}

/// Compiles and evaluates in small stacks: the parser's own is the crate's.
fn survives(text: &str) -> bool {
    let text = text.to_owned();
    let small = std::thread::Builder::new().stack_size(1024 * 1024);
    let thread = small.spawn(move || match Filter::compile(&text, &vocabulary()) {
        Ok(filter) => {
            let data = Data(json!({ "a": [1, 2.5, "x", null, { "b": [] }], "b": { "c": true } }));
            if let Err(failed) = filter.evaluate(&data) {
                assert_ne!(failed, filter::Failed::Defect, "{text}");
                assert!(!failed.to_string().contains('@'), "{text}: {failed}");
            }
            true
        }
        Err(invalid) => {
            assert!(!invalid.message.contains("defect"), "{text}");
            assert!(!invalid.message.is_empty() && !invalid.hint.is_empty());
            assert!(invalid.position.line > 0 && invalid.position.column > 0);
            false
        }
    });
    thread.unwrap().join().unwrap()
}

#[test]
fn repetition() {
    for part in [
        "(",
        "[",
        "{",
        "!",
        "-",
        "!-",
        "- ",
        "((",
        "[[",
        "a?",
        "a?b:c?",
        "a?a:",
        "a[",
        "f(",
        "a.f(",
        "a.",
        "a+",
        "a&&",
        "a||",
        "a==",
        "[a,",
        "{a:",
        "a{",
        "'",
        "\"",
        "'''",
        "\\",
        "'\\",
        "b'",
        "r'",
        "`",
        ")",
        "]",
        "}",
        ":",
        ",",
        "?",
        "&",
        "//",
        "\n",
        " ",
        "\0",
        "é",
        "😀",
        "\u{202e}",
        "1",
        "1.",
        "0x",
        "1e",
        ".1",
        "!(",
        "-(",
        "[].all(x,",
        "has(a.",
        "a in ",
        "{1:1}",
        "[1]",
        "(a)",
        "a b ",
        "x.exists(y,",
        "a?.",
        "a[?",
        "@",
        "#",
        "$",
        "value['",
        "true?",
        "null",
        "in",
        "for ",
    ] {
        for times in [1, 2, 23, 24, 25, 26, 90, 250, 600, 2000, 100_000] {
            let text = part.repeat(times);
            let valid = survives(&text);
            assert!(!valid || text.len() <= MAX_TEXT, "{part} {times}");
            for after in ["a", ")", "'", " a", "1"] {
                survives(&format!("{text}{after}"));
            }
        }
    }
}

#[test]
fn nesting_that_closes() {
    for (open, middle, close) in [
        ("(", "a", ")"),
        ("[", "a", "]"),
        ("{1:", "a", "}"),
        ("f(", "a", ")"),
        ("a[", "a", "]"),
        ("!(", "a", ")"),
        ("-(", "a", ")"),
        ("(-", "a", ")"),
        ("a?(", "a", "):a"),
        ("a?a:(", "a", ")"),
        ("a+(", "a", ")"),
        ("a&&(a||", "a", ")"),
        ("data.a.all(x,", "a", ")"),
        ("t.contains(", "a", ")"),
        ("has(", "a.b", ")"),
        ("a==a?a*(a+", "a", "):a"),
        ("!!(", "a", ")"),
        ("{'a':[", "a", "]}"),
    ] {
        for times in [1, 12, 24, 25, 100, 300, 50_000] {
            survives(&format!("{}{middle}{}", open.repeat(times), close.repeat(times)));
        }
    }
}

const WORDS: [&str; 72] = [
    "a",
    "t",
    "time",
    "data",
    "value",
    "x",
    "unknown",
    "data.a",
    "data.b.c",
    "value['k']",
    "value[",
    "1",
    "0",
    "-1",
    "2u",
    "1.5",
    "9223372036854775807",
    "0x1f",
    "1e308",
    "'x'",
    "\"y\"",
    "b'z'",
    "r'\\'",
    "'\\u00e9'",
    "'é'",
    "true",
    "false",
    "null",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    "?",
    ".",
    "+",
    "-",
    "*",
    "/",
    "%",
    "!",
    "&&",
    "||",
    "==",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "in",
    "f(",
    "size(",
    "has(",
    "int(",
    "string(",
    "double(",
    "timestamp(",
    "duration(",
    ".all(x,",
    ".exists(x,",
    ".exists_one(x,",
    ".contains(",
    ".startsWith(",
    ".size()",
    ".getHours()",
    ".map(x,",
    " ",
    "\n",
    "//c\n",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn words_in_any_order(words in prop::collection::vec(prop::sample::select(&WORDS[..]), 0..60)) {
        survives(&words.concat());
    }

    #[test]
    fn any_text(text in any::<String>()) {
        survives(&text);
    }

    #[test]
    fn bytes_of_cel(text in "[a-c0-9.,:?!+\\-*/%<>=&|(){}\\[\\]'\"\\\\ rbuxt\n]{0,120}") {
        survives(&text);
    }

    /// Valid by its shape, so that evaluations are reached.
    #[test]
    fn expressions(text in expression()) {
        survives(&text);
    }
}

fn expression() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "a",
        "t",
        "time",
        "data",
        "data.a",
        "data.a[4].b",
        "data.b",
        "data.b.c",
        "data.x",
        "value['k']",
        "1",
        "0",
        "-3",
        "2u",
        "0.0",
        "1.5",
        "'x'",
        "''",
        "true",
        "false",
        "null",
        "[]",
        "[1, 2]",
        "{'a': 1}",
        "x",
        "9223372036854775807",
        "18446744073709551615u",
        "1e308",
        "b'z'",
        "duration('1h')",
        "timestamp('2026-01-01T00:00:00Z')",
    ]);
    leaf.prop_map(str::to_owned).prop_recursive(4, 40, 3, |inner| {
        let operator = prop::sample::select(vec![
            "+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "&&", "||", "in",
        ]);
        let function = prop::sample::select(vec![
            "size",
            "int",
            "uint",
            "double",
            "string",
            "bool",
            "bytes",
            "timestamp",
            "duration",
            "f",
            "!",
            "-",
        ]);
        let member = prop::sample::select(vec![
            "contains",
            "startsWith",
            "endsWith",
            "all(x, ",
            "exists(x, ",
            "exists_one(x, ",
            "getHours",
        ]);
        prop_oneof![
            (inner.clone(), operator, inner.clone()).prop_map(|(one, sign, two)| format!("({one} {sign} {two})")),
            (function, inner.clone()).prop_map(|(function, value)| format!("{function}({value})")),
            (inner.clone(), member, inner.clone()).prop_map(|(one, member, two)| {
                let open = if member.contains('(') { "" } else { "(" };
                format!("{one}.{member}{open}{two})")
            }),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(one, two, three)| format!("({one} ? {two} : {three})")),
            (inner.clone(), inner).prop_map(|(one, two)| format!("{one}[{two}]")),
        ]
    })
}
