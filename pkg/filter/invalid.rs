//! Why a text is no filter.

use std::fmt;

/// A place in the text of a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1, in characters.
    pub column: usize,
}

impl Position {
    /// The place of the character that holds the byte `offset`, or the text's end.
    pub(crate) fn at(text: &str, offset: usize) -> Self {
        let before: usize = text
            .char_indices()
            .take_while(|(start, character)| start + character.len_utf8() <= offset)
            .map(|(_, character)| character.len_utf8())
            .sum();
        let before = &text[..before];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "line {}, column {}", self.line, self.column)
    }
}

/// Why a text is no filter. Correct the text: compiling it again gives the same error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{position}: {message} {hint}")]
pub struct Invalid {
    /// Where the problem begins.
    pub position: Position,
    /// What is wrong, one sentence.
    pub message: String,
    /// What to write instead, one sentence.
    pub hint: String,
}

impl Invalid {
    /// A problem at the byte `offset` of `text`.
    pub(crate) fn at(text: &str, offset: usize, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            position: Position::at(text, offset),
            message: message.into(),
            hint: hint.into(),
        }
    }
}
