//! Texts for a terminal, and JSON of files.

use anyhow::Context;
use serde_json::Value;
use std::io::Read;
use std::path::Path;

/// A text without its quotes, and without characters that a terminal would obey; empty for null.
pub(super) fn text_of(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        value => value.to_string(),
    };
    text.chars()
        .map(|character| if character.is_control() { '\u{fffd}' } else { character })
        .collect()
}

/// The JSON in a file, or in standard input.
pub(super) fn json_in(file: &Path) -> anyhow::Result<Value> {
    let read = || format!("read {}", file.display());
    let text = if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).with_context(read)?;
        text
    } else {
        std::fs::read_to_string(file).with_context(read)?
    };
    serde_json::from_str(&text).with_context(|| format!("{} is not JSON", file.display()))
}
