//! The words and signs of a Rust file.

pub(super) fn is_word(token: &str) -> bool {
    token.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
}

/// Words, `::` and single signs; no comments, no texts, no lifetimes.
pub(super) fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut left = text;
    while let Some(first) = left.chars().next() {
        let word = left.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let word = &left[..word.unwrap_or(left.len())];
        let after = &left[word.len()..];
        let length = if left.starts_with("//") {
            left.find('\n').unwrap_or(left.len())
        } else if left.starts_with("/*") {
            left.find("*/").map_or(left.len(), |end| end + 2)
        } else if matches!(word, "r" | "br" | "cr") && after.trim_start_matches('#').starts_with('"') {
            let hashes = after.len() - after.trim_start_matches('#').len();
            let end = format!("\"{}", "#".repeat(hashes));
            let begun = word.len() + hashes + 1;
            left[begun..].find(&end).map_or(left.len(), |at| begun + at + end.len())
        } else if first == '"' {
            quoted(left, '"')
        } else if first == '\'' {
            // A character, or a lifetime.
            let mut next = left.chars().skip(1);
            match (next.next(), next.next()) {
                (Some('\\'), _) | (Some(_), Some('\'')) => quoted(left, '\''),
                _ => {
                    1 + left[1..]
                        .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                        .unwrap_or(0)
                }
            }
        } else if first.is_whitespace() {
            first.len_utf8()
        } else {
            let sign = if left.starts_with("::") { 2 } else { first.len_utf8() };
            let length = word.len().max(sign);
            tokens.push(left[..length].to_owned());
            length
        };
        left = &left[length..];
    }
    tokens
}

/// The length of a text in quotes.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}
