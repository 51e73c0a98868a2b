//! Files that are read again when they change.

use std::fmt::Display;
use std::time::Duration;
use tokio::task::spawn_blocking;
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

/// How often to check for changes.
const CHECK_INTERVAL: Duration = Duration::from_secs(2);

/// Calls `check` every two seconds until `stop`, on a thread that may block. Passes an error to `log` unless the
/// call before failed with the same text.
pub async fn refresh<E: Display + Send + 'static>(
    stop: CancellationToken,
    check: impl Fn() -> Result<(), E> + Clone + Send + 'static,
    log: impl Fn(&E),
) {
    refresh_every(CHECK_INTERVAL, stop, check, log).await;
}

async fn refresh_every<E: Display + Send + 'static>(
    pause: Duration,
    stop: CancellationToken,
    check: impl Fn() -> Result<(), E> + Clone + Send + 'static,
    log: impl Fn(&E),
) {
    let mut ticks = interval(pause);
    let mut logged = String::new();
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        match spawn_blocking(check.clone()).await {
            Ok(Ok(())) => logged.clear(),
            Ok(Err(error)) => {
                let text = error.to_string();
                if text != logged {
                    log(&error);
                    logged = text;
                }
            }
            // It panicked, which the runtime has reported.
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[tokio::test]
    async fn an_error_is_logged_until_it_changes() {
        let results = [Err("a"), Err("a"), Err("b"), Ok(()), Err("b")];
        let (results, logged) = (Arc::new(Mutex::new(results.into_iter())), Mutex::new(Vec::new()));
        let stop = CancellationToken::new();
        let stops = stop.clone();
        let check = move || {
            results.lock().unwrap().next().unwrap_or_else(|| {
                stops.cancel();
                Ok(())
            })
        };
        refresh_every(Duration::from_millis(1), stop, check, |error| {
            logged.lock().unwrap().push(*error);
        })
        .await;
        assert_eq!(*logged.lock().unwrap(), ["a", "b", "b"]);
    }
}
