//! Proves that accepted readings were stored: asks the API for the receipt of each upload.
//!
//! Uploads go on meanwhile, up to a number of unproved ones; then the oldest is awaited.

use super::client::{Answer, body_of};
use super::error::Error;
use super::options::Options;
use super::reason::{answered, root_cause, unanswered};
use super::summary::Proof;
use reqwest::{StatusCode, Url};
use serde::Deserialize;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

/// Most unproved uploads while more are sent.
const OUTSTANDING: usize = 64;

/// How long the API is asked to hold an answer.
const RECEIPT_WAIT: Duration = Duration::from_secs(5);

/// Pause between two requests if the API gives no answer.
const PAUSE: Duration = Duration::from_millis(500);

/// Longest time of a request beyond that.
const TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Deserialize)]
struct Receipt {
    status: String,
    accepted: Option<u64>,
    persisted: u64,
    duplicates: u64,
    conflicts: u64,
    failed: u64,
}

/// Asks for receipts.
pub(super) struct Prover {
    http: reqwest::Client,
    url: Url,
    patience: Duration,
    /// Extended by every proved upload.
    deadline: Instant,
    outstanding: VecDeque<(Uuid, u64)>,
    proof: Proof,
}

impl Prover {
    /// Makes a prover, if an API is given.
    pub(super) fn new(options: &Options) -> Result<Option<Self>, Error> {
        let Some(api) = &options.api_url else { return Ok(None) };
        let wrong = |reason: String| {
            Error::Usage(format!(
                "{reason}; --api-url is the API's address, such as http://127.0.0.1:5001"
            ))
        };
        let mut url = Url::parse(api).map_err(|error| wrong(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong(format!("{}: is neither http nor https", url.scheme())));
        }
        let path = format!("{}/api/ingests/", url.path().trim_end_matches('/'));
        url.set_path(&path);
        let http = reqwest::Client::builder()
            .timeout(RECEIPT_WAIT + TIMEOUT)
            .build()
            .map_err(|error| Error::Usage(format!("no HTTP client: {}", root_cause(&error))))?;
        Ok(Some(Self {
            http,
            url,
            patience: options.prove_timeout,
            deadline: Instant::now() + options.prove_timeout,
            outstanding: VecDeque::new(),
            proof: Proof::default(),
        }))
    }

    /// Adds an answered upload.
    pub(super) async fn add(&mut self, answer: &Answer) {
        if self.outstanding.is_empty() {
            self.deadline = Instant::now() + self.patience;
        }
        self.outstanding.push_back((answer.id, answer.accepted));
        while self.outstanding.len() > OUTSTANDING {
            self.prove_first().await;
        }
    }

    /// Waits for all outstanding uploads.
    pub(super) async fn finish(&mut self) {
        while !self.outstanding.is_empty() {
            self.prove_first().await;
        }
    }

    /// Returns the proof so far; outstanding uploads count as unproved.
    pub(super) fn proof(&self) -> Proof {
        Proof {
            unproved: self.proof.unproved + self.outstanding.len() as u64,
            ..self.proof.clone()
        }
    }

    async fn prove_first(&mut self) {
        let Some((id, accepted)) = self.outstanding.front().copied() else {
            return;
        };
        let proved = self.prove(id, accepted).await;
        // Only now: if cancelled while it waits, the upload is still outstanding.
        self.outstanding.pop_front();
        match proved {
            Ok(receipt) => {
                self.deadline = Instant::now() + self.patience;
                self.proof.uploads += 1;
                self.proof.persisted += receipt.persisted;
                self.proof.duplicates += receipt.duplicates;
                self.proof.conflicts += receipt.conflicts;
                self.proof.failed += receipt.failed;
            }
            Err(reason) => {
                self.proof.unproved += 1;
                self.proof.reason.get_or_insert(format!("upload {id}: {reason}"));
            }
        }
    }

    /// Asks until the upload is accounted for, or the time is over.
    async fn prove(&self, id: Uuid, accepted: u64) -> Result<Receipt, String> {
        loop {
            let reason = match self.ask(id).await? {
                Ok(receipt) if receipt.status == "pending" => "it is still pending".to_owned(),
                Ok(receipt) if receipt.accepted != Some(accepted) => {
                    let told = receipt
                        .accepted
                        .map_or_else(|| "none".to_owned(), |told| told.to_string());
                    return Err(format!(
                        "{accepted} readings were accepted, the receipt knows of {told}"
                    ));
                }
                Ok(receipt) => return Ok(receipt),
                Err(reason) => reason,
            };
            if Instant::now() >= self.deadline {
                return Err(format!("{reason}, after the time that --prove-timeout allows"));
            }
            sleep(PAUSE).await;
        }
    }

    /// Asks once. An outer error is final; an inner one may be retried.
    async fn ask(&self, id: Uuid) -> Result<Result<Receipt, String>, String> {
        let mut url = self.url.clone();
        url.set_path(&format!("{}{id}", self.url.path()));
        // Once the time is over, the others are asked without a wait.
        let hold = RECEIPT_WAIT.min(self.deadline.saturating_duration_since(Instant::now()));
        url.set_query(Some(&format!("wait={}ms", hold.as_millis())));
        let asked = async {
            let response = self.http.get(url).send().await?;
            let (status, headers) = (response.status(), response.headers().clone());
            Ok((status, headers, body_of(response).await?))
        };
        let (status, headers, body) = match asked.await {
            Ok(answer) => answer,
            Err(error) => {
                return Ok(Err(format!(
                    "the API does not answer: {}",
                    unanswered(&error, &self.url)
                )));
            }
        };
        if status == StatusCode::OK
            && let Ok(receipt) = serde_json::from_slice(&body)
        {
            return Ok(Ok(receipt));
        }
        let told = answered(status, &headers, &body);
        if status == StatusCode::NOT_FOUND && told.ours {
            return Err("the API does not know it; is --api-url the API over the same database?".to_owned());
        }
        Ok(Err(format!("the API's answer was {}", told.words)))
    }
}
