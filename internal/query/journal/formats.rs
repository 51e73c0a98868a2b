//! Entries for maps: GeoJSON (RFC 7946) and GPX 1.1.

use super::Message;
use axum::Json;
use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::fmt::Write;
use web::escaped;

/// A feature for each entry; those without a place have no geometry.
pub(super) fn geojson(messages: &[Message]) -> Response {
    let features: Vec<Value> = messages
        .iter()
        .map(|message| {
            let point = message
                .place
                .map(|place| json!({"type": "Point", "coordinates": [place.longitude, place.latitude]}));
            json!({"type": "Feature", "id": message.id, "geometry": point, "properties": message})
        })
        .collect();
    let collection = Json(json!({"type": "FeatureCollection", "features": features}));
    typed("application/geo+json", collection.into_response())
}

/// A waypoint for each entry that has a place.
pub(super) fn gpx(messages: &[Message]) -> Response {
    let mut text = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <gpx version=\"1.1\" creator=\"Odograph\" xmlns=\"http://www.topografix.com/GPX/1/1\">\n",
    );
    for message in messages {
        let Some(place) = message.place else { continue };
        // Writing to a text cannot fail.
        let _written = writeln!(
            text,
            "<wpt lat=\"{}\" lon=\"{}\"><time>{}</time><name>{}</name><desc>{}</desc></wpt>",
            place.latitude,
            place.longitude,
            message.timestamp,
            within_xml(&message.user.name),
            within_xml(&message.text),
        );
    }
    text.push_str("</gpx>\n");
    typed("application/gpx+xml", text.into_response())
}

/// The header `Link` to the next page of this request, since these formats have no place for a cursor. It names the
/// query alone, so that it holds behind a proxy that serves another path.
pub(super) fn next(uri: &Uri, cursor: &str) -> Option<HeaderValue> {
    let query = uri.query().unwrap_or_default().split('&');
    let kept: String = query
        .filter(|part| !part.is_empty() && *part != "cursor" && !part.starts_with("cursor="))
        .fold(String::new(), |kept, part| kept + part + "&");
    HeaderValue::try_from(format!("<?{kept}cursor={cursor}>; rel=\"next\"")).ok()
}

fn typed(kind: &'static str, mut response: Response) -> Response {
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// A text within XML, without the characters that XML cannot hold.
fn within_xml(text: &str) -> String {
    let is_held =
        |ch: &char| !matches!(ch, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}');
    escaped(&text.chars().filter(is_held).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xml_holds_any_text() {
        assert_eq!(
            within_xml("a < b & \"c\" > d\u{1}\u{b}\n\t"),
            "a &lt; b &amp; &quot;c&quot; &gt; d\n\t"
        );
    }
}
