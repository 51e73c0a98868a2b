//! Keeps the event bus prepared for as long as a program runs.

use event::Writer;
use service::Service;

/// Has the streams of `writer`'s bus made and checked, now and whenever its connection was lost.
/// `name` is the condition of readiness that tells how that stands. A bus that would lose readings
/// ends the program.
pub fn keep(writer: Writer, name: &'static str, service: &Service) {
    let (latch, stop) = (service.latch(name), service.stop());
    service.spawn(name, async move {
        let running = writer.run(|ready| latch.set(ready));
        stop.run_until_cancelled(running)
            .await
            .unwrap_or(Ok(()))
            .map_err(Into::into)
    });
}
