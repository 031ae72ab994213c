//! Lets requests that wait together share one piece of work.
//!
//! Nothing is delayed to gather company: while slots are free a request goes at once and alone. Only when
//! every slot is busy do requests wait, and the next free slot takes all of them. So the batches grow with
//! the load and shrink with it, without a timer to tune.
//!
//! What the work is, this file does not know.

use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::error::{Error, Result};

/// Bounds of a combiner.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most requests in one batch.
    pub batch: usize,
    /// Most batches at work at once.
    pub in_flight: usize,
    /// Most requests that wait; the next is shed.
    pub queue: usize,
}

struct Waiting<Q, A> {
    question: Q,
    reply: oneshot::Sender<Result<A>>,
}

/// Hands questions to a function that answers many at once.
pub struct Combiner<Q, A> {
    queue: mpsc::Sender<Waiting<Q, A>>,
}

impl<Q, A> Clone for Combiner<Q, A> {
    fn clone(&self) -> Self {
        Combiner { queue: self.queue.clone() }
    }
}

impl<Q: Send + 'static, A: Send + 'static> Combiner<Q, A> {
    /// Starts a combiner on the current runtime; it ends when the last handle is dropped and what was asked
    /// is answered. `answer` gives one result per question, in their order.
    pub fn start<H, F>(limits: Limits, answer: H) -> Self
    where
        H: Fn(Vec<Q>) -> F + Send + Sync + 'static,
        F: Future<Output = Vec<Result<A>>> + Send + 'static,
    {
        let (queue, waiting) = mpsc::channel(limits.queue);
        tokio::spawn(combine(limits, waiting, Arc::new(answer)));
        Combiner { queue }
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// What the work ended with; `Overloaded` when too many wait already; `Internal` when the work panicked.
    pub async fn ask(&self, question: Q) -> Result<A> {
        let (reply, answer) = oneshot::channel();
        self.queue.try_send(Waiting { question, reply }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Error::Overloaded("too many requests wait"),
            mpsc::error::TrySendError::Closed(_) => Error::Internal("the combiner has ended".into()),
        })?;
        answer
            .await
            .unwrap_or_else(|_| Err(Error::Internal("the work of a batch ended without an answer".into())))
    }
}

/// Takes a slot first and requests second, so that those who come while every slot is busy go together.
async fn combine<Q, A, H, F>(limits: Limits, mut queue: mpsc::Receiver<Waiting<Q, A>>, answer: Arc<H>)
where
    Q: Send + 'static,
    A: Send + 'static,
    H: Fn(Vec<Q>) -> F + Send + Sync + 'static,
    F: Future<Output = Vec<Result<A>>> + Send + 'static,
{
    let slots = Arc::new(Semaphore::new(limits.in_flight));
    while let Ok(slot) = Arc::clone(&slots).acquire_owned().await {
        let mut batch = Vec::new();
        if queue.recv_many(&mut batch, limits.batch).await == 0 {
            return;
        }
        let answer = Arc::clone(&answer);
        // A task of its own: a panic in one batch frees the slot and reaches only those who asked in it.
        tokio::spawn(async move {
            run(batch, &*answer).await;
            drop(slot);
        });
    }
}

async fn run<Q, A, H, F>(batch: Vec<Waiting<Q, A>>, answer: &H)
where
    H: Fn(Vec<Q>) -> F,
    F: Future<Output = Vec<Result<A>>>,
{
    // Whoever has gone, by a time limit or a broken connection, is not worked for.
    let (questions, replies): (Vec<Q>, Vec<_>) = batch
        .into_iter()
        .filter(|waiting| !waiting.reply.is_closed())
        .map(|waiting| (waiting.question, waiting.reply))
        .unzip();
    if questions.is_empty() {
        return;
    }
    for (reply, result) in replies.into_iter().zip(answer(questions).await) {
        // The other end may be gone by now; its loss.
        let _ = reply.send(result);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures::future::join_all;

    use super::*;

    type Batches = Arc<Mutex<Vec<Vec<u32>>>>;

    /// Work that doubles numbers, notes the batches it was given, and waits for the gate.
    fn doubling(limits: Limits) -> (Combiner<u32, u32>, Batches, Arc<Semaphore>) {
        let (batches, gate) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Semaphore::new(0)));
        let (noted, waited) = (Arc::clone(&batches), Arc::clone(&gate));
        let combiner = Combiner::start(limits, move |numbers: Vec<u32>| {
            noted.lock().unwrap().push(numbers.clone());
            let gate = Arc::clone(&waited);
            async move {
                gate.acquire().await.unwrap().forget();
                assert!(!numbers.contains(&666), "666 is not answered");
                numbers.into_iter().map(|n| Ok(n * 2)).collect()
            }
        });
        (combiner, batches, gate)
    }

    const ONE_AT_A_TIME: Limits = Limits { batch: 100, in_flight: 1, queue: 100 };

    /// Lets every task that can run do so, until it waits.
    async fn settle() {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn those_who_wait_while_the_slot_is_busy_go_together() {
        let (combiner, batches, gate) = doubling(ONE_AT_A_TIME);
        let first = tokio::spawn({
            let combiner = combiner.clone();
            async move { combiner.ask(0).await }
        });
        settle().await;
        let rest = tokio::spawn(async move { join_all((1..50).map(|n| combiner.ask(n))).await });
        settle().await;
        gate.add_permits(2);

        assert_eq!(first.await.unwrap().unwrap(), 0);
        let answers: Vec<u32> = rest.await.unwrap().into_iter().map(Result::unwrap).collect();
        assert_eq!(answers, (1..50).map(|n| n * 2).collect::<Vec<_>>());
        let sizes: Vec<usize> = batches.lock().unwrap().iter().map(Vec::len).collect();
        assert_eq!(sizes, [1, 49], "the first alone, the rest in one");
    }

    #[tokio::test]
    async fn who_has_gone_is_not_worked_for_and_harms_nobody() {
        let (combiner, batches, gate) = doubling(ONE_AT_A_TIME);
        let ask = |n| {
            let combiner = combiner.clone();
            tokio::spawn(async move { combiner.ask(n).await })
        };
        let busy = ask(1);
        settle().await;
        let (gone, stays) = (ask(2), ask(3));
        settle().await;
        gone.abort();
        settle().await;
        gate.add_permits(2);
        assert_eq!(busy.await.unwrap().unwrap(), 2);
        assert_eq!(stays.await.unwrap().unwrap(), 6);
        assert_eq!(*batches.lock().unwrap(), [vec![1], vec![3]]);
    }

    #[tokio::test]
    async fn a_panic_reaches_its_own_batch_and_the_next_goes_on() {
        let (combiner, _, gate) = doubling(ONE_AT_A_TIME);
        gate.add_permits(2);
        assert!(matches!(combiner.ask(666).await, Err(Error::Internal(_))));
        assert_eq!(combiner.ask(4).await.unwrap(), 8);
    }

    #[tokio::test]
    async fn a_full_queue_sheds() {
        let (combiner, _, gate) = doubling(Limits { batch: 1, in_flight: 1, queue: 1 });
        let ask = |n| {
            let combiner = combiner.clone();
            tokio::spawn(async move { combiner.ask(n).await })
        };
        let working = ask(1);
        settle().await;
        let waiting = ask(2);
        settle().await;
        assert!(matches!(combiner.ask(3).await, Err(Error::Overloaded(_))));
        gate.add_permits(2);
        assert_eq!((working.await.unwrap().unwrap(), waiting.await.unwrap().unwrap()), (2, 4));
    }
}
