//! `/message` and `/message/{id}`: post, find, edit, delete.

use super::answer::{Failed, Message, data};
use super::body::read;
use super::journal::Journal;
use crate::admission::Author;
use crate::draft::{Body, Draft, Edit};
use crate::moment::Moment;
use crate::read::Found;
use crate::store::{By, Change, Changed, Post, Posted, Refused};
use crate::{Entry, Id};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use reading::time;
use serde_json::json;
use std::time::Duration;
use web::Problem;

/// Longest `Idempotency-Key`, in characters.
const LONGEST_KEY: usize = 128;

pub(super) async fn post(State(journal): State<Journal>, request: Request) -> Result<Response, Failed> {
    let author = journal.0.admission.author(request.headers())?;
    let key = idempotency_key(request.headers())?;
    let options = &journal.0.options;
    let body: Body = read(request, options.max_body).await?;
    let digest = body.digest();
    let (moment, draft) = match journal.checked(body, &author) {
        Ok(checked) => checked,
        // What was taken once is taken for ever: since then, time has passed, or the limits or the key have changed.
        Err(problem) => {
            let before = journal.posted(&author, key, digest).await?;
            return journal.answer(before.ok_or(problem)?);
        }
    };
    let post = Post {
        author: author.name.to_string(),
        moment,
        draft,
        request: key,
        digest,
    };
    let posted = journal
        .to_end(move |journal| async move { journal.0.store.post(&post).await })
        .await??;
    journal.answer(posted)
}

pub(super) async fn find(State(journal): State<Journal>, Path(id): Path<String>) -> Result<Response, Failed> {
    journal.one(parse(&id)?).await
}

pub(super) async fn edit(
    State(journal): State<Journal>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Failed> {
    let author = journal.0.admission.author(request.headers())?;
    let versions = if_match(request.headers())?;
    let edit: Edit = read(request, journal.0.options.max_body).await?;
    let change = Change::Edit(Box::new(edit), journal.0.options.max_text);
    match journal.change(parse(&id)?, author, versions, change).await?? {
        Some(entry) => Ok(told(entry)),
        None => Err(Refused::Nothing.into()),
    }
}

pub(super) async fn delete(
    State(journal): State<Journal>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Failed> {
    let author = journal.0.admission.author(&headers)?;
    let versions = if_match(&headers)?;
    journal.change(parse(&id)?, author, versions, Change::Delete).await??;
    Ok(StatusCode::NO_CONTENT)
}

impl Journal {
    /// Answers with one entry.
    pub(super) async fn one(&self, id: Id) -> Result<Response, Failed> {
        match self.0.reader.find(id).await? {
            Found::Entry(entry) => Ok(told(*entry)),
            Found::Deleted => Err(Refused::Deleted.into()),
            Found::Nothing => Err(Refused::Nothing.into()),
        }
    }

    /// Counts a post, and answers with what became of it.
    fn answer(&self, posted: Posted) -> Result<Response, Failed> {
        self.0.metrics.posted(posted);
        let (status, id) = match posted {
            Posted::New(id) => (StatusCode::CREATED, id),
            Posted::Before(id) => (StatusCode::OK, id),
            Posted::Other => {
                let text = "Another entry was posted with this Idempotency-Key; post this one with a new key.";
                return Err(Problem::new(StatusCode::CONFLICT, text).into());
            }
            Posted::Deleted => {
                let text = "The entry that was posted with this Idempotency-Key was deleted.";
                return Err(Problem::new(StatusCode::GONE, text).into());
            }
        };
        Ok((status, data(json!({ "id": id.to_string() }))).into_response())
    }

    /// The moment and the content of a post, if they can be stored.
    fn checked(&self, body: Body, author: &Author) -> Result<(i64, Draft), Failed> {
        let moment = self.moment(&body)?;
        let draft = body.draft(author.device.as_deref(), self.0.options.max_text);
        let draft = draft.map_err(|invalid| Problem::bad_request(invalid.to_string()))?;
        if author.may_not_write_of(draft.device.as_deref()) {
            return Err(Refused::Device.into());
        }
        Ok((moment, draft))
    }

    /// What became of an earlier post with this key.
    async fn posted(&self, author: &Author, key: Option<String>, digest: [u8; 32]) -> Result<Option<Posted>, Failed> {
        let Some(key) = key else { return Ok(None) };
        let author = author.name.clone();
        let posted = self
            .to_end(move |journal| async move { journal.0.store.posted(&author, &key, &digest).await })
            .await??;
        Ok(posted)
    }

    /// The moment that a post tells of: its own, within the bounds of readings, or now.
    fn moment(&self, body: &Body) -> Result<i64, Problem> {
        let bounds = self.0.options.bounds();
        let (oldest, newest) = (bounds.oldest.div_euclid(1000), bounds.newest.div_euclid(1000));
        let Some(Moment(moment)) = body.created() else {
            let now = time::now().div_euclid(1000);
            if now < oldest {
                let text = "This server's clock was never set. Name the moment in created_at, or try again.";
                return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, text).retry_after(Duration::from_secs(60)));
            }
            return Ok(now);
        };
        if moment < oldest {
            let text = format!(
                "created_at: before {}, as clocks show that were never set; set the clock",
                Moment(oldest)
            );
            return Err(Problem::bad_request(text));
        }
        if moment > newest {
            let text = format!(
                "created_at: after {}, as this server's clock has it; set the clock",
                Moment(newest)
            );
            return Err(Problem::bad_request(text));
        }
        Ok(moment)
    }

    async fn change(
        &self,
        id: Id,
        author: Author,
        versions: Option<Vec<String>>,
        change: Change,
    ) -> Result<Changed, Failed> {
        let changed = self
            .to_end(move |journal| async move {
                let by = By {
                    author: &author.name,
                    device: author.device.as_deref(),
                    version: versions.as_deref(),
                };
                journal.0.store.change(id, by, &change).await
            })
            .await?;
        Ok(changed?)
    }

    /// A client that vanishes does not interrupt a transaction.
    async fn to_end<T, F>(&self, work: impl FnOnce(Self) -> F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let work = work(self.clone());
        self.0.service.run_to_end(work).await.map_err(Problem::internal)
    }
}

