//! Leaves comments out of what browsers get: they are a quarter of it.

/// A text of JavaScript or CSS without the lines that hold nothing but a comment. Empty lines stand in their places, so
/// each line keeps its number.
pub(crate) fn left_out(text: &str) -> String {
    let mut rest = String::with_capacity(text.len());
    let mut is_inside = false;
    for line in text.split_inclusive('\n') {
        let code = line.trim();
        let begins = !is_inside && code.starts_with("/*");
        let is_comment = is_inside || code.starts_with("//") || begins && !has_code_after(code);
        if is_comment {
            rest.push_str(if line.ends_with('\n') { "\n" } else { "" });
        } else {
            rest.push_str(line);
        }
        is_inside = (is_inside || begins) && !code.contains("*/");
    }
    rest
}

/// Whether code follows the comment that begins a line.
fn has_code_after(line: &str) -> bool {
    line.split_once("*/").is_some_and(|(_, code)| !code.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_comments_are_left_out_and_others_stay() {
        for (text, expected) in [
            ("// a\nb(); // c\n", "\nb(); // c\n"),
            ("/** a */\nb();\n", "\nb();\n"),
            ("/**\n * a\n */\nb();\n", "\n\n\nb();\n"),
            ("  /* a\n  b */\nc();", "\n\nc();"),
            (
                "/** @type {A} */ (b).c();\n/* a */ b(); /* c */\n",
                "/** @type {A} */ (b).c();\n/* a */ b(); /* c */\n",
            ),
            ("const a = 'https://b';\n", "const a = 'https://b';\n"),
            ("a(/** @type {B} */\nc);\n// d", "a(/** @type {B} */\nc);\n"),
            ("", ""),
        ] {
            assert_eq!(left_out(text), expected, "{text}");
        }
    }
}
