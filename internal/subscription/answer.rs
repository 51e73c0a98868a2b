//! Answers to failures of the database.

use ::postgres::Error;
use web::Problem;

/// The client's answer to a failure of the database.
pub(crate) fn problem(error: Error) -> Problem {
    if error.is_outage() {
        Problem::unavailable(error)
    } else {
        Problem::internal(error)
    }
}
