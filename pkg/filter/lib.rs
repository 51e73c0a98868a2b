//! Filters: conditions and short calculations in the Common Expression Language (CEL), compiled once and
//! evaluated often.
//!
//! [`Filter::compile`] parses a text and refuses what is too large, too deep or not in the caller's
//! [`Vocabulary`]; [`Invalid`] says where and what to write instead. [`Filter::evaluate`] asks the caller's
//! [`Variables`] for the values that the filter names. Texts and values may be hostile: both calls end in bounded
//! time on a bounded stack, and a panic of the library is an error.
//!
//! ```
//! use filter::{Filter, Value, Variable, Variables, Vocabulary};
//!
//! struct Dice(i64);
//!
//! impl Variables for Dice {
//!     fn name(&self, name: &str) -> Option<Variable<'_>> {
//!         (name == "eyes").then_some(Variable::Int(self.0))
//!     }
//! }
//!
//! let filter = Filter::compile("eyes > 4", &Vocabulary::of(["eyes"]))?;
//! assert_eq!(filter.names(), ["eyes"]);
//! assert_eq!(filter.evaluate(&Dice(5)), Ok(Value::Bool(true)));
//! # Ok::<(), filter::Invalid>(())
//! ```
//!
//! Deliberately not here: regular expressions, `map` and `filter`, macros within macros, types as values, optional
//! values, any domain. The page `docs/internals/filters.md` describes the flow and the bounds.

mod compile;
mod count;
mod evaluate;
mod failed;
mod hook;
mod instant;
mod invalid;
mod json;
mod lower;
mod numeric;
mod parse;
mod slot;
mod span;
mod temporal;
mod tokens;
mod value;
mod variables;
mod vocabulary;

pub use compile::Filter;
pub use failed::Failed;
pub use invalid::{Invalid, Position};
pub use value::Value;
pub use variables::{Variable, Variables};
pub use vocabulary::Vocabulary;

/// Longest text of a filter, in bytes.
pub const MAX_TEXT: usize = 2048;

/// Most nodes of a filter's syntax tree: names, literals, operators and calls, after macros are expanded.
pub const MAX_NODES: usize = 256;

/// Deepest nesting: of the syntax tree after macros are expanded, and of brackets and `? :` in the text.
pub const MAX_DEPTH: usize = 24;

/// Most work of one evaluation. A step is a value of a list or map that is read, 64 bytes of text that are read, or
/// a node that a macro evaluates for one element; the call of a function of the caller is 100 steps.
pub const MAX_STEPS: u64 = 1_000_000;
