//! Tests of bodies.

use super::*;
use base64::engine::general_purpose::{STANDARD as PADDED, URL_SAFE_NO_PAD};
use proptest::prelude::*;
use std::fmt::Write;

fn data(body: &str) -> String {
    Message::parse(body.as_bytes()).unwrap().data
}

fn refused(body: &str) -> String {
    match Message::parse(body.as_bytes()) {
        Ok(message) => panic!("{body} is {message:?}"),
        Err(invalid) => invalid.to_string(),
    }
}

#[test]
fn the_long_form() {
    let body = r#"{"topic":"t1","id":"mine-7","key":"lada","body":{"x":1.50},"headers":{"y":"z"},"query_params":{},
        "path_params":{},"http_method":"POST","author":"a lie","Trip":7}"#;
    let message = Message::parse(body.as_bytes()).unwrap();
    assert_eq!(
        (&*message.topic, message.id.as_deref(), message.key.as_deref()),
        ("t1", Some("mine-7"), Some("lada"))
    );
    assert_eq!(
        message.data,
        r#"{"body":{"x":1.50},"headers":{"y":"z"},"http_method":"POST","path_params":{},"query_params":{},"Trip":7}"#
    );
}

#[test]
fn names_have_any_case_and_empty_members_are_taken() {
    let message = Message::parse(br#"{"TOPIC":"t","Id":null,"Key":"","Body":null,"Headers":null,"HTTP_Method":""}"#);
    let message = message.unwrap();
    assert_eq!((message.id, message.key), (None, None));
    assert_eq!(message.data, r#"{"body":null,"headers":null,"http_method":""}"#);
    assert_eq!(data(r#"{"topic":"t"}"#), "{}");
}

/// As a client of the forerunner writes it.
#[test]
fn the_short_form() {
    let json = r#"{"Topic":"t1","id":"7","Body":{"x":"é?>"}}"#;
    for payload in [
        PADDED.encode(json),
        URL_SAFE_NO_PAD.encode(json),
        PADDED.encode(json).replace('=', ""),
    ] {
        let message = Message::parse(format!(r#"{{"Payload":"{payload}","Topic":"t1"}}"#).as_bytes()).unwrap();
        assert_eq!((&*message.topic, message.id.as_deref()), ("t1", Some("7")));
        assert_eq!(message.data, r#"{"body":{"x":"é?>"}}"#);
    }
    let with = |json: &str, rest: &str| format!(r#"{{"payload":"{}"{rest}}}"#, PADDED.encode(json));
    assert_eq!(data(&with(r#"{"topic":"t","x":1}"#, r#","y":2"#)), r#"{"x":1,"y":2}"#);
    let mut answers = String::new();
    for body in [
        with("{}", ""),
        with("[]", r#","topic":"t""#),
        with("text", r#","topic":"t""#),
        with(r#"{"a":1,"A":1}"#, r#","topic":"t""#),
        with(r#"{"topic":"other"}"#, r#","topic":"t""#),
        with(r#"{"payload":"e30="}"#, r#","topic":"t""#),
        r#"{"topic":"t","payload":{"body":1}}"#.into(),
        r#"{"topic":"t","payload":null}"#.into(),
        r#"{"topic":"t","payload":"e3!="}"#.into(),
        r#"{"topic":"t","payload":"e30=","Payload":"e30="}"#.into(),
    ] {
        let _written = writeln!(answers, "{body}\n    {}", refused(&body));
    }
    insta::assert_snapshot!(answers);
}

#[test]
fn what_is_no_message() {
    let mut answers = String::new();
    for body in [
        "",
        "topic=t",
        "{\"topic\":\"t\"} {}",
        r#"{"topic":"t","Topic":"t"}"#,
        r#"{"topic":"t","body":1,"body":1}"#,
        r#"{"topic":7}"#,
        r#"{"topic":null}"#,
        r#"{"topic":""}"#,
        r#"{"topic":"a b"}"#,
        r#"{"topic":"t","id":7}"#,
        r#"{"topic":"t","id":""}"#,
        r#"{"topic":"t","id":"a.b"}"#,
        r#"{"topic":"t","key":{}}"#,
        r#"{"topic":"t","key":"\u0000"}"#,
        r#"{"topic":"t","headers":[]}"#,
        r#"{"topic":"t","http_method":"GET /"}"#,
        r#"{"topic":"t","body":"a\u0000"}"#,
        r#"{"topic":"t","body":[{"a\u0000":1}]}"#,
        r#"{"topic":"t","a\u0000":1}"#,
        r#"{"topic":"t","body":"\ud800"}"#,
        r#"{"topic":"t","body":1e309}"#,
        r#"{"topic":"t","body":-1e99999999999999}"#,
        r#"{"topic":"t","body":1e-70000}"#,
    ] {
        let _written = writeln!(answers, "{body}\n    {}", refused(body));
    }
    insta::assert_snapshot!(answers);
    for topic in ["odograph.readings", "Odograph.x", "odograph."] {
        let body = format!(r#"{{"topic":"{topic}"}}"#);
        assert_eq!(Message::parse(body.as_bytes()), Err(Invalid::Reserved), "{topic}");
    }
    let named = |name: &str, length: usize| {
        let text = "x".repeat(length);
        let topic = if name == "topic" { &*text } else { "t" };
        let other = if name == "topic" {
            String::new()
        } else {
            format!(r#","{name}":"{text}""#)
        };
        Message::parse(format!(r#"{{"topic":"{topic}"{other}}}"#).as_bytes()).is_ok()
    };
    for (name, longest) in [("topic", 128), ("id", 64), ("key", 256)] {
        assert!(named(name, longest) && !named(name, longest + 1), "{name}");
    }
}

#[test]
fn depth_and_digits_are_bounded() {
    let nested = |depth: usize| format!(r#"{{"topic":"t","body":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
    assert!(Message::parse(nested(DEEPEST - 1).as_bytes()).is_ok());
    assert!(refused(&nested(DEEPEST)).contains("nested"));
    assert!(refused(&nested(30_000)).contains("nested"));
    let many = |count: usize| format!(r#"{{"topic":"t","body":[{}0]}}"#, "1E+300,".repeat(count));
    assert!(Message::parse(many(218).as_bytes()).is_ok());
    assert!(refused(&many(219)).contains("exponents"));
    for (json, expected) in [
        (r#"{"e99":"[1e99\"1e99"}"#, (1, 0)),
        ("[true,false,1e2,-1.5E-30,[2e+4]]", (2, 36)),
        ("[[],[[]],{}]", (3, 0)),
    ] {
        assert_eq!(measure(json), expected, "{json}");
    }
}

proptest! {
    /// What is stored is what was sent, without what is apart.
    #[test]
    fn the_data_is_what_was_sent(body in json(), x in json()) {
        let sent = serde_json::json!({ "Topic": "t", "id": "7", "Body": body, "x": x });
        let stored: Value = serde_json::from_str(&data(&sent.to_string())).unwrap();
        prop_assert_eq!(stored, serde_json::json!({ "body": body, "x": x }));
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "[\\[{\"\\\\0-9eE+.,:a}\\]]{0,60}") {
        let _ = Message::parse(&bytes);
        let _ = Message::parse(text.as_bytes());
        let _ = Message::parse(format!(r#"{{"topic":"t","body":{text}}}"#).as_bytes());
    }
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e30..1e30).prop_map(Value::from),
        "[^\\x00]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[^\\x00]{0,6}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}
