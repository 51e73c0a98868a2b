//! The memory of a notifier with a thousand subscriptions whose queues are full of deliveries.

use super::setting::{in_force, notifier, prepare, queue};
use super::sink::Sink;
use crate::report::{Figure, Report};
use crate::size::Size;
use crate::system::Servers;

/// Subscriptions.
const SUBSCRIPTIONS: usize = 1_000;

pub(crate) async fn measure(servers: &Servers, size: Size, report: &mut Report) -> anyhow::Result<()> {
    let sink = Sink::start("\"n\":").await?;
    let database = servers.database().await?;
    let client = prepare(&database).await?;
    for number in 0..SUBSCRIPTIONS {
        let insert = "INSERT INTO subscription (name, filter, target_url) VALUES ($1, 'speed > 1000', $2)";
        let name = format!("s-{number}");
        client
            .execute(insert, &[&name, &sink.url(&format!("/{number}"))])
            .await?;
    }
    let each = size.queued / SUBSCRIPTIONS;
    queue(&client, "s-%", each).await?;
    client.batch_execute("VACUUM ANALYZE delivery").await?;
    let process = notifier(&database).await;
    in_force(&client).await?;
    // Half of them: by then all queues were loaded, and refilled.
    sink.take(SUBSCRIPTIONS * each / 2).await?;
    let mut memory = Figure::default();
    #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
    memory.add(process.peak_memory() as f64 / f64::from(1 << 20));
    report.service("notifier", "1,000 subscriptions", &process);
    report.limit(
        &format!("memory with 1,000 subscriptions and {} deliveries queued", size.queued),
        "MiB",
        &memory,
        64.0,
    );
    drop((process, client));
    servers.forget(&database).await
}
