//! The API of `odograph up`, and its page.

use access::Secret;
use axum::Router;
use blob::Store;
use postgres::{Database, Pool};
use query::{Admission, LiveOptions};
use service::Service;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// What the flags say of both.
#[derive(clap::Args)]
pub(super) struct Flags {
    /// Longest time between the latitude and the longitude of one place
    #[arg(long, env, default_value = "10s", value_parser = service::duration, value_name = "DURATION")]
    location_tolerance: Duration,

    /// Longest time from the last place of a device to an entry of the journal that is shown there
    #[arg(long, env, default_value = "5m", value_parser = service::duration, value_name = "DURATION")]
    place_tolerance: Duration,

    #[command(flatten)]
    trips: query::Thresholds,

    #[command(flatten)]
    trends: query::TrendLimits,

    /// Origin whose web pages may read the API, such as `http://127.0.0.1:3000`; may be given several times. Commas
    /// separate origins, in the variable as well. * is any origin [default: none]
    #[arg(long, env, value_delimiter = ',', value_name = "ORIGIN")]
    cors_origin: Vec<query::Origin>,

    /// A key that lets clients read; may be given several times, with commas between. With one, or with a line of the
    /// keys file bound to read:*, the API is closed to all others [default: everyone may read]
    #[arg(long, env, hide_env_values = true, value_delimiter = ',', value_name = "KEY")]
    read_key: Vec<Secret>,

    /// Clients that listen to GET /api/live at once; never more than three quarters of --max-connections
    #[arg(long, env, default_value_t = LiveOptions::MOST, value_name = "NUMBER")]
    max_live: usize,

    /// Questions to the API that may wait for the database; further ones are answered with 503
    #[arg(long, env, default_value_t = Database::QUEUE, value_name = "NUMBER")]
    max_waiting: usize,

    #[command(flatten)]
    page: page::Options,
}

/// What the API reads from.
pub(super) struct Sources {
    pub(super) pool: Pool,
    pub(super) dumps: Store,
    /// Tells that readings were committed.
    pub(super) committed: Arc<Notify>,
    /// The file of keys, which has those of writers too.
    pub(super) keys: Option<PathBuf>,
    /// Connections of all clients at the most.
    pub(super) connections: usize,
    /// The port of uploads, where it is another one.
    pub(super) ingest: Option<u16>,
}

/// What is served.
pub(super) struct Api {
    pub(super) routes: Router,
    /// Whether reading needs a key.
    pub(super) is_closed: bool,
}

impl Flags {
    /// The routes of both.
    pub(super) fn routes(&self, sources: Sources, service: &Service) -> anyhow::Result<Api> {
        let served = page::Served {
            ingest: sources.ingest,
            ..page::Served::default()
        };
        let page = page::routes(&self.page, served).map_err(service::usage)?;
        let file = sources.keys.as_deref();
        let admission = Admission::load(&self.read_key, file, true, &mut service.metrics()).map_err(service::usage)?;
        let (watched, stop) = (admission.clone(), service.stop());
        service.spawn("watch the keys of readers", async move {
            watched.watch(stop).await;
            Ok(())
        });
        let options = query::Options {
            tolerances: query::Tolerances {
                location: self.location_tolerance,
                place: self.place_tolerance,
                trips: self.trips,
            },
            trends: self.trends,
            origins: self.cors_origin.clone(),
            dumps: Some(sources.dumps),
            live: LiveOptions {
                committed: Some(sources.committed),
                ..LiveOptions::within(self.max_live, sources.connections)
            },
            admission: admission.clone(),
            waiting: Some(self.max_waiting),
        };
        Ok(Api {
            is_closed: admission.is_closed(),
            routes: query::routes(sources.pool, options, service).merge(admission.cover(page)),
        })
    }
}
