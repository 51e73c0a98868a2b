//! The page in Chromium, over one `odograph up`: a first load, a vehicle that moves, a chart of weeks, a fleet.
//!
//! The limits are the page's own. Chromium draws without a window and without a graphics card, at 1440×900.

mod feed;
mod first;
mod fleet;
mod frames;
mod live;
mod month;
mod screen;
mod server;

use crate::peers::program;
use crate::report::{Report, say};
use crate::size::Size;
use crate::system::Servers;
use anyhow::Context;
use server::Server;

const ABSENT: &str =
    "Chromium and its chromedriver are not installed here, so the page was not measured: run `make bench-peers`.";

pub(crate) async fn measure(servers: &Servers, size: Size, report: &mut Report) -> anyhow::Result<()> {
    if ["chromium", "chromedriver"].iter().any(|name| program(name).is_none()) {
        say(&format!("\n*** NOT MEASURED: {ABSENT} ***\n"));
        report.note(ABSENT);
        return Ok(());
    }
    let server = Server::start(servers).await?;
    // In this order: with a second device, the page shows a fleet.
    first::measure(&server, size, report).await.context("load the page")?;
    live::measure(&server, size, report).await.context("follow a vehicle")?;
    month::measure(&server, size, report).await.context("open a chart")?;
    fleet::measure(&server, report).await.context("pan over a fleet")?;
    report.service("odograph up", "page", &server.process);
    server.end(servers).await
}
