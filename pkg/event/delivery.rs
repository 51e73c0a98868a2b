//! Deliveries of events, and what the bus is told about them.

use crate::moment::for_a_moment;
use crate::{Event, Lane, memory, nats};

/// An event that a reader has received and not acknowledged yet.
pub struct Delivery {
    /// The event.
    pub event: Event,
    /// Its lane; `None` if it never went through one.
    pub lane: Option<Lane>,
    /// The readers of its lane had acknowledged it when reading a history began.
    pub is_acknowledged: bool,
    receipt: Receipt,
}

enum Receipt {
    Memory(memory::Receipt),
    Nats(Box<nats::Receipt>),
}

impl Delivery {
    pub(crate) fn of_memory(event: Event, lane: Lane, receipt: memory::Receipt) -> Self {
        Self {
            event,
            lane: Some(lane),
            is_acknowledged: false,
            receipt: Receipt::Memory(receipt),
        }
    }

    pub(crate) fn of_nats(taken: nats::Taken) -> Self {
        Self {
            event: taken.event,
            lane: taken.lane,
            is_acknowledged: taken.is_acknowledged,
            receipt: Receipt::Nats(Box::new(taken.receipt)),
        }
    }

    /// Acknowledges the event. Waits one second at most: if the acknowledgement cannot be sent by then, or
    /// gets lost, the bus delivers the event again. A second call does nothing.
    pub async fn ack(&mut self) {
        Self::ack_all(std::slice::from_mut(self)).await;
    }

    /// As [`Delivery::ack`], for many that share the second.
    pub async fn ack_all(deliveries: &mut [Self]) {
        for_a_moment(async {
            for delivery in deliveries {
                match &mut delivery.receipt {
                    Receipt::Memory(receipt) => receipt.ack(),
                    Receipt::Nats(receipt) => receipt.ack().await,
                }
            }
        })
        .await;
    }

    /// The mark of a redriven event; empty for others.
    pub fn mark(&self) -> String {
        match &self.receipt {
            Receipt::Memory(_) => String::new(),
            Receipt::Nats(receipt) => receipt.mark(),
        }
    }

    /// Further headers of the event, name and value: neither its own nor the server's, 2 KiB at most.
    pub fn headers(&self) -> Vec<(String, String)> {
        match &self.receipt {
            Receipt::Memory(_) => Vec::new(),
            Receipt::Nats(receipt) => receipt.foreign(),
        }
    }

    /// Tells the bus that these events are still in work, so that it does not redeliver them meanwhile. To
    /// be called at least every [`PROGRESS_INTERVAL`](crate::PROGRESS_INTERVAL); waits one second at most.
    pub async fn progress_all(deliveries: &[Self]) {
        for_a_moment(async {
            for delivery in deliveries {
                if let Receipt::Nats(receipt) = &delivery.receipt {
                    receipt.progress().await;
                }
            }
        })
        .await;
    }

    /// Gives these events back: the bus redelivers them at once, or after a while where it cannot be told
    /// within one second.
    pub async fn release_all(deliveries: Vec<Self>) {
        for_a_moment(async {
            for delivery in &deliveries {
                if let Receipt::Nats(receipt) = &delivery.receipt {
                    receipt.release().await;
                }
            }
        })
        .await;
    }

    /// Approximate size of the event in memory, in bytes.
    pub fn size(&self) -> usize {
        self.event.payload.len() + 512
    }
}
