//! Names of the functions of a bucket.

use crate::words::bucket::Function;
use serde::Deserialize;

/// The functions by their names in requests and answers.
const FUNCTIONS: [(&str, Function); 10] = [
    ("avg", Function::Avg),
    ("min", Function::Min),
    ("max", Function::Max),
    ("sum", Function::Sum),
    ("count", Function::Count),
    ("first", Function::First),
    ("last", Function::Last),
    ("stddev", Function::Stddev),
    ("p50", Function::P50),
    ("p95", Function::P95),
];

pub(super) fn name(function: Function) -> &'static str {
    let named = FUNCTIONS.iter().find(|(_, named)| *named == function);
    named.map_or("", |(name, _)| name)
}

/// The functions with their names.
pub(super) fn all() -> [(&'static str, Function); 10] {
    FUNCTIONS
}

/// Functions in a request: `avg,max`, each at most once.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Functions(pub(super) Vec<Function>);

impl Default for Functions {
    fn default() -> Self {
        Self(vec![Function::Avg])
    }
}

impl TryFrom<String> for Functions {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        const HELP: &str =
            "write some of avg, min, max, sum, count, first, last, stddev, p50 and p95, each once, with commas";
        let mut functions = Vec::new();
        for asked in text.split(',') {
            let named = FUNCTIONS.iter().find(|(name, _)| *name == asked);
            let function = named.map(|(_, function)| *function);
            match function.filter(|function| !functions.contains(function)) {
                Some(function) => functions.push(function),
                None => return Err(HELP),
            }
        }
        Ok(Self(functions))
    }
}
