//! What the caller answers during an evaluation.

use crate::Value;

/// The values of names, keys and functions.
///
/// An evaluation asks for each place that the filter reads, such as `a.b`, and for each call of a function. It may ask more
/// than once for a number.
///
/// `Sync`, because the library asks for it; an evaluation stays on its thread.
pub trait Variables: Sync {
    /// The value of a free name, or none if it has no value at the moment.
    fn name(&self, name: &str) -> Option<Variable<'_>>;

    /// The value of a key of the vocabulary's map.
    fn key(&self, key: &str) -> Option<Variable<'_>> {
        let _ = key;
        None
    }

    /// The result of a function of the vocabulary.
    ///
    /// # Errors
    /// One sentence on why these arguments have no result; the evaluation fails with it.
    fn call(&self, function: &str, arguments: &[Value]) -> Result<Value, String> {
        let _ = arguments;
        Err(format!("There is no function {function}."))
    }
}

/// A value that a filter may read.
#[derive(Clone, Copy, Debug)]
pub enum Variable<'a> {
    /// A `bool`.
    Bool(bool),
    /// An `int`.
    Int(i64),
    /// A `uint`.
    Uint(u64),
    /// A `double`.
    Double(f64),
    /// A `string`, not copied.
    Text(&'a str),
    /// A `timestamp`.
    Time(jiff::Timestamp),
    /// JSON: numbers without fraction and exponent that fit become `int`, others `double`. Objects become maps,
    /// arrays lists. Nested at most 128 deep, as `serde_json` reads it.
    Json(&'a serde_json::Value),
}
