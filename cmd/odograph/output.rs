//! What commands print.

use anyhow::Context;
use std::io::Write;

pub(crate) fn print(line: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{line}").context("write to the standard output")
}

/// A number and its words: those of one, or those of others.
pub(crate) fn counted(count: u64, one: &str, others: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { others })
}
