//! Texts within HTML and XML.

/// A text, with the characters escaped that mean something in HTML and XML: between tags, and as the value of an
/// attribute.
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for ch in text.chars() {
        match ch {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(ch),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_markup() {
        assert_eq!(
            escaped("<b> & a \"c\" 'd'\n"),
            "&lt;b&gt; &amp; a &quot;c&quot; &#39;d&#39;\n"
        );
        assert_eq!(escaped("plain"), "plain");
    }
}
