//! Origins of web pages that may read the API.

use axum::http::{HeaderName, HeaderValue, Method, Uri, header};
use std::str::FromStr;
use std::time::Duration;
use tower_http::cors::{Any, CorsLayer};

/// How long a browser may cache a preflight answer.
const CORS_MAX_AGE: Duration = Duration::from_secs(3600);

/// An origin whose pages may read the API, such as `https://dash.example`; or any, written `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(Option<HeaderValue>);

impl Origin {
    /// Every origin.
    pub fn any() -> Self {
        Self(None)
    }
}

impl FromStr for Origin {
    type Err = String;

    /// Reads an origin as browsers write it: they compare it byte by byte.
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::any());
        }
        let refused = || {
            format!(
                "{text:?} is not an origin; write https://HOST or https://HOST:PORT, in small letters and without a path, or * for any"
            )
        };
        let address: Uri = text.parse().map_err(|_| refused())?;
        let (scheme, host) = address.scheme_str().zip(address.authority()).ok_or_else(refused)?;
        let is_origin = format!("{scheme}://{host}") == text
            && text.to_ascii_lowercase() == text
            && !host.as_str().contains(['@', '*'])
            && matches!(scheme, "http" | "https");
        if !is_origin {
            return Err(refused());
        }
        HeaderValue::from_str(text)
            .map(|value| Self(Some(value)))
            .map_err(|_| refused())
    }
}

/// Lets pages of these origins read answers. None without an origin: browsers then show no answer to a page of another
/// origin.
pub(crate) fn cors(origins: &[Origin]) -> Option<CorsLayer> {
    let named: Option<Vec<HeaderValue>> = origins.iter().map(|origin| origin.0.clone()).collect();
    let layer = match named {
        Some(named) if named.is_empty() => return None,
        Some(named) => CorsLayer::new().allow_origin(named),
        None => CorsLayer::new().allow_origin(Any),
    };
    // Any header, and `Authorization`, which the asterisk does not cover.
    let allowed = [HeaderName::from_static("*"), header::AUTHORIZATION];
    let layer = layer
        .allow_methods([Method::GET, Method::HEAD])
        .allow_headers(allowed)
        .expose_headers([
            header::ACCEPT_RANGES,
            header::CONTENT_RANGE,
            header::ETAG,
            header::LINK,
            header::RETRY_AFTER,
            HeaderName::from_static("x-correlation-id"),
        ])
        .max_age(CORS_MAX_AGE);
    Some(layer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_read_as_browsers_write_them() {
        assert_eq!("*".parse::<Origin>(), Ok(Origin::any()));
        for good in ["https://dash.example", "http://127.0.0.1:3000", "http://[::1]:8080"] {
            let expected = Origin(Some(HeaderValue::from_static(good)));
            assert_eq!(good.parse::<Origin>(), Ok(expected), "{good}");
        }
        for bad in [
            "",
            "null",
            "dash.example",
            "dash.example:443",
            "https://dash.example/",
            "https://dash.example/page",
            "https://dash.example?x",
            "https://Dash.example",
            "HTTPS://dash.example",
            "https://user@dash.example",
            "ftp://dash.example",
            "https://*",
            "https://*.example",
            "https://",
            "https://a b",
        ] {
            let reason = bad.parse::<Origin>().unwrap_err();
            assert!(reason.contains("is not an origin"), "{bad}: {reason}");
        }
    }

    #[test]
    fn without_an_origin_there_is_no_layer() {
        assert!(cors(&[]).is_none());
        assert!(cors(&[Origin::any()]).is_some());
        assert!(cors(&["https://dash.example".parse().unwrap()]).is_some());
    }
}
