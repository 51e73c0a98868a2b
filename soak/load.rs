//! The load: clients that send their bodies like a device, one after the other, each until it is
//! acknowledged. Design §3 defines acknowledgements and retries.

use crate::body::{Body, Fate};
use crate::chance::Chance;
use crate::options::{KEY, Options};
use anyhow::Context;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::{StreamExt, stream};
use reqwest::Client;
use reqwest::header::CONTENT_ENCODING;
use serde_json::Value;
use std::collections::VecDeque;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// Receipts kept of each client, the last ones.
const RECEIPTS: usize = 500;

/// Complaints kept.
const COMPLAINTS: usize = 20;

/// How long a device waits for an answer.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Pause between the last byte of a cut body and the cut.
const PAUSE_BEFORE_CUT: Duration = Duration::from_millis(20);

/// How often a pausing client checks whether to send at full speed.
const CHECK_INTERVAL: Duration = Duration::from_millis(50);

/// A device's waits between tries, in milliseconds.
const FIRST_WAIT: u64 = 50;
const LONGEST_WAIT: u64 = 2_000;

/// An acknowledgement.
#[derive(Clone, Debug)]
pub(crate) struct Receipt {
    pub(crate) id: String,
    pub(crate) accepted: u64,
    pub(crate) rejected: u64,
}

/// Counts of the clients' work.
#[derive(Default)]
pub(crate) struct Done {
    pub(crate) posts: AtomicU64,
    pub(crate) bodies: AtomicU64,
    pub(crate) again: AtomicU64,
    pub(crate) readings: AtomicU64,
    pub(crate) rejected: AtomicU64,
    pub(crate) retries: AtomicU64,
    /// Answers of 503 among the retried ones.
    pub(crate) refused: AtomicU64,
    pub(crate) cut: AtomicU64,
}

/// State that all clients share.
pub(crate) struct Load {
    seed: u64,
    urls: Vec<String>,
    /// Milliseconds of pause for each reading of a large body, times a thousand.
    pause_micros: u64,
    stopping: AtomicBool,
    no_pauses: AtomicU32,
    pub(crate) done: Done,
    /// Finished bodies of each client: acknowledged or abandoned.
    next: Vec<AtomicU32>,
    receipts: Vec<Mutex<VecDeque<Receipt>>>,
    complaints: Mutex<Vec<String>>,
}

/// A guard: while it lives, all clients send at full speed.
pub(crate) struct NoPauses<'a>(&'a Load);

