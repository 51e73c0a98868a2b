//! `journal` beside pgbench and psql, over a journal of many entries.

mod pages;
mod posts;
mod server;

use crate::report::{Figure, Report};
use crate::size::Size;
use crate::system::Servers;
use server::{FEW, start};

pub(crate) async fn measure(servers: &Servers, size: Size, report: &mut Report) -> anyhow::Result<()> {
    let many = start(servers, size.entries).await?;
    let few = start(servers, FEW).await?;
    pages::measure(&many, &few, size, report).await?;
    posts::measure(&many, size, report).await?;
    report.service("journal", "pages and posts", &many.process);
    let mut memory = Figure::default();
    #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
    memory.add(many.process.peak_memory() as f64 / f64::from(1 << 20));
    report.limit("memory of the journal, after all of these", "MiB", &memory, 64.0);
    for server in [many, few] {
        drop(server.process);
        servers.forget(&server.database).await?;
    }
    Ok(())
}
