//! What is new since the last snapshot, and how much of it one transaction takes.
//!
//! After hours without a notifier, more is new than fits in memory, or than is judged before the lease ends. So a
//! transaction takes the rows up to one transaction number, and leaves the rest: it notes a snapshot that sees no more.

use ::postgres::Snapshot;
use tokio_postgres::{Error, Transaction};

/// Which rows of `change` or `published` are new and taken: $1 is the last snapshot, $2 the last transaction number that
/// is taken. By the first two conditions an index finds them, also while an old transaction holds the snapshot's least
/// number back.
pub(crate) const NEW: &str = "(xid >= pg_snapshot_xmax($1::text::pg_snapshot) OR xid = ANY(ARRAY(SELECT pg_snapshot_xip($1::text::pg_snapshot))))
    AND xid <= $2::text::xid8";

/// Rows of `change` that are taken at once, and of `published`. What one transaction wrote is not divided.
const CHANGES: i64 = 10_000;
const MESSAGES: i64 = 1_000;

/// What is taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NewRows {
    /// The last snapshot.
    pub(crate) seen: String,
    /// The last transaction number that is taken.
    pub(crate) last: String,
    /// The snapshot that sees what is taken by then.
    pub(crate) upto: String,
    /// Whether nothing is left.
    pub(crate) is_all: bool,
}

impl NewRows {
    /// Finds out how much is taken of what `snapshot`, that of the transaction, sees and `seen` does not.
    pub(crate) async fn find(transaction: &Transaction<'_>, seen: &str, snapshot: &str) -> Result<Self, Error> {
        let select = "SELECT least(
                (SELECT xid FROM change WHERE xid >= pg_snapshot_xmax($1::text::pg_snapshot)
                    ORDER BY xid OFFSET $2::int8 LIMIT 1),
                (SELECT xid FROM published WHERE xid >= pg_snapshot_xmax($1::text::pg_snapshot)
                    ORDER BY xid OFFSET $3::int8 LIMIT 1))::text";
        let row = transaction
            .query_one(select, &[&seen, &(CHANGES - 1), &(MESSAGES - 1)])
            .await?;
        let last: Option<String> = row.try_get(0)?;
        Ok(Self::until(seen, snapshot, last.as_deref()))
    }

    /// Takes what is new up to this transaction number; none: all.
    fn until(seen: &str, snapshot: &str, last: Option<&str>) -> Self {
        let last: Option<u64> = last.and_then(|last| last.parse().ok());
        let cut = last.and_then(|last| Some((last, Snapshot::parse(snapshot)?.up_to(last)?.to_string())));
        let is_all = cut.is_none();
        let (last, upto) = cut.unwrap_or_else(|| (u64::MAX, snapshot.to_owned()));
        Self {
            seen: seen.to_owned(),
            last: last.to_string(),
            upto,
            is_all,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_last_one_all_is_taken() {
        let all = NewRows::until("1:1:", "10:20:10", None);
        assert_eq!(
            (&*all.upto, all.is_all, &*all.last),
            ("10:20:10", true, "18446744073709551615")
        );
        let some = NewRows::until("1:1:", "10:20:10", Some("12"));
        assert_eq!((&*some.upto, some.is_all, &*some.last), ("10:13:10", false, "12"));
    }
}
