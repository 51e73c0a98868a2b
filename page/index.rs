//! `index.html`, filled in for each view.

use crate::imports::{closure, styles};
use crate::map::Map;
use crate::options::Served;
use crate::site::{Site, compressed};
use axum::body::Bytes;
use std::fmt::Write;
use web::escaped;

/// Each view's path, and its module.
pub(crate) const VIEWS: [(&str, &str); 4] = [
    ("/", "live/live.js"),
    ("/drives", "drives/drives.js"),
    ("/charts", "charts/charts.js"),
    ("/data", "data/data.js"),
];

/// The page of a view.
pub(crate) struct Index {
    /// Weak: every encoding has the same one.
    pub(crate) tag: String,
    pub(crate) bytes: Bytes,
    pub(crate) gzip: Option<Bytes>,
}

impl Index {
    /// Fills in where the files, the map and `POST /ingest` are, whether there are dumps, and what the view is going to
    /// import.
    pub(crate) fn new(site: &Site, view: &str, map: &Map, served: Served) -> Self {
        let hash = &site.hash;
        let mut modules = closure("main.js", |name| site.text(name));
        modules.extend(closure(view, |name| site.text(name)));
        let mut preloads = String::new();
        for module in modules {
            let _written = write!(
                preloads,
                "\n    <link rel=\"modulepreload\" href=\"/~{hash}/{module}\">"
            );
            for sheet in styles(&module, site.text(&module).unwrap_or_default()) {
                let _written = write!(
                    preloads,
                    "\n    <link rel=\"preload\" as=\"style\" href=\"/~{hash}/{sheet}\">"
                );
            }
        }
        let (map, attribution) = (map.address(), map.attribution());
        let dumps = if served.dumps { "" } else { "none" };
        let ingest = served.ingest.map(|port| port.to_string()).unwrap_or_default();
        let html = site.text("index.html").unwrap_or_default();
        let html = html
            .replace("/~HASH/", &format!("/~{hash}/"))
            .replace("<!-- preloads -->", preloads.trim_start())
            .replace("data-ingest=\"\"", &format!("data-ingest=\"{ingest}\""))
            .replace("data-dumps=\"\"", &format!("data-dumps=\"{dumps}\""))
            .replace("data-map=\"\"", &format!("data-map=\"{}\"", escaped(&map)))
            .replace(
                "data-map-attribution=\"\"",
                &format!("data-map-attribution=\"{}\"", escaped(attribution)),
            );
        Self {
            tag: web::weak_tag(html.as_bytes()),
            gzip: compressed(html.as_bytes()).map(Bytes::from),
            bytes: html.into(),
        }
    }
}
