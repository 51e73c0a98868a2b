//! A program that publishes messages, each until the notifiers have taken it.

use super::rules::TOPIC;
use crate::chance::Chance;
use reqwest::Client;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::sleep;

/// The notifiers' secret for tokens of publishers.
pub(crate) const SECRET: &str = "a secret of the soak that is long enough";

/// A token that [`SECRET`] signs: {"author":"soak","topics":["soak"]}.
const TOKEN: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJhdXRob3IiOiJzb2FrIiwidG9waWNzIjpbInNvYWsiXX0.rpdkoxVKPGktUnqjtLztFu4cI-jhoOPmY4uI2oPU1-A";

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Pauses between two messages, and between two tries of one.
const PAUSE: Duration = Duration::from_millis(40);
const WAIT: Duration = Duration::from_millis(200);

/// Complaints kept.
const KEPT: usize = 20;

/// Publishes messages, numbered from 0.
#[derive(Default)]
pub(super) struct Publisher {
    stopping: AtomicBool,
    /// Messages that were taken.
    taken: AtomicU64,
    wrong: Mutex<Vec<String>>,
}

/// Whether the subscription's filter holds for a message.
pub(super) fn is_wanted(number: u64) -> bool {
    !number.is_multiple_of(3)
}

impl Publisher {
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// The number of messages that were taken.
    pub(super) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Acquire)
    }

    pub(super) fn wrong(&self) -> Vec<String> {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Publishes until it is stopped, and its last message is taken.
    pub(super) async fn run(&self, seed: u64, urls: &[String]) {
        let client = match Client::builder().timeout(TIMEOUT).build() {
            Ok(client) => client,
            Err(error) => return self.complain(format!("no HTTP client: {error}")),
        };
        let mut chance = Chance::new(seed, 901);
        let mut number = 0;
        while !self.stopping.load(Ordering::Relaxed) {
            // Some were taken before, and must be told apart from new ones.
            if number > 0 && chance.percent(5) {
                let before = chance.below(number);
                self.publish(&client, &mut chance, urls, before, true).await;
            }
            self.publish(&client, &mut chance, urls, number, false).await;
            number += 1;
            self.taken.store(number, Ordering::Release);
            sleep(PAUSE).await;
        }
    }

    /// Publishes a message until it is taken.
    async fn publish(&self, client: &Client, chance: &mut Chance, urls: &[String], number: u64, again: bool) {
        let message = json!({
            "topic": TOPIC, "id": format!("m-{number}"), "key": format!("k{}", number % 5),
            "body": {"number": number, "wanted": is_wanted(number)},
        });
        loop {
            let url = &urls[usize::try_from(chance.below(urls.len() as u64)).unwrap_or(0)];
            let request = client.post(url).bearer_auth(TOKEN).body(message.to_string());
            if let Ok(response) = request.send().await {
                let status = response.status().as_u16();
                let text = response.text().await;
                match (status, text) {
                    (200, Ok(text)) => {
                        let answer: Value = serde_json::from_str(&text).unwrap_or_default();
                        // One that was taken before its answer was lost is a duplicate at the first answer.
                        if answer["id"] != message["id"] || (again && answer["duplicate"] != true) {
                            self.complain(format!("message {number}, again: {again}, was answered with {text}"));
                        }
                        return;
                    }
                    (400 | 401 | 403 | 404 | 409 | 413 | 415, text) => {
                        self.complain(format!("message {number} was refused: {status} {text:?}"));
                        return;
                    }
                    _ => {}
                }
            }
            sleep(WAIT).await;
        }
    }

    fn complain(&self, text: String) {
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        if wrong.len() < KEPT {
            wrong.push(text);
        }
    }
}
