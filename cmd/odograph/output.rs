//! What commands print.

use anyhow::Context;
use std::fmt;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::fd::{AsFd, BorrowedFd};
use tokio::io::Interest;
use tokio::net::unix::pipe::Sender;

/// The reader of the standard output is gone, as `head` is after its last line. A command then ends well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the reader of the standard output is gone")
    }
}

impl std::error::Error for Closed {}

/// Prints a line. The error is [`Closed`] if the reader is gone.
pub(crate) fn print(line: &str) -> anyhow::Result<()> {
    written(writeln!(io::stdout(), "{line}"))
}

/// What became of a write to the standard output. The error is [`Closed`] if its reader is gone.
pub(crate) fn written(outcome: io::Result<()>) -> anyhow::Result<()> {
    match outcome {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Closed.into()),
        outcome => outcome.context("write to the standard output"),
    }
}

/// Says on the standard error that a list has no rows, so that a wrong filter is seen. Programs that read rows read none.
pub(crate) fn none(what: &str) {
    let _unread = writeln!(io::stderr(), "odograph: there are no {what}");
}

/// A number and its words: those of one, or those of others.
pub(crate) fn counted(count: u64, one: &str, others: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { others })
}

/// What a server says is wrong, in the words of the command line. If it begins with the name of a parameter, as in
/// `q: too long`, the name of the flag takes its place.
pub(crate) fn in_flags(detail: &str, flags: &[(&str, &str)]) -> String {
    let named = detail.split_once(": ").and_then(|(name, rest)| {
        let (_, flag) = flags.iter().find(|(known, _)| *known == name)?;
        Some(format!("{flag}: {rest}"))
    });
    named.unwrap_or_else(|| detail.to_owned())
}

/// Waits until the reader of the standard output is gone, as `head` is after its last line. Waits for ever where the
/// standard output is no pipe. Inside a runtime only.
pub(crate) async fn closed() {
    closed_pipe(io::stdout().as_fd()).await;
}

async fn closed_pipe(output: BorrowedFd<'_>) {
    // A terminal that is closed sends SIGHUP. A file cannot be watched.
    if !output.is_terminal()
        && let Ok(copy) = output.try_clone_to_owned()
        // Unchecked: the check would make the pipe non-blocking for all who write to it. Nothing is written here.
        && let Ok(pipe) = Sender::from_owned_fd_unchecked(copy)
    {
        while let Ok(ready) = pipe.ready(Interest::ERROR).await {
            if ready.is_error() {
                return;
            }
        }
    }
    std::future::pending::<()>().await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use std::time::Duration;

    #[test]
    fn a_reader_that_is_gone_is_told_apart() {
        let (reader, mut writer) = io::pipe().unwrap();
        drop(reader);
        let gone = written(writer.write_all(b"x")).unwrap_err();
        assert!(gone.is::<Closed>(), "{gone}");
        let full = written(Err(ErrorKind::StorageFull.into())).unwrap_err();
        assert!(!full.is::<Closed>(), "{full}");
    }

    #[test]
    fn flags_take_the_place_of_parameters() {
        let flags = [("q", "--words"), ("from_date", "--since")];
        for (detail, expected) in [
            ("q: longer than it may be: 3", "--words: longer than it may be: 3"),
            ("from_date: write a date", "--since: write a date"),
            ("device: q: not known", "device: q: not known"),
            ("There is no q.", "There is no q."),
        ] {
            assert_eq!(in_flags(detail, &flags), expected);
        }
    }

    #[tokio::test]
    async fn a_pipe_is_closed_once_its_reader_is_gone() {
        let (reader, writer) = io::pipe().unwrap();
        assert_eq!(closed_pipe(writer.as_fd()).now_or_never(), None);
        let (gone, ()) = tokio::join!(
            tokio::time::timeout(Duration::from_secs(60), closed_pipe(writer.as_fd())),
            async { drop(reader) }
        );
        assert_eq!(gone, Ok(()));
        // A reader that was gone before is noticed as well.
        let gone = tokio::time::timeout(Duration::from_secs(60), closed_pipe(writer.as_fd())).await;
        assert_eq!(gone, Ok(()));
    }

    #[tokio::test]
    async fn a_file_is_never_closed() {
        let file = tempfile::tempfile().unwrap();
        assert_eq!(closed_pipe(file.as_fd()).now_or_never(), None);
    }
}
