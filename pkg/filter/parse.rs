//! Runs the library's parser, and puts its errors into sentences.

use crate::Invalid;
use crate::tokens::{shown, too_deep};
use cel::parser::pratt_parser::Token;
use cel::parser::{Expression, ParseError, ParseErrors, PrattParser};

/// A second bound of the recursion, which the check of words keeps far below.
const PARSER_DEPTH: u16 = 96;

/// Parses a text that [`tokens`](crate::tokens) has passed.
///
/// # Errors
/// The first error of the parser.
pub(crate) fn parse(text: &str, tokens: &[Token]) -> Result<Expression, Invalid> {
    parser().parse(text).map_err(|errors| first(text, tokens, &errors))
}

/// Where nodes begin, by their ids.
///
/// The parser keeps the places only beside an error, so the text is parsed once more with a closing bracket too many
/// at its end. The ids of the nodes before it stay.
pub(crate) fn offsets(text: &str) -> impl Fn(u64) -> usize {
    let errors = parser().parse(&format!("{text}\n)")).err();
    let errors = errors.map(|errors| errors.errors).unwrap_or_default();
    let info = errors.into_iter().find_map(|error| error.source_info);
    move |id| {
        info.as_ref()
            .and_then(|info| info.offset_for(id))
            .map_or(0, |(start, _)| start as usize)
    }
}

fn parser() -> PrattParser {
    PrattParser::new()
        .max_recursion_depth(PARSER_DEPTH)
        .error_recovery_limit(1)
        .error_reporting_limit(1)
}

fn first(text: &str, tokens: &[Token], errors: &ParseErrors) -> Invalid {
    let Some(error) = errors.errors.iter().find(|error| error.pos.0 > 0) else {
        return too_deep(text, 0);
    };
    let offset = offset(text, error);
    let at = tokens
        .iter()
        .position(|token| token.start >= offset)
        .unwrap_or(tokens.len());
    let here = tokens.get(at).map(|token| shown(text, *token));
    let before = at.checked_sub(1).map(|at| shown(text, tokens[at]));
    let at = if joins(before.as_deref()) { at - 1 } else { at };
    let (message, hint) = explain(&error.msg, here.as_deref(), before.as_deref());
    let start = tokens.get(at).map_or(text.len(), |token| token.start);
    Invalid::at(text, start, message, hint)
}

/// Whether a word is an operator of other languages.
fn joins(word: Option<&str>) -> bool {
    word.is_some_and(|word| ["and", "or", "not", "is"].contains(&&*word.to_lowercase()))
}

fn explain(problem: &str, here: Option<&str>, before: Option<&str>) -> (String, &'static str) {
    let has = |part: &str| problem.contains(part);
    let word = here.unwrap_or("the end");
    let (message, hint) = if joins(here) || joins(before) {
        ("and, or, not and is are no operators.", "Write &&, ||, ! and ==.")
    } else if has("invalid int") || has("invalid uint") || has("invalid double") {
        (
            "This number is out of range.",
            "Write a number of at most 64 bits, or a larger one as 1e19.",
        )
    } else if has("unescape") || has("unicode") || has("escape") {
        (
            "This text has an escape that does not exist.",
            "Write \\\\ for a backslash, or r\"…\" for a text without escapes.",
        )
    } else if has("has()") {
        ("has() takes the field of a value.", "Write has(a.b).")
    } else if has("simple name") {
        (
            "The first argument of a macro is a new name.",
            "Write list.exists(x, x > 1).",
        )
    } else if has("unsupported syntax") {
        ("Optional fields are not supported.", "Write has(a.b) ? a.b : 0.")
    } else if has("in conditional") {
        ("A ? has no : after it.", "Write condition ? one : other.")
    } else if has("after '.'") {
        (
            "A name is missing after the dot.",
            "Write a.b, or a[\"b-c\"] for a field with other characters.",
        )
    } else if has("map entry") || has("struct field") {
        ("A map needs a key, a colon and a value.", "Write {\"key\": 1}.")
    } else if here.is_none() {
        (
            "The filter ends where a value is missing.",
            "Complete it, or remove the last operator.",
        )
    } else if !has("unexpected") {
        let message = format!("{word} cannot follow what is before it.");
        return (message, "Join two conditions with && or ||.");
    } else {
        let message = format!("{word} cannot stand here: a value or a name is missing.");
        return (message, "Write a value or a name on both sides of an operator.");
    };
    (message.to_owned(), hint)
}

/// The library counts lines from 1, and columns from 1 in bytes.
fn offset(text: &str, error: &ParseError) -> usize {
    let (line, column) = (error.pos.0.unsigned_abs(), error.pos.1.unsigned_abs());
    let lines = text.split_inclusive('\n').take(line.saturating_sub(1));
    lines.map(str::len).sum::<usize>() + column.saturating_sub(1)
}
