//! Checks a text word by word, before the recursive parser sees it: size, brackets, depth, words that are refused.

use crate::{Invalid, MAX_DEPTH, MAX_TEXT};
use cel::parser::pratt_parser::{Lexer, Token, TokenKind};

/// Macros and functions that are refused wherever they are called.
const REFUSED: [(&str, &str); 3] = [
    ("map", "Write list.exists(x, x > 1), or all or exists_one."),
    ("filter", "Write list.exists(x, x > 1), or all or exists_one."),
    ("matches", "Write contains, startsWith or endsWith."),
];

/// The words of a text, without spaces and comments.
///
/// # Errors
/// Says what is wrong at the first word that is.
pub(crate) fn check(text: &str) -> Result<Vec<Token>, Invalid> {
    if text.len() > MAX_TEXT {
        let message = format!("The filter has {} bytes, more than {MAX_TEXT}.", text.len());
        return Err(Invalid::at(text, MAX_TEXT, message, "Split it into several filters."));
    }
    let tokens = read(text)?;
    if tokens.is_empty() {
        return Err(Invalid::at(
            text,
            0,
            "The filter is empty.",
            "Write a condition, such as a > 1.",
        ));
    }
    for (at, token) in tokens.iter().enumerate() {
        let kind = |at: usize| tokens.get(at).map(|token| token.kind);
        word(text, *token, at.checked_sub(1).and_then(kind), kind(at + 1))?;
    }
    depth(text, &tokens)?;
    Ok(tokens)
}

fn read(text: &str) -> Result<Vec<Token>, Invalid> {
    let (mut lexer, mut tokens) = (Lexer::new(text), Vec::new());
    loop {
        let token = lexer.lex();
        match token.kind {
            TokenKind::TokEnd => return Ok(tokens),
            TokenKind::TokWhitespace | TokenKind::TokComment => {}
            TokenKind::TokError => {
                let problem = lexer.get_error().map_or("", |error| error.message.as_str());
                return Err(unreadable(text, token.start, problem));
            }
            _ => tokens.push(token),
        }
    }
}

fn unreadable(text: &str, start: usize, problem: &str) -> Invalid {
    let (message, hint) = if problem.starts_with("unterminated quoted") {
        (
            "A backquote is never closed.",
            "Write a[\"b-c\"] for a field with other characters.",
        )
    } else if problem.starts_with("unterminated") {
        ("A text in quotes is never closed.", "Close it with the same quotes.")
    } else if problem.contains("single '&'") {
        ("A single & has no meaning.", "Write && between two conditions.")
    } else if problem.contains("single '|'") {
        ("A single | has no meaning.", "Write || between two conditions.")
    } else if problem.contains("literal") {
        (
            "A number is not complete.",
            "Write numbers as 120, 0.5, 1e3, 0x1F or 7u.",
        )
    } else {
        let character = text[start..].chars().next().unwrap_or_default();
        let message = format!("The character {} cannot stand here.", character.escape_debug());
        let hint = "Write names in ASCII letters, digits and _, and other text in straight quotes.";
        return Invalid::at(text, start, message, hint);
    };
    Invalid::at(text, start, message, hint)
}

fn word(text: &str, token: Token, before: Option<TokenKind>, next: Option<TokenKind>) -> Result<(), Invalid> {
    let word = &text[token.start..token.end];
    let refuse = |message: String, hint: &str| Err(Invalid::at(text, token.start, message, hint));
    match token.kind {
        TokenKind::TokEqual => refuse("A single = compares nothing.".to_owned(), "Write == to compare."),
        TokenKind::TokReservedWord if before != Some(TokenKind::TokDot) => {
            refuse(format!("{word} is a reserved word."), "Choose another name.")
        }
        TokenKind::TokIdent if word.starts_with('`') => refuse(
            "Names in backquotes are not supported.".to_owned(),
            "Write a[\"b-c\"] for a field with other characters.",
        ),
        TokenKind::TokIdent if next == Some(TokenKind::TokLeftParen) => {
            match REFUSED.iter().find(|(name, _)| *name == word) {
                Some((name, hint)) => refuse(format!("{name} is not available in filters."), hint),
                None => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

/// Bounds what the parser recurses into: brackets and `? :`, and runs of `!` and `-`.
fn depth(text: &str, tokens: &[Token]) -> Result<(), Invalid> {
    // Each open bracket, and the `?` seen in it since its last comma.
    let mut open: Vec<(Token, usize)> = Vec::new();
    let (mut choices, mut all_choices, mut run) = (0, 0, 0);
    for token in tokens {
        run = if unary(token.kind) { run + 1 } else { 0 };
        match token.kind {
            TokenKind::TokLeftParen | TokenKind::TokLeftBracket | TokenKind::TokLeftBrace => {
                open.push((*token, choices));
                choices = 0;
            }
            TokenKind::TokRightParen | TokenKind::TokRightBracket | TokenKind::TokRightBrace => {
                let Some((opened, outer)) = open.pop() else {
                    let message = format!("This {} closes nothing.", shown(text, *token));
                    return Err(Invalid::at(text, token.start, message, "Remove it, or open it before."));
                };
                if closing(opened.kind) != Some(token.kind) {
                    let (one, other) = (shown(text, opened), shown(text, *token));
                    let message = format!("This {other} stands where the open {one} must be closed.");
                    return Err(Invalid::at(
                        text,
                        token.start,
                        message,
                        "Close brackets in the order of their opening.",
                    ));
                }
                all_choices -= choices;
                choices = outer;
            }
            TokenKind::TokQuestion => {
                choices += 1;
                all_choices += 1;
            }
            TokenKind::TokComma => {
                all_choices -= choices;
                choices = 0;
            }
            _ => {}
        }
        if open.len() + all_choices > MAX_DEPTH || run > MAX_DEPTH {
            return Err(too_deep(text, token.start));
        }
    }
    match open.pop() {
        Some((opened, _)) => {
            let message = format!("This {} is never closed.", shown(text, opened));
            Err(Invalid::at(text, opened.start, message, "Close it."))
        }
        None => Ok(()),
    }
}

pub(crate) fn too_deep(text: &str, offset: usize) -> Invalid {
    let message = format!("The filter is nested deeper than {MAX_DEPTH} here.");
    Invalid::at(
        text,
        offset,
        message,
        "Join conditions with && and || on one level, or split the filter.",
    )
}

/// A word as an error shows it: never long.
pub(crate) fn shown(text: &str, token: Token) -> String {
    let word = &text[token.start..token.end];
    let mut shown: String = word.chars().take(40).collect();
    if shown.len() < word.len() {
        shown.push('…');
    }
    shown.replace(char::is_control, " ")
}

fn unary(kind: TokenKind) -> bool {
    matches!(kind, TokenKind::TokExclamation | TokenKind::TokMinus)
}

fn closing(open: TokenKind) -> Option<TokenKind> {
    match open {
        TokenKind::TokLeftParen => Some(TokenKind::TokRightParen),
        TokenKind::TokLeftBracket => Some(TokenKind::TokRightBracket),
        TokenKind::TokLeftBrace => Some(TokenKind::TokRightBrace),
        _ => None,
    }
}
