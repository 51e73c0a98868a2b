//! Answers without an encoding for clients that forbid each one that a server has.

use axum::extract::Request;
use axum::http::{HeaderValue, header};

/// Middleware: drops from `Accept-Encoding` what forbids an answer without an encoding, such as `*;q=0`.
///
/// A layer that compresses answers 406 if the client forbids this and accepts no encoding of the layer. RFC 9110,
/// section 12.5.3, lets a server send the answer without an encoding as well. This layer belongs outside of that one.
pub async fn permit_identity(mut request: Request) -> Request {
    let headers = request.headers_mut();
    let given = headers.get_all(header::ACCEPT_ENCODING).iter();
    let listed = given
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    let left: Vec<&str> = listed.filter(|one| !forbids_identity(one)).collect();
    let left = left.join(",");
    match HeaderValue::from_str(&left) {
        Ok(value) if !left.is_empty() => {
            headers.insert(header::ACCEPT_ENCODING, value);
        }
        _ => {
            headers.remove(header::ACCEPT_ENCODING);
        }
    }
    request
}

/// Whether this is an encoding that stands for none as well, and is refused.
fn forbids_identity(one: &str) -> bool {
    let (name, quality) = one.split_once(';').unwrap_or((one, ""));
    let name = name.trim();
    let is_refused = quality
        .trim()
        .strip_prefix(['q', 'Q'])
        .and_then(|quality| quality.strip_prefix('='))
        .is_some_and(|quality| quality.parse::<f64>() == Ok(0.0));
    is_refused && (name == "*" || name.eq_ignore_ascii_case("identity"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    #[tokio::test]
    async fn only_what_forbids_identity_is_dropped() {
        for (given, expected) in [
            (&["*;q=0"][..], None),
            (&["identity;q=0"], None),
            (&["Identity ; Q=0.000, *;q=0."], None),
            (&["gzip, identity;q=0"], Some("gzip")),
            (&["*;q=0", "gzip;q=0, zstd;q=0.5"], Some("gzip;q=0, zstd;q=0.5")),
            (&["*, identity;q=0"], Some("*")),
            (&["identity;q=0.001, *;q=1"], Some("identity;q=0.001, *;q=1")),
            (&["gzip", "br"], Some("gzip,br")),
            (&["identity;q=zero"], Some("identity;q=zero")),
            (&[], None),
        ] {
            let mut request = Request::new(Body::empty());
            for value in given {
                let value = HeaderValue::from_static(value);
                request.headers_mut().append(header::ACCEPT_ENCODING, value);
            }
            let request = permit_identity(request).await;
            let found: Vec<&HeaderValue> = request.headers().get_all(header::ACCEPT_ENCODING).iter().collect();
            let expected: Vec<&str> = expected.into_iter().collect();
            assert_eq!(found, expected, "{given:?}");
        }
    }
}
