//! Opens the page in this desktop's browser.

use std::process::Stdio;
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

/// The program that opens an address.
const OPENER: &str = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };

/// Opens the page. Where that fails, the rest runs all the same.
pub(super) async fn open(url: String, stop: CancellationToken) -> anyhow::Result<()> {
    let mut opener = Command::new(OPENER);
    opener
        .arg(&url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    // Some wait until the browser ends.
    match stop.run_until_cancelled(opener.status()).await {
        None => {}
        Some(Ok(status)) if status.success() => {}
        Some(Ok(_)) => tracing::warn!(url, "{OPENER} found no browser; open the page yourself"),
        Some(Err(error)) => tracing::warn!(%error, url, "cannot run {OPENER}; open the page yourself"),
    }
    Ok(())
}
