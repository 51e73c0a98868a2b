//! The calls: from a request to its status.

use crate::gather::Gatherer;
use crate::message::{Fault, Message, Rules};
use crate::metrics::Metrics;
use crate::options::Options;
use crate::proto::cleaner::service_server::Service as CleanerService;
use crate::proto::cleaner::{CleanRequest, CleanResponse};
use crate::proto::messages::service_server::Service as MessagesService;
use crate::proto::messages::{
    DeleteBatchRequest, DeleteBatchResponse, GetBatchRequest, GetBatchResponse, PutBatchRequest, PutBatchResponse,
};
use crate::store::{Answer, Conflict, Store};
use ::postgres::Error;
use bytes::Bytes;
use grpc::status::{self, Field};
use repeat::LogLimit;
use service::Service;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_postgres::error::SqlState;
use tonic::{Request, Response, Status};

/// Faults that a status names.
const NAMED: usize = 100;

/// After this time, the database may answer again.
const SOON: Duration = Duration::from_secs(1);

/// After this time, there may be room again.
const LATER: Duration = Duration::from_secs(60);

/// Log lines about the database.
static FAILURES: LogLimit = LogLimit::every(Duration::from_secs(10));

/// Answers calls. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Calls {
    pub(crate) store: Store,
    pub(crate) gatherer: Gatherer,
    pub(crate) options: Options,
    /// Of gets, deletes and cleans.
    pub(crate) turns: Arc<Semaphore>,
    pub(crate) metrics: Metrics,
    /// The store holds as much as it may.
    pub(crate) full: Arc<AtomicBool>,
    pub(crate) service: Service,
}

impl Calls {
    /// Times and counts a call.
    async fn timed<T>(
        &self,
        call: &'static str,
        answering: impl Future<Output = Result<T, Status>>,
    ) -> Result<Response<T>, Status> {
        let begun = Instant::now();
        let answer = answering.await;
        self.metrics.called(call, begun, answer.is_ok());
        answer.map(Response::new)
    }

    /// Runs work on the database to its end, also if the caller leaves: a statement that is left behind would hold its
    /// connection unseen. So much at once that puts find connections, too.
    async fn to_its_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Status> {
        let Ok(turn) = self.turns.clone().acquire_owned().await else {
            return Err(status::internal());
        };
        let working = async move {
            let done = work.await;
            drop(turn);
            done
        };
        match self.service.run_to_end(working).await {
            Ok(done) => done.map_err(|error| unanswered(&error)),
            Err(error) => {
                tracing::error!(%error, "a call panicked");
                Err(status::internal())
            }
        }
    }

    async fn put(&self, events: Vec<Bytes>) -> Result<PutBatchResponse, Status> {
        self.count("messages", events.len())?;
        if self.full.load(Ordering::Relaxed) {
            let text =
                "The store is full. Send the same again once messages are past their time, or raise --max-store.";
            return Err(status::busy(text, LATER));
        }
        let rules = Rules {
            most_bytes: self.options.max_message,
            strict: self.options.strict,
        };
        let count = u32::try_from(events.len()).unwrap_or(u32::MAX);
        let messages = checked(events, rules)?;
        if messages.is_empty() {
            return Ok(PutBatchResponse { ack_count: 0 });
        }
        match self.gatherer.put(messages).await {
            Ok(Ok(())) => {
                self.metrics.acknowledged(count);
                Ok(PutBatchResponse { ack_count: count })
            }
            Ok(Err(conflicts)) => Err(exists(&conflicts)),
            Err(error) => Err(unanswered(&error)),
        }
    }

    async fn get(&self, ids: Vec<String>) -> Result<GetBatchResponse, Status> {
        self.count("ids", ids.len())?;
        let (store, most) = (self.store.clone(), self.options.max_answer);
        match self.to_its_end(async move { store.get(&ids, most).await }).await? {
            Answer::Found(msgs) => Ok(GetBatchResponse { msgs }),
            Answer::TooLarge => Err(status::too_large(&format!(
                "These messages have more than {most} bytes together; ask for fewer ids at once."
            ))),
        }
    }

