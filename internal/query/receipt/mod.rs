//! Receipts: what became of an upload, from the answer to `POST /ingest` to the last stored row.

mod http;
mod postgres;
#[cfg(test)]
mod tests;
mod waiting;

pub(crate) use http::routes;

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// Microseconds without progress after which an upload without totals is incomplete.
const BROKEN_OFF: i64 = 3600 * 1_000_000;

/// The receipt of an upload, in readings. In the end `accepted = persisted + duplicates + conflicts +
/// failed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
struct Receipt {
    #[schema(value_type = String, format = "uuid")]
    id: Uuid,
    status: Status,
    /// Accepted readings, as the upload was answered; null until its last message is stored.
    #[schema(required)]
    accepted: Option<u64>,
    /// Rejected lines; null likewise.
    #[schema(required)]
    rejected: Option<u64>,
    /// New rows.
    persisted: u64,
    /// Stored already, with the same value.
    duplicates: u64,
    /// Stored already with another value, which stays.
    conflicts: u64,
    /// In dead letters.
    failed: u64,
    /// The first rejected lines, if persistors keep them (`--receipt-lines`). They may follow a moment after
    /// the totals.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    invalid: Vec<Invalid>,
}

/// A rejected line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = InvalidLine)]
struct Invalid {
    /// Its number in the body, from 1.
    line: u64,
    /// Its number among the values of that line, from 1, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<u64>,
    /// Why it is no reading.
    reason: String,
    /// Its first 256 characters.
    reading: String,
}

/// The state of an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ReceiptStatus)]
enum Status {
    /// More messages may follow.
    Pending,
    /// Every accepted reading is in the database.
    Persisted,
    /// All messages are handled, but some readings could not be stored.
    Failed,
    /// The upload broke off: its stored readings count, and its client has to send it again.
    Incomplete,
}

/// The sums of an upload's rows.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    persisted: u64,
    duplicates: u64,
    conflicts: u64,
    failed: u64,
    totals: Option<(u64, u64)>,
    /// When the last of its messages was published, in microseconds since 1970.
    last: Option<i64>,
}

/// Makes the receipt of an upload with these sums; none if there can be no such upload.
fn judge(id: Uuid, sums: Option<Sums>, now: i64) -> Option<Receipt> {
    let began = reading::uploaded(id)?;
    if !reading::has_receipt(began, now) {
        return None;
    }
    let known = sums.is_some();
    let sums = sums.unwrap_or_default();
    let done = sums.persisted + sums.duplicates + sums.conflicts + sums.failed;
    let status = match sums.totals {
        Some((accepted, _)) if done < accepted => Status::Pending,
        Some(_) if sums.failed > 0 => Status::Failed,
        Some(_) => Status::Persisted,
        None if known && sums.last.unwrap_or(began).max(began) < now - BROKEN_OFF => Status::Incomplete,
        None => Status::Pending,
    };
    Some(Receipt {
        id,
        status,
        accepted: sums.totals.map(|(accepted, _)| accepted),
        rejected: sums.totals.map(|(_, rejected)| rejected),
        persisted: sums.persisted,
        duplicates: sums.duplicates,
        conflicts: sums.conflicts,
        failed: sums.failed,
        invalid: Vec::new(),
    })
}

/// An id before those of all uploads whose receipts are kept.
fn earliest(now: i64) -> Uuid {
    let milliseconds = u128::try_from((now - reading::KEPT_RECEIPTS) / 1000).unwrap_or(0);
    Uuid::from_u128(milliseconds << 80)
}

impl Receipt {
    /// Whether it may have invalid lines: an upload that broke off has no totals.
    fn may_have_lines(&self) -> bool {
        match self.rejected {
            Some(rejected) => rejected > 0,
            None => self.status == Status::Incomplete,
        }
    }
}
