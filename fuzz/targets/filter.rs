//! Any text as a filter, over hostile values: errors have a place and a hint, and no evaluation panics.

#![no_main]

use filter::{Failed, Filter, Value, Variable, Variables, Vocabulary};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static DATA: LazyLock<serde_json::Value> = LazyLock::new(
    || serde_json::json!({ "a": [1, 2.5, "x", null, { "b": [] }], "b": { "c": true }, "text": "x".repeat(64) }),
);

struct Values;

impl Variables for Values {
    fn name(&self, name: &str) -> Option<Variable<'_>> {
        match name {
            "n" => Some(Variable::Int(i64::MIN)),
            "u" => Some(Variable::Uint(u64::MAX)),
            "x" => Some(Variable::Double(-0.0)),
            "t" => Some(Variable::Text("é")),
            "time" => Some(Variable::Time(jiff::Timestamp::MAX)),
            "data" => Some(Variable::Json(&DATA)),
            _ => None,
        }
    }

    fn key(&self, key: &str) -> Option<Variable<'_>> {
        key.len().is_multiple_of(2).then_some(Variable::Bool(true))
    }

    fn call(&self, _: &str, arguments: &[Value]) -> Result<Value, String> {
        arguments
            .first()
            .cloned()
            .ok_or_else(|| "There is no argument.".to_owned())
    }
}

fuzz_target!(|text: &str| {
    let vocabulary = Vocabulary::fitting(|name| name.len() < 5).map("value").function("f", 1);
    match Filter::compile(text, &vocabulary) {
        Ok(filter) => {
            assert!(text.len() <= filter::MAX_TEXT);
            if let Err(failed) = filter.evaluate(&Values) {
                assert_ne!(failed, Failed::Defect);
                assert!(!failed.to_string().contains('@'));
            }
        }
        Err(invalid) => {
            assert!(invalid.position.line > 0 && invalid.position.column > 0);
            assert!(!invalid.hint.is_empty() && !invalid.message.contains("defect"));
        }
    }
});
