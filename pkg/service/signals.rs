//! Signals that ask a program to end, and signals that it ignores.

use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that ask a program to end: SIGTERM, SIGINT, and SIGHUP unless it was ignored at the start,
/// as under `nohup`.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Option<Signal>,
}

impl Signals {
    /// Listens from now on; these signals no longer end the process by default. Ignores SIGUSR1 and SIGUSR2
    /// as [`ignore_user_signals`] does. Inside a runtime only.
    ///
    /// # Errors
    /// Those of the system.
    pub fn listen() -> io::Result<Self> {
        // Checked before a handler replaces the inherited one.
        let hangup = (!is_ignored(SignalKind::hangup())).then(|| signal(SignalKind::hangup()));
        let signals = Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: hangup.transpose()?,
        };
        // Last: a program that catches these catches all.
        ignore_user_signals()?;
        Ok(signals)
    }

    /// Waits for the next signal and names it. Safe to cancel.
    pub async fn next(&mut self) -> &'static str {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            _ = hangup => "SIGHUP",
        }
    }
}

/// Ignores SIGUSR1 and SIGUSR2, which kill a process by default, until it ends. Inside a runtime only.
///
/// # Errors
/// Those of the system.
pub fn ignore_user_signals() -> io::Result<()> {
    // The handler stays installed after the drop.
    for kind in [SignalKind::user_defined1(), SignalKind::user_defined2()] {
        drop(signal(kind)?);
    }
    Ok(())
}

/// Whether this process ignores a signal; always false on other systems than Linux.
fn is_ignored(kind: SignalKind) -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| ignores(&status, kind))
}

/// Whether a process with this `/proc/PID/status` ignores a signal: bit N-1 of a hexadecimal mask
/// is signal N.
fn ignores(status: &str, kind: SignalKind) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (kind.as_raw_value() - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_of_ignored_signals_is_read() {
        let status =
            |mask| format!("Name:\tapi\nSigBlk:\tffffffffffffffff\nSigIgn:\t{mask}\nSigCgt:\tffffffffffffffff\n");
        let hangup = |mask| ignores(&status(mask), SignalKind::hangup());
        // As under `nohup`, beside SIGPIPE; SIGPIPE alone; all others.
        assert!(hangup("0000000000001001"));
        assert!(!hangup("0000000000001000"));
        assert!(!hangup("fffffffffffffffe"));
        assert!(!hangup("none"));
        assert!(!ignores("", SignalKind::hangup()));
        assert!(ignores(&status("0000000000004000"), SignalKind::terminate()));
    }
}
