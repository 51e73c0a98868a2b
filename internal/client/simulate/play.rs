//! Writes a drive to an output: in real time, or all at once.
//!
//! Both functions block, so they need a thread of their own. A message on the `stop` channel, or its closed
//! sender, ends them between two ticks, with whole lines written.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::drive::{Drive, write_line};

/// Bytes written at once where no reader waits for a single line.
const BLOCK: usize = 64 * 1024;

/// Writes the readings before `end`.
///
/// # Errors
///
/// Errors of the output; a closed reader is [`io::ErrorKind::BrokenPipe`].
pub fn as_fast_as_possible(
    drive: Drive,
    end: Timestamp,
    output: &mut impl Write,
    stop: &Receiver<()>,
) -> io::Result<()> {
    let mut block = Vec::with_capacity(BLOCK + 1024);
    for reading in drive.take_while(|reading| reading.timestamp < end) {
        write_line(&mut block, &reading);
        if block.len() >= BLOCK {
            output.write_all(&block)?;
            block.clear();
            if stop.try_recv() != Err(TryRecvError::Empty) {
                break;
            }
        }
    }
    output.write_all(&block)?;
    output.flush()
}

/// Writes each reading at its time, the first at once.
///
/// # Errors
///
/// Errors of the output; a closed reader is [`io::ErrorKind::BrokenPipe`].
pub fn in_real_time(drive: Drive, output: &mut impl Write, stop: &Receiver<()>) -> io::Result<()> {
    let began = Instant::now();
    let mut drive = drive.peekable();
    let first = drive.peek().map(|reading| reading.timestamp);
    let mut tick = Vec::with_capacity(1024);
    while let Some(reading) = drive.next() {
        write_line(&mut tick, &reading);
        let now = reading.timestamp;
        if drive.peek().is_some_and(|next| next.timestamp == now) {
            continue;
        }
        output.write_all(&tick)?;
        output.flush()?;
        tick.clear();

        // Each tick has its own time: one late tick delays no later one.
        let Some((first, next)) = first.zip(drive.peek()) else {
            break;
        };
        let due = Duration::try_from(next.timestamp.duration_since(first)).unwrap_or_default();
        let wait = (began + due).saturating_duration_since(Instant::now());
        if stop.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
            break;
        }
    }
    Ok(())
}
