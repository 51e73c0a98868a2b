//! The journal of `odograph up`.

use crate::data::{Data, JOURNAL_KEY};
use access::{Keys, SingleKey};
use entry::{Admission, Journal};
use jiff::Timestamp;
use postgres::Pool;
use service::Service;
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;
use tokio::sync::oneshot;

/// What the flags say of the journal.
pub(super) struct Options<'a> {
    pub(super) port: u16,
    /// The name under which who runs this writes.
    pub(super) user: Option<&'a str>,
    /// `http` or `https`.
    pub(super) scheme: &'static str,
    pub(super) keys: Option<&'a Path>,
    pub(super) rate: Option<NonZeroU32>,
    pub(super) oldest: Timestamp,
    pub(super) max_future: Duration,
}

/// Where the journal is, and the key of who runs this.
pub(super) struct Started {
    pub(super) url: String,
    pub(super) key: String,
    /// Tells of its end.
    pub(super) ended: oneshot::Receiver<()>,
}

/// Serves the journal. None where its port is taken: the rest runs all the same.
pub(super) async fn start(
    options: Options<'_>,
    data: &Data,
    pool: Pool,
    front: web::Front,
    service: &Service,
) -> anyhow::Result<Option<Started>> {
    let listening = service.listen("journal", options.port).await;
    let (listener, port) = match listening.and_then(|listener| Ok((listener.local_addr()?.port(), listener))) {
        Ok((port, listener)) => (listener, port),
        Err(error) => {
            tracing::warn!(
                error = format!("{error:#}"),
                "cannot open the port of the journal, so it is not served; choose another --journal-port"
            );
            return Ok(None);
        }
    };
    let key = data.secret(JOURNAL_KEY)?;
    let keys = options.keys.map(|file| Keys::load(&[], Some(file))).transpose();
    let own = SingleKey::new(&key.clone().into());
    let admission = Admission::of(keys.map_err(service::usage)?)
        .with(own, &user(options.user))
        .limited(options.rate);
    let limits = entry::Options {
        oldest: options.oldest,
        max_future: options.max_future,
        ..entry::Options::default()
    };
    let journal = Journal::new(pool, limits, admission, service);
    let (serving, routes) = (service.clone(), web::finish(journal.routes()));
    // Dropped at its end.
    let (running, ended) = oneshot::channel::<()>();
    service.spawn("journal", async move {
        let _running = running;
        serving.serve_on(listener, routes, front).await;
        Ok(())
    });
    let url = format!("{}://127.0.0.1:{port}/message", options.scheme);
    Ok(Some(Started { url, key, ended }))
}

/// The name that is given, else that of the user who runs this.
fn user(given: Option<&str>) -> String {
    let known = || ["USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok());
    let named = given.map(str::to_owned).or_else(known);
    named
        .filter(|name| access::is_user(name))
        .unwrap_or_else(|| "odograph".to_owned())
}
