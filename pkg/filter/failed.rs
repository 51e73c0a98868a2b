//! Why an evaluation has no result.

use cel::ExecutionError;

/// Why an evaluation has no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failed {
    /// A value that the filter needs is absent. Evaluate again when it is there.
    #[error("There is no value for {0}.")]
    Absent(String),
    /// An operator or a function takes no values of these types. Pass over these values.
    #[error("{0}")]
    Types(String),
    /// The values do not fit the filter: a text that is no number, a division by zero, an overflow. Pass over these
    /// values.
    #[error("{0}")]
    Unfit(String),
    /// The values are too large for this filter: more than [`MAX_STEPS`](crate::MAX_STEPS).
    #[error("The filter takes too many steps with these values.")]
    Costly,
    /// The library, or one of the caller's [`Variables`](crate::Variables), panicked. Report it with the filter.
    #[error("The filter cannot be evaluated because of a defect.")]
    Defect,
}

/// Puts the library's error into a sentence. Never its debug output, which may hold values.
pub(crate) fn explain(error: &ExecutionError) -> Failed {
    use ExecutionError as E;
    let of_types = match error {
        E::NoSuchOverload(overload) => {
            let types: Vec<&str> = overload.argument_types().iter().map(|name| plain(name)).collect();
            let function = overload.function().trim_matches(['_', '@']).replace('_', "");
            format!("{} does not take {}.", sign(&function), types.join(" and "))
        }
        E::UnexpectedType { want, got } => format!("A {} is needed here, not {}.", plain(want), plain(got)),
        E::ValuesNotComparable(one, other) => {
            format!("{} and {} cannot be compared.", kind(one), kind(other))
        }
        E::UnsupportedBinaryOperator(operator, one, other) => {
            format!("{} does not take {} and {}.", sign(operator), kind(one), kind(other))
        }
        other => return Failed::Unfit(of_values(other)),
    };
    Failed::Types(of_types)
}

fn of_values(error: &ExecutionError) -> String {
    use ExecutionError as E;
    match error {
        E::NoSuchKey(key) => format!("There is no key {key:?}."),
        E::DivisionByZero(_) => "A number is divided by zero.".to_owned(),
        E::RemainderByZero(_) => "The remainder of a division by zero is not defined.".to_owned(),
        E::Overflow(operator, ..) => format!("The result of {} is out of range.", sign(operator)),
        E::IndexOutOfBounds(_) => "An index is outside of its list.".to_owned(),
        E::DuplicateKey(_) => "A map has a key twice.".to_owned(),
        E::FunctionError { function, message } => match crate::hook::sentence(message) {
            Some(sentence) => sentence.to_owned(),
            None => format!("{function}() cannot convert this value."),
        },
        _ => "The types of the values do not fit.".to_owned(),
    }
}

/// A type's name as filters write it. The library's own text is no type and is left out.
fn plain(name: &str) -> &str {
    match name {
        "google.protobuf.Timestamp" => "timestamp",
        "google.protobuf.Duration" => "duration",
        "bool" | "int" | "uint" | "double" | "string" | "bytes" | "list" | "map" | "null_type" => name,
        "iterable" => "list or map",
        _ => "value of another type",
    }
}

fn kind(value: &cel::Value) -> &'static str {
    use cel::Value as V;
    match value {
        V::Bool(_) => "bool",
        V::Int(_) => "int",
        V::UInt(_) => "uint",
        V::Float(_) => "double",
        V::String(_) => "string",
        V::Bytes(_) => "bytes",
        V::List(_) => "list",
        V::Map(_) => "map",
        // Times have no form of the library's own, and arrive as null.
        _ => "another type",
    }
}

fn sign(operator: &str) -> &str {
    match operator {
        "add" => "+",
        "sub" => "-",
        "mul" => "*",
        "div" => "/",
        "rem" | "mod" => "%",
        "neg" | "negate" | "minus" => "-",
        other => other,
    }
}
