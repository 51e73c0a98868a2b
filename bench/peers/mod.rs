//! Software of others to compare with, each started for one measurement: from Debian the time series databases
//! InfluxDB 1.6 and VictoriaMetrics 1.79, with their default settings; from npm the queue graphile-worker 0.18; from Debian
//! Redis 7.0; from PyPI Datasette 0.65.
//!
//! `make bench-peers` installs them. The report names a missing one.

mod datasette;
pub(crate) mod graphile;
pub(crate) mod influx;
mod installed;
mod load;
mod victoria;

pub(crate) use datasette::{Datasette, page as datasette_page, search as datasette_search};
pub(crate) use influx::Influx;
pub(crate) use load::bodies;

use crate::data::Data;
use crate::report::{Figure, Report};
use load::Load;

/// The peers' results for the readings of a bulk.
pub(crate) struct Bulk {
    load: Load,
    influx: Figure,
    victoria: Figure,
}

impl Bulk {
    pub(crate) fn of(data: &Data) -> Self {
        Self {
            load: Load::of(data),
            influx: Figure::default(),
            victoria: Figure::default(),
        }
    }

    /// Runs each peer once.
    pub(crate) async fn run(&mut self) -> anyhow::Result<()> {
        if let Some(time) = influx::bulk(&self.load).await? {
            self.influx.add_rate(self.load.readings(), time);
        }
        if let Some(time) = victoria::bulk(&self.load).await? {
            self.victoria.add_rate(self.load.readings(), time);
        }
        Ok(())
    }

    /// Adds the peers' rows beside ours.
    pub(crate) fn tell(&self, ours: &Figure, report: &mut Report) {
        let peers = [
            ("InfluxDB", "synced before the answer", &self.influx),
            ("VictoriaMetrics", "in memory before the answer", &self.victoria),
        ];
        for (peer, answer, figure) in peers {
            if figure.is_empty() {
                report.note(&absent(peer));
            } else {
                let rival = format!("{peer} /write, bodies of {} lines, {answer}", load::LINES);
                report.beside(&format!("bulk, beside {peer}"), "readings/s", ours, &rival, figure);
            }
        }
    }
}

/// The path of a peer's program, if it is installed.
pub(crate) fn program(name: &str) -> Option<std::path::PathBuf> {
    installed::installed(name)
}

/// The report's note on a missing peer.
pub(crate) fn absent(peer: &str) -> String {
    format!("{peer} is not installed here, so nothing was compared to it: run `make bench-peers`.")
}
