//! Durations, on jiff as timestamps are. What is added to one is in [`instant`](crate::instant).

use crate::hook::{refuse, unfit};
use cel::ExecutionError;
use cel::common::traits::{Adder, Comparer, Negator, Subtractor};
use cel::common::types::{DURATION_TYPE, Type};
use cel::common::value::{CowVal, StaticVal, Val};
use jiff::SignedDuration;
use std::any::Any;
use std::cmp::Ordering;

static TYPE: Type = DURATION_TYPE;

/// A `duration`.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(crate) struct Span(pub(crate) SignedDuration);

impl Span {
    /// Reads `1h30m`, `-1.5s`, `250ms`.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let units = |character: char| character.is_ascii_digit() || "hmsun.+-".contains(character);
        let span = if text == "0" { Some(SignedDuration::ZERO) } else { None };
        let span = span.or_else(|| text.chars().all(units).then(|| text.parse().ok()).flatten());
        span.map(Self)
    }

    /// Seconds, with as many digits after the point as are needed: `90s`, `-1.5s`.
    pub(crate) fn show(self) -> String {
        let (nanos, sign) = (
            self.0.as_nanos().unsigned_abs(),
            if self.0.is_negative() { "-" } else { "" },
        );
        let (whole, part) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
        if part == 0 {
            return format!("{sign}{whole}s");
        }
        format!("{sign}{whole}.{}s", format!("{part:09}").trim_end_matches('0'))
    }

    pub(crate) fn plus(self, other: Self) -> Result<Self, ExecutionError> {
        self.0.checked_add(other.0).map(Self).ok_or_else(out_of_range)
    }

    pub(crate) fn negated(self) -> Result<Self, ExecutionError> {
        self.0.checked_neg().map(Self).ok_or_else(out_of_range)
    }
}

impl Val for Span {
    fn get_type(&self) -> &Type {
        &TYPE
    }

    fn cel_type() -> &'static Type {
        &TYPE
    }

    fn as_adder<'b, 'v>(&'b self) -> Option<&'b (dyn Adder + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_comparer(&self) -> Option<&dyn Comparer> {
        Some(self)
    }

    fn as_negator<'b, 'v>(&'b self) -> Option<&'b (dyn Negator + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_subtractor<'b, 'v>(&'b self) -> Option<&'b (dyn Subtractor + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn equals(&self, other: &dyn Val) -> bool {
        other.downcast_ref::<Self>() == Some(self)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(*self)
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Span {}

impl Comparer for Span {
    fn compare(&self, other: &dyn Val) -> Result<Ordering, ExecutionError> {
        let other = other.downcast_ref::<Self>().ok_or_else(|| unfit("<", self, other))?;
        Ok(self.0.cmp(&other.0))
    }
}

impl Subtractor for Span {
    fn sub<'b, 'v>(&'b self, other: &(dyn Val + 'v)) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let other = other.downcast_ref::<Self>().ok_or_else(|| unfit("-", self, other))?;
        let rest = self.0.checked_sub(other.0).ok_or_else(out_of_range)?;
        Ok(CowVal::owned(Self(rest)))
    }
}

impl Negator for Span {
    fn negate<'v>(&self) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.negated().map(|span| Box::new(span) as Box<dyn Val + 'v>)
    }
}

fn out_of_range() -> ExecutionError {
    refuse("duration", "A duration is out of range.")
}
