//! Results and arguments.

use cel::common::types::{CelBool, CelDouble, CelInt, CelNull, CelString, CelUInt};
use cel::common::value::Val;

/// The result of a filter, or an argument of a caller's function.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A `bool`.
    Bool(bool),
    /// An `int`.
    Int(i64),
    /// A `uint`.
    Uint(u64),
    /// A `double`.
    Double(f64),
    /// A `string`.
    Text(String),
    /// `null`.
    Null,
    /// A list, a map, bytes, a time or a duration.
    Other,
}

impl Value {
    pub(crate) fn of(value: &dyn Val) -> Self {
        if let Some(value) = value.downcast_ref::<CelBool>() {
            Self::Bool(*value.inner())
        } else if let Some(value) = value.downcast_ref::<CelDouble>() {
            Self::Double(*value.inner())
        } else if let Some(value) = value.downcast_ref::<CelInt>() {
            Self::Int(*value.inner())
        } else if let Some(value) = value.downcast_ref::<CelUInt>() {
            Self::Uint(*value.inner())
        } else if let Some(value) = value.downcast_ref::<CelString>() {
            Self::Text(value.inner().to_owned())
        } else if value.downcast_ref::<CelNull>().is_some() {
            Self::Null
        } else {
            Self::Other
        }
    }

    /// The library's value, none for [`Value::Other`].
    pub(crate) fn into_val(self) -> Option<Box<dyn Val>> {
        Some(match self {
            Self::Bool(value) => Box::new(CelBool::from(value)),
            Self::Int(value) => Box::new(CelInt::from(value)),
            Self::Uint(value) => Box::new(CelUInt::from(value)),
            Self::Double(value) => Box::new(CelDouble::from(value)),
            Self::Text(value) => Box::new(CelString::from(value)),
            Self::Null => Box::new(CelNull),
            Self::Other => return None,
        })
    }
}
