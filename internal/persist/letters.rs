//! Stores refused messages and rejected lines as dead letters.

use crate::Work;
use crate::slots::slot;
use crate::work::{in_work_meanwhile, read, read_event, unknown};
use event::{Delivery, Event, MAX_PAYLOAD};
use reading::{rejected, segment};
use repeat::Pauses;
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::time::Duration;
use store::{DeadLetter, Error, InvalidLine, RECEIPT_LINES};

/// Bytes of dead letters in one transaction, about.
pub(super) const BATCH: usize = 4 << 20;

/// Bytes of dead letters above which a lane takes no more of them.
pub(super) const ROOM: usize = 2 * BATCH;

/// How long a full lane waits. After that it leaves dead letters to the bus, so that its readings go on.
pub(super) const TIMEOUT: Duration = Duration::from_secs(3);

/// Most characters of an event's id and a copy's mark, which are keys; of its kind and source; of a reason.
const ID: usize = 160;
const MARK: usize = 40;
const NAME: usize = 200;
const EXPLAINED: usize = 500;

/// The reason of dead letters of rejected lines; each line has its own.
const REJECTED: &str = "rejected lines";

/// Whether this event holds no readings: it becomes a dead letter without a try.
pub(super) fn is_letter(event: &Event) -> bool {
    event.kind != segment::KIND
}

impl Work {
    /// Stores rejected lines, and events of unknown kinds, as dead letters, then acknowledges them. Gives
    /// them back where the program ends before the database takes them.
    pub(super) async fn store_letters(&self, mut batch: Vec<Delivery>) {
        let (letters, lines) = self.letters_of(&batch);
        let mut pauses = Pauses::outage();
        loop {
            let storing = self.store.store_dead_letters(&letters, &lines);
            let error = match self.with_progress(&batch, storing).await {
                None => return Delivery::release_all(batch).await,
                Some(Ok(stored)) => {
                    self.count(&letters, stored);
                    Delivery::ack_all(&mut batch).await;
                    break;
                }
                Some(Err(error)) => error,
            };
            match error {
                Error::Data(_) | Error::Slow(_) if batch.len() > 1 => {
                    tracing::warn!(%error, letters = batch.len(), "storing dead letters one by one");
                    let mut rest = VecDeque::from(batch);
                    while let Some(delivery) = rest.pop_front() {
                        // One level deep: a batch of one is not split again.
                        let storing = Box::pin(self.store_letters(vec![delivery]));
                        in_work_meanwhile(&mut rest, storing).await;
                    }
                    return;
                }
                // It must not hold up the others; the bus redelivers it later.
                Error::Data(_) => {
                    tracing::error!(event = letters[0].id, %error, "a dead letter cannot be stored; it stays on the event bus");
                    return;
                }
                Error::Slow(_) | Error::Unavailable(_) => {
                    self.metrics.retries.inc();
                    let cause = anyhow::Error::from(error);
                    tracing::warn!(
                        error = format!("{cause:#}"),
                        "could not store dead letters; trying again"
                    );
                    if self.wait(&batch, &mut pauses).await.is_none() {
                        return Delivery::release_all(batch).await;
                    }
                }
            }
        }
        self.make_room(&letters).await;
    }

    /// The dead letters of these events, and the invalid lines for receipts.
    fn letters_of(&self, batch: &[Delivery]) -> (Vec<DeadLetter>, Vec<InvalidLine>) {
        let (mut letters, mut lines) = (Vec::with_capacity(batch.len()), Vec::new());
        for delivery in batch {
            let event = &delivery.event;
            letters.push(if event.kind != rejected::KIND {
                letter(delivery, &unknown(&event.kind))
            } else {
                match receipt_lines(&event.payload) {
                    Ok(shown) => {
                        lines.extend(shown);
                        DeadLetter {
                            lane: None,
                            ..letter(delivery, REJECTED)
                        }
                    }
                    Err(error) => letter(delivery, &format!("its rejected lines cannot be read: {error}")),
                }
            });
        }
        if !self.receipt_lines {
            lines.clear();
        }
        (letters, lines)
    }

    fn count(&self, letters: &[DeadLetter], stored: u64) {
        let mut messages = 0;
        for letter in letters.iter().filter(|letter| letter.lane.is_some()) {
            messages += 1;
            tracing::error!(
                event = letter.id,
                reason = letter.reason,
                "a message became a dead letter"
            );
        }
        self.metrics.dead.inc_by(messages);
        self.metrics.lines.inc_by(stored.saturating_sub(messages));
    }

    /// Stores unreadable messages as dead letters, one after the other.
    pub(super) async fn store_unreadable(&self, unreadable: Vec<Delivery>) {
        if unreadable.is_empty() {
            return;
        }
        let slot = self.with_progress(&unreadable, slot(&self.letter_slot)).await;
        let Some(_slot) = slot else { return };
        let mut rest = VecDeque::from(unreadable);
        while let Some(mut delivery) = rest.pop_front() {
            let reason = read_event(&delivery.event).err().unwrap_or_default();
            in_work_meanwhile(&mut rest, self.store_refused(&mut delivery, &reason)).await;
        }
    }

