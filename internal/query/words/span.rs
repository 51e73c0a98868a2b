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
            moment.map_err(|reason| wrong(name, reason))
        };
        Ok(Self {
            now,
            from: moment("from", from)?,
            to: moment("to", to)?,
        })
    }
}
