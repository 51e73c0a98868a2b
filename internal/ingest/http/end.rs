//! How an upload ended.

use super::body;
use crate::session::Stop;

/// How an upload ended. The counts hold in every case: accepted readings are stored on the bus.
#[derive(Debug)]
pub(super) enum End {
    /// Read to the end, every value judged.
    Whole,
    /// The session refuses the rest.
    Stopped(Stop),
    /// The body broke off, could not be decoded, or exceeded a limit.
    Body(body::Error),
    /// A pause, or the upload, took too long.
    Late,
    /// The program ends.
    Ending,
}