    /// Stores an unreadable or refused message as a dead letter, however long that takes. If the program ends
    /// first, it does nothing: the bus redelivers the message.
    pub(super) async fn store_refused(&self, delivery: &mut Delivery, reason: &str) {
        let event = delivery.event.id.clone();
        let letter = letter(delivery, reason);
        let message = read(&delivery.event.kind, &delivery.event.id, &delivery.event.payload).ok();
        let mut pauses = Pauses::outage();
        loop {
            let storing = async {
                match &message {
                    Some(message) => self.store.store_refused(message, &letter).await,
                    None => {
                        let stored = self.store.store_dead_letters(std::slice::from_ref(&letter), &[]).await;
                        stored.map(|letters| letters > 0)
                    }
                }
            };
            match self.with_progress(std::slice::from_ref(delivery), storing).await {
                None => return,
                Some(Ok(is_new)) => {
                    self.metrics.dead.inc();
                    if is_new {
                        tracing::error!(event, reason, "a message became a dead letter");
                    } else {
                        tracing::warn!(
                            event,
                            reason,
                            "a message cannot be stored; it is, or was, a dead letter"
                        );
                    }
                    return delivery.ack().await;
                }
                Some(Err(error)) => {
                    let cause = anyhow::Error::from(error);
                    tracing::warn!(
                        event,
                        error = format!("{cause:#}"),
                        "could not store a dead letter; trying again"
                    );
                    if self.wait(std::slice::from_ref(delivery), &mut pauses).await.is_none() {
                        return;
                    }
                }
            }
        }
    }
}

/// The dead letter made of a delivery.
fn letter(delivery: &Delivery, reason: &str) -> DeadLetter {
    DeadLetter {
        mark: delivery.mark().chars().take(MARK).collect(),
        headers: delivery.headers(),
        lane: delivery.lane.map(|lane| lane.name().to_owned()),
        ..of_event(&delivery.event, reason)
    }
}

/// The dead letter made of the event alone.
pub(super) fn of_event(event: &Event, reason: &str) -> DeadLetter {
    let cut = |text: &str, most| text.chars().take(most).collect::<String>();
    let mut payload = event.payload.clone();
    let length = payload.len();
    // With the headers added, the bus might never take a longer payload again.
    payload.truncate(MAX_PAYLOAD);
    DeadLetter {
        id: name(&event.id),
        kind: cut(&event.kind, NAME),
        source: cut(&event.source, NAME),
        cut_from: (length > MAX_PAYLOAD).then_some(length as u64),
        payload,
        reason: cut(reason, EXPLAINED),
        ..DeadLetter::default()
    }
}

/// An event's id as a dead letter's key. An id longer than a key may be ends in a hash.
fn name(id: &str) -> String {
    if id.chars().count() <= ID {
        return id.to_owned();
    }
    let begins: String = id.chars().take(ID - 33).collect();
    let hash = format!("{:x}", Sha256::digest(id.as_bytes()));
    format!("{begins}~{}", &hash[..32])
}

/// The receipt lines of these rejected lines. Reads only the beginning of the payload, since they come
/// first.
fn receipt_lines(payload: &[u8]) -> Result<Vec<InvalidLine>, serde_json::Error> {
    let mut shown = Vec::new();
    for line in rejected::each(payload) {
        let line = line?;
        let Some(ordinal) = line.ordinal.and_then(|ordinal| u32::try_from(ordinal).ok()) else {
            break;
        };
        if !(1..=RECEIPT_LINES).contains(&ordinal) {
            break;
        }
        shown.push(InvalidLine {
            upload: line.upload,
            ordinal,
            line: line.line,
            value: line.value,
            reason: line.reason,
            reading: line.reading,
        });
    }
    Ok(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_ids_stay_apart_and_short() {
        let (one, other) = ("é".repeat(161), "é".repeat(162));
        assert_eq!(name(&one).chars().count(), ID);
        assert_ne!(name(&one), name(&other));
        assert_eq!(name(&one[2..]), one[2..]);
    }

    #[test]
    fn a_receipt_tells_of_the_first_lines_alone() {
        let line = |ordinal: Option<u64>| {
            let ordinal = ordinal
                .map(|ordinal| format!(r#""ordinal":{ordinal},"#))
                .unwrap_or_default();
            format!(
                r#"{{"upload":"01890a5d-ac96-774b-bcce-b302099a8057",{ordinal}"line":7,"device":"d","reason":"r","reading":"x"}}"#
            )
        };
        let payload = |from: u64, to: u64| {
            (from..=to)
                .map(|ordinal| line(Some(ordinal)) + "\n")
                .collect::<String>()
        };
        let ordinals = |payload: &str| {
            let shown = receipt_lines(payload.as_bytes()).unwrap();
            shown.iter().map(|line| line.ordinal).collect::<Vec<_>>()
        };
        assert_eq!(ordinals(&payload(98, 120)), [98, 99, 100]);
        assert_eq!(ordinals(&(payload(101, 102) + "what is not read")), [0; 0]);
        assert_eq!(ordinals(&line(None)), [0; 0], "an ingestor of 0.1");
        assert!(receipt_lines(b"nonsense").is_err());
    }
}
