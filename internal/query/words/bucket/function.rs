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
    /// Their sum; `None` beyond the range of a double.
    Sum,
    /// The standard deviation of the sample; `None` below two readings.
    Stddev,
    /// The median, interpolated between the two values beside it.
    P50,
    /// The value that 95 % of the values are below, likewise.
    P95,
    /// The value of the earliest; at equal times, of the device whose name is bytewise smaller.
    First,
    /// The value of the latest; at equal times, as above.
    Last,
}

/// A function's values in each bucket, in order of time; `None` without readings.
pub(crate) type Column = Vec<Option<f64>>;

impl Function {
    /// Whether an empty bucket may take it from its neighbours, unlike a count, a sum or a deviation.
    pub(super) fn is_value(self) -> bool {
        !matches!(self, Self::Count | Self::Sum | Self::Stddev)
    }

    /// Whether each bucket with a reading has it.
    pub(super) fn is_always_there(self) -> bool {
        !matches!(self, Self::Sum | Self::Stddev)
    }
}