/// An entry, with its version.
fn told(entry: Entry) -> Response {
    let version = HeaderValue::from_str(&format!("\"{}\"", entry.version()));
    let mut response = data(json!({ "message": Message::from(entry) })).into_response();
    if let Ok(version) = version {
        response.headers_mut().insert(header::ETAG, version);
    }
    response
}

pub(super) fn parse(id: &str) -> Result<Id, Failed> {
    id.parse()
        .map_err(|error: crate::NoId| Failed(Problem::bad_request(error.to_string())))
}

/// The key by which a client tells the same post from another one.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut given = headers.get_all("idempotency-key").into_iter();
    let (Some(key), None) = (given.next(), given.next()) else {
        return if headers.contains_key("idempotency-key") {
            Err(Problem::bad_request("Idempotency-Key is given twice; send one."))
        } else {
            Ok(None)
        };
    };
    let is_key = (1..=LONGEST_KEY).contains(&key.len()) && key.as_bytes().iter().all(u8::is_ascii_graphic);
    match key.to_str() {
        Ok(key) if is_key => Ok(Some(key.to_owned())),
        _ => Err(Problem::bad_request(format!(
            "Idempotency-Key has 1 to {LONGEST_KEY} visible ASCII characters, such as a UUID."
        ))),
    }
}

/// The versions that a change is for; none: any.
fn if_match(headers: &HeaderMap) -> Result<Option<Vec<String>>, Problem> {
    let mut versions = Vec::new();
    for value in headers.get_all(header::IF_MATCH) {
        let text = value
            .to_str()
            .map_err(|_| Problem::bad_request("If-Match: write the ETag of the entry, in its quotes"))?;
        for version in text.split(',').map(str::trim) {
            if version == "*" {
                return Ok(None);
            }
            versions.push(version.trim_matches('"').to_owned());
        }
    }
    Ok((!versions.is_empty()).then_some(versions))
}
