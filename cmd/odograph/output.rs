//! What commands print.

use anyhow::Context;
use std::io::Write;

pub(crate) fn print(line: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{line}").context("write to the standard output")
}
