//! Compares what commands print with what their page shows.

use super::{Block, Shown};

impl Block {
    /// Checks that the commands printed what the page shows.
    pub(super) fn shows(&self, printed: &str) {
        let Some(shown) = &self.shown else { return };
        let (shown, is_as_shown) = match shown {
            // The tour has its own data; other pages are read whenever, so that values differ.
            Shown::Json(shown) if ["README.md", "docs/tour.md"].contains(&self.page) => {
                (shown, is_as_shown(shown, printed))
            }
            Shown::Json(shown) => (shown, has_keys_of(shown, printed)),
            Shown::Text(shown) => (shown, is_as_shown(&redacted(shown), &redacted(printed))),
        };
        assert!(
            is_as_shown,
            "{}:\n{}\nThe page shows\n{shown}\nbut it prints\n{printed}",
            self.page, self.commands
        );
    }
}

/// Whether the output is what the page shows, where `…` stands for anything; ids differ.
fn is_as_shown(shown: &str, printed: &str) -> bool {
    let mut rest = printed;
    let shown = shown.trim_end();
    let mut parts = shown.split('…').peekable();
    let mut first = true;
    while let Some(part) = parts.next() {
        // The page shows how an id begins.
        let part = match part.rsplit_once("\"id\":\"") {
            Some((before, _)) if parts.peek().is_some() => format!("{before}\"id\":\""),
            _ => part.to_owned(),
        };
        let Some(at) = rest.find(&part).filter(|at| !first || *at == 0) else {
            return false;
        };
        rest = &rest[at + part.len()..];
        first = false;
    }
    rest.trim().is_empty() || shown.ends_with('…')
}

/// Whether the output has every key that the page shows.
fn has_keys_of(shown: &str, printed: &str) -> bool {
    let ends = shown.match_indices("\":").map(|(at, _)| &shown[..at]);
    let mut keys = ends.filter_map(|before| before.rsplit_once('"'));
    keys.all(|(_, key)| printed.contains(&format!("\"{key}\":")))
}

/// The text with `#` for each number, and `[key]` or `[id]` for what is random. The page may show only the
/// beginning of these. A line of `…` stands for all further lines.
fn redacted(text: &str) -> String {
    let lines = text.trim().lines().map(|line| {
        let line = line.trim_end();
        // A page cuts off a text at the end of a line.
        let shown = line.strip_suffix('…').unwrap_or(line);
        let indent = &shown[..shown.len() - shown.trim_start().len()];
        let words: Vec<String> = shown.split_whitespace().map(word).collect();
        if words.is_empty() && line != shown {
            return "…".to_owned();
        }
        format!("{indent}{}", words.join(" "))
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn word(word: &str) -> String {
    if word.starts_with("odo_") {
        return "[key]".to_owned();
    }
    if word.len() >= 8 && word.chars().all(|c| c.is_ascii_hexdigit() || c == '-') {
        return "[id]".to_owned();
    }
    let mut numbers = String::new();
    for c in word.chars() {
        match c {
            '0'..='9' if numbers.ends_with('#') => {}
            '0'..='9' => numbers.push('#'),
            ',' | '.' if numbers.ends_with('#') => {}
            _ => numbers.push(c),
        }
    }
    numbers
}

#[test]
fn only_numbers_keys_and_ids_may_differ() {
    let page =
        "6,000 readings accepted, 0 rejected\n536.22 KiB in 0.0 s, 158,607 readings/s\ncorrelation id 01a1fd4a-8ab1-…";
    let printed = |word: &str| {
        format!(
            "6,000 readings {word}, 0 rejected\n1.5 KiB in 10.0 s, 7 readings/s\ncorrelation id 01a1fd4a-8ab1-7000-8000-000000000000\n"
        )
    };
    assert!(is_as_shown(&redacted(page), &redacted(&printed("accepted"))));
    assert!(!is_as_shown(&redacted(page), &redacted(&printed("taken"))));
    let key = "  with the key      odo_0ced…\n  …";
    assert!(is_as_shown(
        &redacted(key),
        &redacted("  with the key      odo_19e4aabb\n\n  Status")
    ));
    assert!(!is_as_shown(
        &redacted(key),
        &redacted("  with a key      odo_19e4aabb\n\n  Status")
    ));
}
