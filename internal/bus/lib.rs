//! The event bus of readings: the names by which programs and servers know it.
//!
//! ```no_run
//! # async fn run() -> Result<(), event::Error> {
//! let writer = event::Writer::open("nats://127.0.0.1:4222/readings", &bus::NAMES).await?;
//! # Ok(())
//! # }
//! ```
//!
//! Deliberately not here: the bus itself, which is `pkg/event`, and the content of its messages, which is
//! `internal/reading`.

use event::Names;

/// The names of all programs on the bus. A deployed server knows its consumers, and events their headers, by
/// these: none may change.
pub const NAMES: Names = Names {
    program: "odograph",
    reader: "persistor",
    stream: "Readings on their way to the database, and their history",
    spare: "Readings that came while the stream had no leader",
    consumer: "Stores readings in the database",
};
