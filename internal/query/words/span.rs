//! The span of time that a request asks for.

use super::time::When;
use super::zone::Zone;
use jiff::Timestamp;
use reading::time;
use web::{Problem, wrong};

/// The ends of a span, where a request has them, and the moment of the request, from which both count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ends {
    /// To the microsecond.
    pub(crate) now: Timestamp,
    /// Inclusive.
    pub(crate) from: Option<Timestamp>,
    /// Exclusive.
    pub(crate) to: Option<Timestamp>,
}

impl Ends {
    /// The ends of a request that came now, in this zone; 400 where they are beyond the calendar.
    pub(crate) fn of(from: Option<When>, to: Option<When>, zone: &Zone) -> Result<Self, Problem> {
        let now = Timestamp::from_microsecond(time::now()).map_err(Problem::internal)?;
        let moment = |name: &str, when: Option<When>| {
            let moment = when.map(|when| when.moment(now, zone)).transpose();
            let moment = moment.map_err(|reason| wrong(name, reason))?;
            if moment.is_some_and(|moment| moment < FIRST) {
                return Err(wrong(name, BEFORE));
            }
            Ok(moment)
        };
        Ok(Self {
            now,
            from: moment("from", from)?,
            to: moment("to", to)?,
        })
    }

    /// The span, which ends now and lasts `usual` days unless the request says otherwise.
    pub(crate) fn span(self, usual: i64) -> Result<(Timestamp, Timestamp), Problem> {
        let to = self.to.unwrap_or(self.now);
        let before = || Timestamp::from_microsecond(to.as_microsecond() - usual * time::DAY);
        let from = self.from.map_or_else(before, Ok).ok();
        let from = from
            .filter(|from| *from >= FIRST)
            .ok_or_else(|| wrong("from", BEFORE))?;
        Ok((from, to))
    }

    /// The same, of at most `longest` days; 400 where it is longer, or empty.
    pub(crate) fn span_within(self, usual: i64, longest: i64) -> Result<(Timestamp, Timestamp), Problem> {
        let (from, to) = self.span(usual)?;
        if from >= to {
            return Err(Problem::bad_request(EMPTY));
        }
        if to.as_microsecond() - from.as_microsecond() > longest * time::DAY {
            let reason = format!("more than {longest} days before to: ask for a shorter span");
            return Err(wrong("from", reason));
        }
        Ok((from, to))
    }
}

/// The first moment of RFC 3339's calendar, 0000-01-01T00:00:00Z: no span begins, and no answer has a time, before it.
pub(crate) const FIRST: Timestamp = Timestamp::constant(-62_167_219_200, 0);

/// Why a moment before is refused.
const BEFORE: &str = "before the calendar begins, 0000-01-01T00:00:00Z: write a later time";

/// Why a span that is empty is refused.
pub(crate) const EMPTY: &str = "from is not before to: swap them, or ask for a longer span";
