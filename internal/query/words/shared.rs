//! Shares one query among all clients that ask the same question at the same moment.

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::sleep;

/// Entries kept before abandoned ones are removed.
const REMEMBERED: usize = 1024;

/// Shares answers among callers of the same question.
///
/// Every answer is from after its question: callers that come while a query runs wait together for the next
/// query. So the answer has every reading stored before the question, and a crowd costs the database no more
/// than one caller. Cheap to clone.
#[derive(Debug)]
pub(crate) struct Questions<K, T: Clone> {
    known: Arc<Mutex<HashMap<K, Question<T>>>>,
    /// Pause after a question's last query, before the next.
    pause: Duration,
}

/// The last query of a question.
#[derive(Debug)]
struct Question<T: Clone> {
    /// Gone once no caller waits for it.
    answer: WeakShared<BoxFuture<'static, T>>,
    /// Its query has begun: too late to join.
    put: Arc<AtomicBool>,
}

impl<K, T: Clone> Clone for Questions<K, T> {
    fn clone(&self) -> Self {
        Self {
            known: self.known.clone(),
            pause: self.pause,
        }
    }
}

impl<K, T: Clone> Default for Questions<K, T> {
    fn default() -> Self {
        Self::every(Duration::ZERO)
    }
}

impl<K, T: Clone> Questions<K, T> {
    /// Makes questions that pause this long before each query. So a repeated question costs the database one
    /// query in that time.
    pub(crate) fn every(pause: Duration) -> Self {
        Self {
            known: Arc::default(),
            pause,
        }
    }
}

impl<K: Eq + Hash, T: Clone + Send + Sync + 'static> Questions<K, T> {
    /// Returns the answer to this question. `put` queries the database, unless another caller's query will
    /// do. Runs as long as a caller waits for it.
    pub(crate) async fn ask<F>(&self, question: K, put: impl FnOnce() -> F) -> T
    where
        F: Future<Output = T> + Send + 'static,
    {
        self.join(question, put).await
    }

    fn join<F>(&self, question: K, put: impl FnOnce() -> F) -> Shared<BoxFuture<'static, T>>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut questions = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if questions.len() >= REMEMBERED {
            questions.retain(|_, question| question.answer.upgrade().is_some());
        }
        let before = questions.get(&question);
        let under_way = before.and_then(|before| before.answer.upgrade());
        if let (Some(before), Some(answer)) = (before, &under_way)
            && !before.put.load(Ordering::Acquire)
        {
            return answer.clone();
        }
        let is_put = Arc::new(AtomicBool::new(false));
        let (asking, putting, pause) = (put(), is_put.clone(), self.pause);
        let answer = async move {
            // One at a time; meanwhile others join.
            if let Some(under_way) = under_way {
                under_way.await;
            }
            if !pause.is_zero() {
                sleep(pause).await;
            }
            putting.store(true, Ordering::Release);
            asking.await
        };
        let answer = answer.boxed().shared();
        if let Some(weak) = answer.downgrade() {
            questions.insert(
                question,
                Question {
                    answer: weak,
                    put: is_put,
                },
            );
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;
    use tokio::sync::Semaphore;

    #[tokio::test]
    async fn who_comes_too_late_waits_for_the_next_answer() {
        let questions = Questions::default();
        let (asked, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
        let ask = || {
            let (questions, asked, gate) = (questions.clone(), asked.clone(), gate.clone());
            let put = move || async move {
                let number = asked.fetch_add(1, Ordering::SeqCst) + 1;
                gate.acquire().await.unwrap().forget();
                number
            };
            let mut asking = Box::pin(async move { questions.ask("same", put).await });
            // Up to the gate, or into the queue.
            assert!(asking.as_mut().now_or_never().is_none());
            asking
        };
        let first = ask();
        let (second, third) = (ask(), ask());
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        gate.add_permits(1);
        assert_eq!(first.await, 1);
        gate.add_permits(1);
        assert_eq!((second.await, third.await), (2, 2));
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn an_answer_that_nobody_waits_for_any_more_holds_up_nobody() {
        let questions: Questions<u8, u8> = Questions::default();
        let mut never = Box::pin(questions.ask(1, std::future::pending));
        assert!(never.as_mut().now_or_never().is_none());
        drop(never);
        assert_eq!(questions.ask(1, || async { 7 }).await, 7);
        // Another question does not wait.
        let mut never = Box::pin(questions.ask(1, std::future::pending));
        assert!(never.as_mut().now_or_never().is_none());
        assert_eq!(questions.ask(2, || async { 8 }).await, 8);
    }

    #[tokio::test]
    async fn what_is_remembered_is_bounded() {
        let questions: Questions<usize, ()> = Questions::default();
        for number in 0..3 * REMEMBERED {
            questions.ask(number, || async {}).await;
        }
        assert!(questions.known.lock().unwrap().len() <= REMEMBERED);
    }
}
