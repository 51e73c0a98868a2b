//! What browsers let the page do.

use std::fmt::Write;
use std::str::FromStr;

/// An origin whose pages may show this one in a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ancestor(String);

impl FromStr for Ancestor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if is_origin(text) {
            return Ok(Self(text.to_owned()));
        }
        Err(format!(
            "{text:?} is not an origin; write https://HOST or https://HOST:PORT, in small letters and without a path"
        ))
    }
}

/// The Content-Security-Policy: the page loads from its own address alone, and tiles from `map`, an origin.
pub(crate) fn policy(ancestors: &[Ancestor], map: Option<&str>) -> String {
    let map = map.map(|origin| format!(" {origin}")).unwrap_or_default();
    let mut policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'{map}; connect-src 'self'{map}; base-uri 'none'; form-action 'none'; frame-ancestors"
    );
    if ancestors.is_empty() {
        policy.push_str(" 'none'");
    }
    for Ancestor(origin) in ancestors {
        let _written = write!(policy, " {origin}");
    }
    policy
}

/// Whether a text is an origin of the web. Nothing else may get into the policy.
pub(crate) fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let is_of_host = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-:[]".contains(&byte);
    host.is_some_and(|host| !host.is_empty() && host.bytes().all(is_of_host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_origins_get_into_the_policy() {
        for good in ["https://dash.example", "http://127.0.0.1:3000", "http://[::1]:8080"] {
            assert!(good.parse::<Ancestor>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "*",
            "https://",
            "dash.example",
            "https://a/",
            "https://a;b",
            "https://a b",
            "https://A",
            "'self'",
        ] {
            let reason = bad.parse::<Ancestor>().unwrap_err();
            assert!(reason.contains("is not an origin"), "{bad}: {reason}");
        }
    }

    #[test]
    fn the_page_loads_from_itself_alone() {
        let own = policy(&[], None);
        assert!(own.contains("img-src 'self'; connect-src 'self';"), "{own}");
        assert!(own.ends_with("frame-ancestors 'none'"), "{own}");
        let open = policy(
            &["https://dash.example".parse().unwrap()],
            Some("https://tiles.example"),
        );
        let expected = "img-src 'self' https://tiles.example; connect-src 'self' https://tiles.example;";
        assert!(open.contains(expected), "{open}");
        assert!(open.ends_with("frame-ancestors https://dash.example"), "{open}");
    }
}
