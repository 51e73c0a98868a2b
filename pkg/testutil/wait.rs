//! Waiting on conditions.

use repeat::Pauses;
use std::future::Future;
use std::panic::Location;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// Between two looks at a condition.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// Tries until the condition gives a value, with a short pause in between.
///
/// # Panics
/// Past the deadline, naming the caller's line.
#[track_caller]
pub fn poll<T, F, C>(deadline: Duration, mut condition: C) -> impl Future<Output = T>
where
    C: FnMut() -> F,
    F: Future<Output = Option<T>>,
{
    let caller = Location::caller();
    async move {
        let end = Instant::now() + deadline;
        let mut pauses = Pauses::between(Duration::from_millis(5), LONGEST_PAUSE);
        let tries = async {
            loop {
                if let Some(value) = condition().await {
                    return value;
                }
                sleep(pauses.grow()).await;
            }
        };
        match timeout_at(end, tries).await {
            Ok(value) => value,
            Err(_) => panic!("what {caller} waits for did not happen within {deadline:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_condition_is_tried_until_it_holds() {
        let mut tries = 0;
        let answer = poll(Duration::from_secs(60), || {
            tries += 1;
            let answer = (tries == 3).then_some(tries);
            async move { answer }
        });
        assert_eq!(answer.await, 3);
    }

    #[tokio::test]
    #[should_panic(expected = "wait.rs")]
    async fn a_condition_that_never_holds_names_the_line() {
        poll(Duration::from_millis(1), || async { None::<()> }).await;
    }
}
