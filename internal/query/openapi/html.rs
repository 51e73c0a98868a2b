//! Texts within HTML.

use web::escaped;

/// A text whose parts between backticks are code.
pub(super) fn rich(text: &str) -> String {
    let mut rich = String::with_capacity(text.len());
    for (number, part) in text.split('`').enumerate() {
        if number % 2 == 1 {
            rich = rich + "<code>" + &escaped(part) + "</code>";
        } else {
            rich.push_str(&escaped(part));
        }
    }
    rich
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_markup_but_code() {
        assert_eq!(
            rich("<b> & `a < b` and \"c\" 'd'"),
            "&lt;b&gt; &amp; <code>a &lt; b</code> and &quot;c&quot; &#39;d&#39;"
        );
        assert_eq!(rich("plain"), "plain");
    }
}
