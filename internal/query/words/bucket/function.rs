//! Functions of the readings in a bucket.

/// A function of the readings in a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    /// Their average.
    Avg,
    /// The least value.
    Min,
    /// The greatest value.
    Max,
    /// Their number.
    Count,
    /// The value of the earliest; at equal times, of the device whose name is bytewise smaller.
    First,
    /// The value of the latest; at equal times, as above.
    Last,
}

/// A function's values in each bucket, in order of time; `None` without readings.
pub(crate) type Column = Vec<Option<f64>>;

impl Function {
    /// Whether its value is in the unit of the readings, unlike a count.
    pub(super) fn is_value(self) -> bool {
        self != Self::Count
    }
}
