//! Compiling a filter.

use crate::count::Excess;
use crate::lower::{Lowered, Problem};
use crate::numeric::Condition;
use crate::slot::{Root, Slot};
use crate::{Invalid, MAX_NODES, Vocabulary, count, lower, parse, tokens};
use cel::parser::Expression;
use cel::parser::pratt_parser::{Token, TokenKind};
use std::thread;

/// Stack of the parser's thread.
const STACK: usize = 8 * 1024 * 1024;

/// A compiled filter. Evaluations share it between threads.
pub struct Filter {
    pub(crate) expression: Expression,
    pub(crate) slots: Vec<Slot>,
    pub(crate) functions: Vec<String>,
    /// The same, where it only compares numbers.
    pub(crate) numeric: Option<Condition>,
    texts: Vec<(String, String)>,
    names: Vec<String>,
    keys: Vec<String>,
}

impl Filter {
    /// Compiles a text. Takes some 0.1 ms, most of it for a thread with a stack that no text overflows.
    ///
    /// # Errors
    /// See [`Invalid`]. Also if the system refuses a thread.
    pub fn compile(text: &str, vocabulary: &Vocabulary) -> Result<Self, Invalid> {
        let tokens = tokens::check(text)?;
        let compiled = thread::scope(|scope| {
            let thread = thread::Builder::new().name("filter".to_owned()).stack_size(STACK);
            let thread = thread.spawn_scoped(scope, || {
                let expression = parse::parse(text, &tokens)?;
                check(text, &tokens, expression, vocabulary)
            });
            // A panic of the library ends only that thread.
            thread.ok().and_then(|thread| thread.join().ok())
        });
        let lowered = compiled.unwrap_or_else(|| {
            let message = "The filter cannot be read because of a defect.";
            Err(Invalid::at(text, 0, message, "Write it in another way, and report it."))
        })?;
        Ok(Self::new(lowered))
    }

    fn new(lowered: Lowered) -> Self {
        let (mut names, mut keys) = (Vec::new(), Vec::new());
        for slot in &lowered.slots {
            match &slot.root {
                Root::Name(name) => names.push(name.clone()),
                Root::Key { key, .. } => keys.push(key.clone()),
            }
        }
        for list in [&mut names, &mut keys] {
            list.sort();
            list.dedup();
        }
        Self {
            numeric: Condition::of(&lowered.expression, &lowered.slots),
            expression: lowered.expression,
            slots: lowered.slots,
            functions: lowered.functions,
            texts: lowered.texts,
            names,
            keys,
        }
    }

    /// The free names that the filter uses, sorted.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The keys of the vocabulary's map that the filter uses, sorted.
    pub fn keys(&self) -> &[String] {
        &self.keys
    }

    /// The caller's functions that the filter calls, in the order of their first call.
    pub fn functions(&self) -> &[String] {
        &self.functions
    }

    /// The literal texts that are the only argument of a call of this function of the caller.
    pub fn texts_of<'a>(&'a self, function: &'a str) -> impl Iterator<Item = &'a str> {
        let texts = self.texts.iter();
        texts.filter_map(move |(name, text)| (name == function).then_some(text.as_str()))
    }
}

fn check(text: &str, tokens: &[Token], expression: Expression, vocabulary: &Vocabulary) -> Result<Lowered, Invalid> {
    match count::check(&expression) {
        Ok(()) => {}
        Err(Excess::Depth(id)) => return Err(tokens::too_deep(text, parse::offsets(text)(id))),
        Err(Excess::Nodes(ids)) => {
            let offset = parse::offsets(text);
            let mut offsets: Vec<usize> = ids.iter().map(|id| offset(*id)).collect();
            offsets.sort_unstable();
            let message = format!("The filter has {} nodes, more than {MAX_NODES}.", ids.len());
            return Err(Invalid::at(
                text,
                offsets[MAX_NODES],
                message,
                "Split it into several filters.",
            ));
        }
    }
    lower::lower(expression, vocabulary).map_err(|Problem { id, message, hint }| {
        let offset = named(tokens, parse::offsets(text)(id));
        Invalid::at(text, offset, message, hint)
    })
}

/// The library says that a call begins at its bracket; this is where its name begins.
fn named(tokens: &[Token], offset: usize) -> usize {
    let at = tokens
        .iter()
        .position(|token| token.start == offset && token.kind == TokenKind::TokLeftParen);
    let name = at.and_then(|at| tokens.get(at.checked_sub(1)?));
    name.map_or(offset, |name| name.start)
}
