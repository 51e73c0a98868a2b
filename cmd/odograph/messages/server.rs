//! A server of messages that is asked until it answers.

use bytes::Bytes;
use message::{Client, Failure};
use repeat::Pauses;
use std::io::Write;
use std::time::Duration;

/// A server, and how long to try again.
pub(super) struct Server {
    pub(super) client: Client,
    pub(super) patience: Duration,
}

impl Server {
    /// Calls until the server answers.
    pub(super) async fn call<T>(
        &mut self,
        mut call: impl AsyncFnMut(&mut Client) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let (begun, mut pauses) = (tokio::time::Instant::now(), Pauses::outage());
        loop {
            match call(&mut self.client).await {
                Err(Failure::Again { text, after }) if begun.elapsed() < self.patience => {
                    let pause = after.max(pauses.grow());
                    let _unread = writeln!(std::io::stderr(), "{text} Trying again in {pause:.1?}.");
                    tokio::time::sleep(pause).await;
                }
                ended => return ended,
            }
        }
    }

    /// The messages of these ids, asked for in halves where an answer would be too long.
    pub(super) async fn get(&mut self, ids: Vec<String>) -> Result<Vec<Bytes>, Failure> {
        let (mut found, mut waiting) = (Vec::new(), vec![ids]);
        while let Some(mut ids) = waiting.pop() {
            match self.call(async |client| client.get(ids.clone()).await).await {
                Ok(events) => found.extend(events),
                Err(Failure::TooLarge(_)) if ids.len() > 1 => {
                    let rest = ids.split_off(ids.len() / 2);
                    waiting.extend([rest, ids]);
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(found)
    }
}
