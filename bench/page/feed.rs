//! A vehicle that drives in circles, and sends its six sensors ten times a second.

use super::server::{Server, line, upload};
use crate::http::Connection;
use crate::sensors::SENSORS;
use jiff::Timestamp;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

/// The only vehicle until others come.
pub(super) const VEHICLE: &str = "lada";

const INTERVAL: Duration = Duration::from_millis(100);

/// The circle's middle and its radius, in degrees of latitude and longitude: a kilometre, at some 70 km/h.
const MIDDLE: [f64; 2] = [45.2272, 13.5947];
const RADIUS: [f64; 2] = [0.009, 0.0128];
const RADIANS_A_SECOND: f64 = 0.02;

/// The vehicle on its way. It also ends when this is dropped.
pub(super) struct Feed {
    stop: oneshot::Sender<()>,
    task: JoinHandle<anyhow::Result<u64>>,
    begun: Instant,
}

impl Feed {
    pub(super) async fn start(server: &Server) -> anyhow::Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(drive(server.connect().await?, stopped));
        Ok(Self {
            stop,
            task,
            begun: Instant::now(),
        })
    }

    /// Stops it. Returns how many bodies it has sent, and in which time.
    pub(super) async fn stop(self) -> anyhow::Result<(u64, Duration)> {
        // Where it has failed already, its error says so.
        let _ = self.stop.send(());
        let sent = self.task.await??;
        Ok((sent, self.begun.elapsed()))
    }
}

/// Sends until it is told to stop. What is late is not made up for.
async fn drive(mut connection: Connection, mut stopped: oneshot::Receiver<()>) -> anyhow::Result<u64> {
    let begun = Instant::now();
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut sent = 0;
    loop {
        tokio::select! {
            _ = &mut stopped => return Ok(sent),
            _ = ticks.tick() => {}
        }
        upload(&mut connection, lines(begun.elapsed())).await?;
        sent += 1;
    }
}

/// What it measures so long after its start.
fn lines(elapsed: Duration) -> String {
    let angle = RADIANS_A_SECOND * elapsed.as_secs_f64();
    let values = [
        88.0 + angle.sin(),
        50.0 - angle / 10.0,
        MIDDLE[0] + RADIUS[0] * angle.sin(),
        MIDDLE[1] + RADIUS[1] * angle.cos(),
        (2200.0 + 300.0 * (7.0 * angle).sin()).round(),
        70.0 + 10.0 * (5.0 * angle).sin(),
    ];
    let (now, mut lines) = (Timestamp::now(), String::new());
    for (sensor, value) in SENSORS.into_iter().zip(values) {
        line(&mut lines, VEHICLE, sensor, value, now);
    }
    lines
}
