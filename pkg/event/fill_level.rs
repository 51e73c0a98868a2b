//! How full a bus is.

/// The fill level of a bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FillLevel {
    /// Bytes of all events, acknowledged or not.
    pub bytes: u64,
    /// Size limit of the bus, in bytes; `None`: no limit.
    pub max_bytes: Option<u64>,
    /// Unacknowledged events; `None` while a lane's consumer is missing.
    pub unacknowledged: Option<u64>,
    /// The bus is four fifths full: its history has to be trimmed.
    pub nearly_full: bool,
}
