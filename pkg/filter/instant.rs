//! Timestamps. The library's own need chrono and its time zones; these use jiff, which is here already.

use crate::hook::{refuse, unfit};
use crate::span::Span;
use cel::ExecutionError;
use cel::common::traits::{Adder, Comparer, Subtractor};
use cel::common::types::{TIMESTAMP_TYPE, Type};
use cel::common::value::{CowVal, StaticVal, Val};
use jiff::Timestamp;
use std::any::Any;
use std::cmp::Ordering;

static TYPE: Type = TIMESTAMP_TYPE;

/// A `timestamp`.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(crate) struct Instant(pub(crate) Timestamp);

impl Val for Instant {
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

impl StaticVal for Instant {}

impl Comparer for Instant {
    fn compare(&self, other: &dyn Val) -> Result<Ordering, ExecutionError> {
        let other = other.downcast_ref::<Self>().ok_or_else(|| unfit("<", self, other))?;
        Ok(self.0.cmp(&other.0))
    }
}

impl Adder for Instant {
    fn add<'b, 'v>(&'b self, other: &(dyn Val + 'v)) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let span = other.downcast_ref::<Span>().ok_or_else(|| unfit("+", self, other))?;
        self.moved(*span)
    }
}

/// A timestamp is added to a duration as a duration is to it.
impl Adder for Span {
    fn add<'b, 'v>(&'b self, other: &(dyn Val + 'v)) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        if let Some(moment) = other.downcast_ref::<Instant>() {
            return moment.moved(*self);
        }
        let other = other.downcast_ref::<Self>().ok_or_else(|| unfit("+", self, other))?;
        Ok(CowVal::owned(self.plus(*other)?))
    }
}

impl Subtractor for Instant {
    fn sub<'b, 'v>(&'b self, other: &(dyn Val + 'v)) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        if let Some(earlier) = other.downcast_ref::<Self>() {
            return Ok(CowVal::owned(Span(self.0.duration_since(earlier.0))));
        }
        let span = other.downcast_ref::<Span>().ok_or_else(|| unfit("-", self, other))?;
        self.moved(span.negated()?)
    }
}

impl Instant {
    /// This moment, later by a span.
    pub(crate) fn moved<'b, 'v>(self, span: Span) -> Result<CowVal<'b, 'v>, ExecutionError> {
        let moved = self.0.checked_add(span.0);
        let moved = moved.map_err(|_| refuse("+", "A timestamp is out of range."))?;
        Ok(CowVal::owned(Self(moved)))
    }
}
