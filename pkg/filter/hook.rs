//! Functions of the caller.
//!
//! The library takes only `'static` functions, but the caller's borrow its data. So `f(a, b)` is compiled to
//! `f[[a, b]]`, an index into this value.

use crate::{Value, Variables};
use cel::ExecutionError;
use cel::common::traits::Indexer;
use cel::common::types::{CelList, MAP_TYPE, Type};
use cel::common::value::{CowVal, Val};
use std::fmt;

static TYPE: Type = MAP_TYPE;

/// Tells sentences of ours from the library's texts in a [`ExecutionError::FunctionError`].
const OURS: &str = "\u{1}";

/// One function of the caller, during an evaluation.
#[derive(Clone, Copy)]
pub(crate) struct Hook<'a> {
    pub(crate) name: &'a str,
    pub(crate) variables: &'a dyn Variables,
}

/// An error with a sentence of ours.
pub(crate) fn refuse(function: &str, sentence: &str) -> ExecutionError {
    ExecutionError::function_error(function, format!("{OURS}{sentence}"))
}

/// An operator that does not take these types.
pub(crate) fn unfit(operator: &str, one: &dyn Val, other: &dyn Val) -> ExecutionError {
    let types = [one, other].map(|value| value.get_type().name().to_owned());
    ExecutionError::no_such_overload(operator, types.to_vec())
}

/// The sentence, if it is one of ours.
pub(crate) fn sentence(message: &str) -> Option<&str> {
    message.strip_prefix(OURS)
}

impl Indexer for Hook<'_> {
    fn get<'b, 'v>(&'b self, arguments: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let list = arguments.downcast_ref::<CelList>();
        let list = list.ok_or_else(|| refuse(self.name, "The arguments are no list."))?;
        let values: Vec<Value> = list.inner().iter().map(|value| Value::of(value.as_ref())).collect();
        let result = self.variables.call(self.name, &values);
        let result = result.map_err(|reason| refuse(self.name, &reason))?;
        match result.into_val() {
            Some(value) => Ok(CowVal::Owned(value)),
            None => Err(refuse(self.name, &format!("{}() gave no scalar.", self.name))),
        }
    }

    fn steal<'v>(self: Box<Self>, arguments: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.get(arguments).map(CowVal::into_owned)
    }
}

impl Val for Hook<'_> {
    fn get_type(&self) -> &Type {
        &TYPE
    }

    fn cel_type() -> &'static Type {
        &TYPE
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(*self)
    }
}

impl fmt::Debug for Hook<'_> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("Hook")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