impl Drop for NoPauses<'_> {
    fn drop(&mut self) {
        self.0.no_pauses.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Why a try failed.
enum Failure {
    Final(String),
    Again { why: String, after: Option<Duration> },
}

impl Load {
    pub(crate) fn new(options: &Options, seed: u64, urls: Vec<String>) -> Self {
        let clients = options.clients as usize;
        Self {
            seed,
            urls,
            // A quarter of the clients send large bodies.
            pause_micros: 1_000_000 * u64::from(options.clients.div_ceil(4)) / options.pace.max(1),
            stopping: AtomicBool::new(false),
            no_pauses: AtomicU32::new(0),
            done: Done::default(),
            next: (0..clients).map(|_| AtomicU32::new(0)).collect(),
            receipts: (0..clients).map(|_| Mutex::default()).collect(),
            complaints: Mutex::default(),
        }
    }

    /// Starts the clients. After `stop`, each ends with its current body.
    pub(crate) fn start(self: &Arc<Self>) -> anyhow::Result<JoinSet<()>> {
        let mut clients = JoinSet::new();
        for client in 0..u32::try_from(self.next.len()).unwrap_or(0) {
            let http = Client::builder()
                .connect_timeout(Duration::from_secs(5))
                .timeout(TIMEOUT)
                .build()
                .context("make an HTTP client")?;
            let load = self.clone();
            clients.spawn(async move {
                let chance = Chance::new(load.seed, 1000 + u64::from(client));
                Sender {
                    load,
                    client,
                    http,
                    chance,
                }
                .run()
                .await;
            });
        }
        Ok(clients)
    }

    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Makes all clients send at full speed until the guard is dropped.
    pub(crate) fn no_pauses(&self) -> NoPauses<'_> {
        self.no_pauses.fetch_add(1, Ordering::Relaxed);
        NoPauses(self)
    }

    /// Finished bodies of each client.
    pub(crate) fn bodies(&self) -> Vec<u32> {
        self.next.iter().map(|next| next.load(Ordering::Acquire)).collect()
    }

    /// The last receipts of every client.
    pub(crate) fn receipts(&self) -> Vec<Receipt> {
        let each = self.receipts.iter().map(|receipts| lock(receipts).clone());
        each.flatten().collect()
    }

    pub(crate) fn complaints(&self) -> Vec<String> {
        lock(&self.complaints).clone()
    }

    fn complain(&self, text: String) {
        let mut complaints = lock(&self.complaints);
        if complaints.len() < COMPLAINTS {
            complaints.push(text);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Sender {
    load: Arc<Load>,
    client: u32,
    http: Client,
    chance: Chance,
}

impl Sender {
    async fn run(mut self) {
        let mut number = 0;
        while !self.load.stopping.load(Ordering::Relaxed) {
            if number > 0 && self.chance.percent(4) {
                let before = u32::try_from(self.chance.below(u64::from(number))).unwrap_or(0);
                self.send_again(before).await;
            }
            let body = self.body(number);
            match body.fate() {
                Fate::Whole => self.deliver(body).await,
                Fate::CutFirst => {
                    self.send_cut(body).await;
                    self.deliver(body).await;
                }
                Fate::Abandoned => self.send_cut(body).await,
            }
            number += 1;
            self.load.next[self.client as usize].store(number, Ordering::Release);
            self.pause(body).await;
        }
    }

    fn body(&self, number: u32) -> Body {
        Body {
            seed: self.load.seed,
            client: self.client,
            number,
        }
    }

    async fn pause(&mut self, body: Body) {
        let readings = u64::from(body.readings());
        let micros = if readings > 1000 {
            readings * self.load.pause_micros
        } else {
            1000 * self.chance.below(20)
        };
        let end = Instant::now() + Duration::from_micros(micros);
        let (no_pauses, stopping) = (&self.load.no_pauses, &self.load.stopping);
        while no_pauses.load(Ordering::Relaxed) == 0 && !stopping.load(Ordering::Relaxed) && Instant::now() < end {
            sleep(CHECK_INTERVAL.min(end - Instant::now())).await;
        }
    }

    /// Sends an acknowledged body once more.
    async fn send_again(&mut self, number: u32) {
        let body = self.body(number);
        if body.fate() != Fate::Abandoned {
            self.deliver(body).await;
            self.load.done.again.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Sends a body until it is acknowledged.
    async fn deliver(&mut self, body: Body) {
        let text = encoded(body);
        let mut wait = FIRST_WAIT;
        loop {
            let why = match self.try_once(body, text.clone()).await {
                Ok(receipt) => {
                    let done = &self.load.done;
                    done.bodies.fetch_add(1, Ordering::Relaxed);
                    done.readings.fetch_add(receipt.accepted, Ordering::Relaxed);
                    done.rejected.fetch_add(receipt.rejected, Ordering::Relaxed);
                    let mut receipts = lock(&self.load.receipts[self.client as usize]);
                    if receipts.len() == RECEIPTS {
                        receipts.pop_front();
                    }
                    receipts.push_back(receipt);
                    return;
                }
                Err(Failure::Final(why)) => {
                    self.load.complain(format!("{body:?} was refused for good: {why}"));
                    // A device would show it to its user; here it fails the run.
                    LONGEST_WAIT
                }
                Err(Failure::Again { why, after }) => {
                    if why.starts_with("503") {
                        self.load.done.refused.fetch_add(1, Ordering::Relaxed);
                    }
                    let drawn = wait / 2 + self.chance.below(wait);
                    wait = (wait * 2).min(LONGEST_WAIT);
                    let asked = after.map_or(0, |after| u64::try_from(after.as_millis()).unwrap_or(0));
                    drawn.max(asked)
                }
            };
            self.load.done.retries.fetch_add(1, Ordering::Relaxed);
            sleep(Duration::from_millis(why)).await;
        }
    }

    async fn try_once(&mut self, body: Body, text: Bytes) -> Result<Receipt, Failure> {
        let again = |why: String, after| Failure::Again { why, after };
        let broken = |error: reqwest::Error| again(error.to_string(), None);
        let response = self.request(body).body(text).send().await.map_err(broken)?;
        let status = response.status().as_u16();
        let after = response
            .headers()
            .get("retry-after")
            .and_then(|after| after.to_str().ok()?.parse().ok());
        let after = after.map(Duration::from_secs);
        let text = response.text().await.map_err(broken)?;
        match status {
            200 | 400 => {}
            401 | 403 | 404 | 405 | 413 | 415 => return Err(Failure::Final(format!("{status} {text}"))),
            // Another key's flood must not affect this key.
            429 => return Err(Failure::Final(format!("{status} {text}"))),
            _ => return Err(again(format!("{status} {text}"), after)),
        }
        let answer: Value = serde_json::from_str(&text)
            .map_err(|error| Failure::Final(format!("{status}, and no answer of an ingestor ({error}): {text}")))?;
        let receipt = || {
            Some(Receipt {
                id: answer["id"].as_str()?.to_owned(),
                accepted: answer["accepted"].as_u64()?,
                rejected: answer["rejected"].as_u64()?,
            })
        };
        let receipt = receipt().ok_or_else(|| Failure::Final(format!("{status} without its counts: {text}")))?;
        let (readings, invalid) = (u64::from(body.readings()), u64::from(body.invalid()));
        if (receipt.accepted, receipt.rejected, status == 400) != (readings, invalid, invalid > 0) {
            self.load.complain(format!(
                "{body:?} holds {readings} readings and {invalid} bad lines, and the answer was {status} {receipt:?}"
            ));
        }
        Ok(receipt)
    }

    /// Sends a part of a body, then breaks the connection.
    async fn send_cut(&mut self, body: Body) {
        let text = encoded(body);
        let cut = usize::try_from(self.chance.below(text.len() as u64)).unwrap_or(0);
        let piece = 1 + usize::try_from(self.chance.below(32 * 1024)).unwrap_or(0);
        let mut rest = text.slice(..cut);
        let pieces = std::iter::from_fn(move || (!rest.is_empty()).then(|| Ok(rest.split_to(piece.min(rest.len())))));
        // After a pause, else the client would discard the part unsent.
        let gone = stream::once(async {
            sleep(PAUSE_BEFORE_CUT).await;
            Err(std::io::Error::other("the client is gone"))
        });
        let request = self
            .request(body)
            .body(reqwest::Body::wrap_stream(stream::iter(pieces).chain(gone)));
        // The connection breaks, so there is no answer.
        let _ = request.send().await;
        self.load.done.cut.fetch_add(1, Ordering::Relaxed);
    }

    /// A request to one of the ingestors.
    fn request(&mut self, body: Body) -> reqwest::RequestBuilder {
        self.load.done.posts.fetch_add(1, Ordering::Relaxed);
        let which = usize::try_from(self.chance.below(self.load.urls.len() as u64)).unwrap_or(0);
        let request = self.http.post(&self.load.urls[which]).bearer_auth(KEY);
        if body.is_gzip() && !body.is_undeclared() {
            request.header(CONTENT_ENCODING, "gzip")
        } else {
            request
        }
    }
}

/// Encodes a body for sending.
fn encoded(body: Body) -> Bytes {
    let text = body.text();
    if !body.is_gzip() {
        return text;
    }
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing to memory does not fail.
    let _ = gzip.write_all(&text);
    gzip.finish().unwrap_or_default().into()
}
