//! The routes of the page.

use crate::files::{self, Files};
use crate::index::{Index, VIEWS};
use crate::map::{Error, Map};
use crate::options::{Options, Served};
use crate::policy::policy;
use crate::site::{self, Site};
use crate::tiles::tiles;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::sync::{Arc, PoisonError, RwLock};
use web::{Download, Problem, is_known, must_be_asked_again};

/// The hash is in the address, so a cache may keep a file for a year without asking again.
const IMMUTABLE: &str = "max-age=31536000, immutable";

/// The routes of the page.
///
/// # Errors
/// Where the map of `options` cannot be used.
pub fn routes(options: &Options, served: Served) -> Result<Router, Error> {
    let is_read = cfg!(debug_assertions);
    let files = if is_read {
        files::in_folder().map_err(Error::Site)?
    } else {
        files::embedded()
    };
    serve(files, is_read, options, served)
}

/// The routes of the page with these files. With `is_read`, each load of `index.html` reads them again.
pub(crate) fn serve(files: Files, is_read: bool, options: &Options, served: Served) -> Result<Router, Error> {
    let map = Map::new(options.map.as_deref(), options.map_attribution.as_deref())?;
    let page = Page {
        sent: RwLock::new(Arc::new(Sent::new(files, &map, served))),
        is_read,
        policy: policy(&options.frame_ancestors, map.origin()),
        map,
        served,
    };
    let mut routes: Router<Arc<Page>> = Router::new()
        // The segment begins with a sign of its own, so no other path leads here.
        .route("/~{hash}/{*name}", get(file))
        .route("/tiles/{name}", get(tile));
    for (at, (path, _)) in VIEWS.iter().enumerate() {
        let view = move |State(page): State<Arc<Page>>, asked: HeaderMap| async move { page.view(at, &asked).await };
        routes = routes.route(path, get(view));
    }
    let routes = routes
        .layer(axum::middleware::map_response(must_be_asked_again))
        .layer(axum::middleware::map_response(hardened));
    Ok(routes.with_state(Arc::new(page)))
}

/// What is sent, of one state of the files.
struct Sent {
    site: Site,
    /// `index.html` for each of [`VIEWS`].
    views: Vec<Index>,
}

impl Sent {
    fn new(files: Files, map: &Map, served: Served) -> Self {
        let site = Site::new(files);
        let views = VIEWS.iter().map(|(_, module)| Index::new(&site, module, map, served));
        Self {
            views: views.collect(),
            site,
        }
    }
}

/// What the routes share.
struct Page {
    sent: RwLock<Arc<Sent>>,
    is_read: bool,
    policy: String,
    map: Map,
    served: Served,
}

impl Page {
    fn sent(&self) -> Arc<Sent> {
        self.sent.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What is sent, after the files were read again where they are.
    async fn newest(&self) -> Result<Arc<Sent>, Problem> {
        let sent = self.sent();
        if !self.is_read {
            return Ok(sent);
        }
        let read = tokio::task::spawn_blocking(files::in_folder).await;
        let files = read.map_err(Problem::internal)?.map_err(Problem::internal)?;
        if site::hash(&files) == sent.site.hash {
            return Ok(sent);
        }
        let sent = Arc::new(Sent::new(files, &self.map, self.served));
        *self.sent.write().unwrap_or_else(PoisonError::into_inner) = sent.clone();
        Ok(sent)
    }

    async fn view(&self, at: usize, asked: &HeaderMap) -> Result<Response, Problem> {
        let sent = self.newest().await?;
        let Some(index) = sent.views.get(at) else {
            return Err(unknown());
        };
        let mut headers = HeaderMap::new();
        let policy = HeaderValue::from_str(&self.policy).map_err(Problem::internal)?;
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        // Servers of tiles want to know who asks.
        let referrer = HeaderValue::from_static("strict-origin-when-cross-origin");
        headers.insert(header::REFERRER_POLICY, referrer);
        text(
            headers,
            site::HTML,
            &index.tag,
            (&index.bytes, index.gzip.as_ref()),
            asked,
        )
    }
}

/// Answers with a file of the page.
async fn file(
    State(page): State<Arc<Page>>,
    path: Result<Path<(String, String)>, PathRejection>,
    method: Method,
    asked: HeaderMap,
) -> Result<Response, Problem> {
    let Path((hash, name)) = path.map_err(|_| unknown())?;
    let sent = page.sent();
    let site = Some(&sent.site).filter(|site| site.hash == hash);
    let file = site.and_then(|site| site.files.get(&name)).ok_or_else(unknown)?;
    let mut headers = HeaderMap::new();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(IMMUTABLE));
    if file.gzip.is_some() {
        let tag = format!("W/\"{hash}\"");
        return text(headers, file.kind, &tag, (&file.bytes, file.gzip.as_ref()), &asked);
    }
    let download = Download {
        size: file.bytes.len() as u64,
        tag: Some(format!("\"{hash}\"")),
        kind: file.kind,
    };
    let (status, range) = download.answer(&method, &asked, &mut headers)?;
    let at = |offset: u64| usize::try_from(offset).unwrap_or(file.bytes.len());
    let bytes = file.bytes.slice(at(range.start)..at(range.end));
    Ok((status, headers, Body::from(bytes)).into_response())
}

/// Answers with a part of the user's map.
async fn tile(
    State(page): State<Arc<Page>>,
    name: Result<Path<String>, PathRejection>,
    method: Method,
    asked: HeaderMap,
) -> Result<Response, Problem> {
    let Path(name) = name.map_err(|_| unknown())?;
    let archive = page.map.archive(&name).ok_or_else(unknown)?;
    tiles(archive, &method, &asked).await
}

/// Answers with a text, compressed for clients that take that, or with 304.
fn text(
    mut headers: HeaderMap,
    kind: &'static str,
    tag: &str,
    (bytes, gzip): (&Bytes, Option<&Bytes>),
    asked: &HeaderMap,
) -> Result<Response, Problem> {
    headers.insert(header::ETAG, HeaderValue::from_str(tag).map_err(Problem::internal)?);
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if is_known(asked, tag) {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    let body = match gzip {
        Some(gzip) if takes_gzip(asked) => {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            gzip
        }
        _ => bytes,
    };
    Ok((headers, Body::from(body.clone())).into_response())
}

/// Whether `Accept-Encoding` has gzip.
fn takes_gzip(asked: &HeaderMap) -> bool {
    let given = asked.get_all(header::ACCEPT_ENCODING).iter();
    let mut listed = given
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    listed.any(|one| {
        let (name, quality) = one.split_once(';').unwrap_or((one, ""));
        let is_refused = quality
            .trim()
            .strip_prefix("q=")
            .is_some_and(|quality| quality.parse::<f64>() == Ok(0.0));
        name.trim().eq_ignore_ascii_case("gzip") && !is_refused
    })
}

/// Keeps browsers from guessing what an answer is.
async fn hardened(mut response: Response) -> Response {
    let nosniff = HeaderValue::from_static("nosniff");
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    response
}

fn unknown() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "There is nothing at this path.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_for_those_who_take_it() {
        for (given, expected) in [
            ("gzip, deflate, br", true),
            ("br, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("gzip; q=0.0", false),
            ("identity", false),
            ("", false),
        ] {
            let mut asked = HeaderMap::new();
            asked.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(given));
            assert_eq!(takes_gzip(&asked), expected, "{given}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }
}