    async fn delete(&self, ids: Vec<String>) -> Result<DeleteBatchResponse, Status> {
        self.count("ids", ids.len())?;
        let ack_count = u32::try_from(ids.len()).unwrap_or(u32::MAX);
        let store = self.store.clone();
        self.to_its_end(async move { store.delete(&ids).await }).await?;
        Ok(DeleteBatchResponse { ack_count })
    }

    async fn clean(&self) -> Result<CleanResponse, Status> {
        let store = self.store.clone();
        let cleaning = async move {
            // What is past its time goes also if no epoch can be opened, such as where the disk is full of it.
            let rolled = store.roll_if_due().await;
            let count = store.clean().await?;
            rolled?;
            Ok::<_, Error>(count)
        };
        let count = self.to_its_end(cleaning).await?;
        Ok(CleanResponse { count })
    }

    fn count(&self, what: &str, count: usize) -> Result<(), Status> {
        let most = self.options.max_batch;
        if count <= most {
            return Ok(());
        }
        Err(status::too_large(&format!(
            "The request has {count} {what}; send at most {most} at once."
        )))
    }
}

/// The messages of a request, if all of them may be stored.
pub(crate) fn checked(events: Vec<Bytes>, rules: Rules) -> Result<Vec<Message>, Status> {
    let (mut messages, mut faults) = (Vec::with_capacity(events.len()), Vec::new());
    for (at, event) in events.into_iter().enumerate() {
        match Message::of(event, rules) {
            Ok(message) => messages.push(message),
            Err(Fault { field, reason }) => {
                let dot = if field.is_empty() { "" } else { "." };
                faults.push(Field {
                    path: format!("msgs[{at}]{dot}{field}"),
                    fault: reason,
                });
                if faults.len() == NAMED {
                    break;
                }
            }
        }
    }
    let Some(first) = faults.first() else {
        return Ok(messages);
    };
    let text = format!("Nothing was stored. {}: {}.", first.path, first.fault);
    Err(status::invalid(&text, faults))
}

/// `ALREADY_EXISTS`, naming the messages whose identity belongs to others.
fn exists(conflicts: &[Conflict]) -> Status {
    let named = conflicts.iter().take(NAMED).map(|Conflict(at)| Field {
        path: format!("msgs[{at}].id"),
        // Short, so that a hundred fit.
        fault: "other content".to_owned(),
    });
    let which = match conflicts.len() {
        1 => "one of the messages has".to_owned(),
        count => format!("{count} of the messages have"),
    };
    let text = format!("Nothing was stored: {which} the id and the source of another message, with other content.");
    status::exists(&text, named.collect())
}

/// `UNAVAILABLE`: the database did not answer; `INVALID_ARGUMENT`: it cannot write an id or a source; `INTERNAL`: the
/// same call would fail again. The log says why.
fn unanswered(error: &Error) -> Status {
    if let Error::Refused(cause) = error
        && cause.code() == Some(&SqlState::UNTRANSLATABLE_CHARACTER)
    {
        let text = "The encoding of the store's database lacks a character of an id or a source; use other characters.";
        return status::invalid(text, Vec::new());
    }
    if FAILURES.allows("database") {
        let cause = std::error::Error::source(error).map(ToString::to_string);
        tracing::warn!(%error, cause, "a call failed at the database");
    }
    if error.is_outage() {
        return status::unavailable("The database does not answer now. Send the same again.", SOON);
    }
    status::internal()
}

#[tonic::async_trait]
impl MessagesService for Calls {
    async fn put_batch(&self, request: Request<PutBatchRequest>) -> Result<Response<PutBatchResponse>, Status> {
        let request = request.into_inner();
        self.timed("put", self.put(request.msgs)).await
    }

    async fn get_batch(&self, request: Request<GetBatchRequest>) -> Result<Response<GetBatchResponse>, Status> {
        let request = request.into_inner();
        self.timed("get", self.get(request.ids)).await
    }

    async fn delete_batch(
        &self,
        request: Request<DeleteBatchRequest>,
    ) -> Result<Response<DeleteBatchResponse>, Status> {
        let request = request.into_inner();
        self.timed("delete", self.delete(request.ids)).await
    }
}

#[tonic::async_trait]
impl CleanerService for Calls {
    async fn clean(&self, request: Request<CleanRequest>) -> Result<Response<CleanResponse>, Status> {
        drop(request);
        self.timed("clean", Self::clean(self)).await
    }
}
