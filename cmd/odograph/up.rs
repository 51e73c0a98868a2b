//! `odograph up`: the ingestor, the persistor, the API, its page and the nightly dump in one process. By default it
//! runs over a private PostgreSQL.

mod api;
mod browser;
mod greeting;
mod journal;

use crate::data::{Data, MANAGEMENT_KEY, SIGNING_KEY};
use crate::demo;
use access::{Keys, Secret};
use anyhow::Context;
use entry::Journal;
use event::Writer;
use futures_util::FutureExt;
use greeting::Greeting;
use ingest::{Ingest, Limits, Witness};
use message::{Admission, Messages};
use persist::{History, Persistor, Storing};
use pgserver::Server;
use postgres::Pool;
use service::{Arguments, Options, Service, Serving};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use subscription::Notifier;
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;

/// The longest that a statement may take.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(25);

/// Connections to the database beside those that store readings.
const CONNECTIONS: usize = 8;

/// Run everything in one process: ingestor, persistor, API, notifier, messages, journal and nightly dumps
///
/// Without further flags it keeps everything in a data folder and runs a PostgreSQL of its own
/// there. Each of --database-url, --event-url and --blob-store-url replaces a default.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where data is kept [default: /var/lib/odograph for root, else ~/.local/share/odograph]
    #[arg(long, env, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,

    /// Port of the page, the API and POST /ingest; 0 picks a free one
    #[arg(long, env, default_value_t = 5000)]
    port: u16,

    /// Port of the page and the API alone, apart from POST /ingest; 0 picks a free one [default: that of --port]
    #[arg(long, env, value_name = "PORT")]
    api_port: Option<u16>,

    /// Port of subscriptions and POST /publish; 0 picks a free one
    #[arg(long, env, default_value_t = 5002, value_name = "PORT")]
    notifier_port: u16,

    /// Port of messages (gRPC), for this machine alone; 0 picks a free one
    #[arg(long, env, default_value_t = 50051, value_name = "PORT")]
    messages_port: u16,

    /// How long messages are kept, from their arrival; at least 1m
    #[arg(long, env, default_value = "168h", value_parser = message::retention, value_name = "DURATION")]
    message_retention: Duration,

    /// Port of the journal; 0 picks a free one
    #[arg(long, env, default_value_t = 9000, value_name = "PORT")]
    journal_port: u16,

    /// The name under which the key in the data folder writes in the journal [default: this user's]
    #[arg(long, env, value_parser = crate::key::user, value_name = "NAME")]
    journal_user: Option<String>,

    /// A key that lets clients write; may be given several times. Commas separate keys, in the
    /// variable as well, so no key holds one [default: the one in the data folder, made at first start]
    #[arg(long, env, hide_env_values = true, value_delimiter = ',', value_name = "KEY")]
    api_key: Vec<Secret>,

    /// File of keys, a line each: KEY-ID DEVICE-or-*-or-user=NAME SHA256-HEX; read again when it changes
    #[arg(long, env, value_name = "FILE")]
    api_keys_file: Option<PathBuf>,

    /// Database to use instead of a private one
    #[arg(long, env, hide_env_values = true, value_name = "URL")]
    database_url: Option<String>,

    /// Event bus to use instead of this process's memory: nats://HOST:4222/readings
    #[arg(
        long,
        env,
        hide_env_values = true,
        default_value = "memory://readings",
        value_name = "URL"
    )]
    event_url: String,

    /// Where dumps go instead of the data folder: s3://BUCKET/PREFIX and the like
    #[arg(long, env, hide_env_values = true, value_name = "URL")]
    blob_store_url: Option<String>,

    /// Drop months of readings from the database that are older than this, such as 90d, once their
    /// dumps have been read back and verified [default: readings stay for ever]
    #[arg(long, env, value_name = "DAYS")]
    retention: Option<archive::Retention>,

    #[command(flatten)]
    api: api::Flags,

    /// Stream a simulated drive into the ingestor, after thirty days of other drives
    #[arg(long, conflicts_with = "tls_cert")]
    demo: bool,

    /// Open the page in this desktop's browser
    #[arg(long)]
    open: bool,

    /// Migrate the schema to the version needed; with false, wait until another program does it
    #[arg(long, env, default_value_t = true, action = clap::ArgAction::Set, value_name = "BOOL")]
    migrate: bool,

    #[command(flatten)]
    limits: Limits,

    #[command(flatten)]
    serving: Serving,

    #[command(flatten)]
    storing: Storing,

    #[command(flatten)]
    history: History,

    #[command(flatten)]
    subscriptions: subscription::Options,

    #[command(flatten)]
    service: Options,
}

impl Arguments for Args {
    fn service(&self) -> &Options {
        &self.service
    }
}

/// Starts the database, runs everything over it, and stops it last.
pub(crate) async fn run(args: Args, service: Service) -> anyhow::Result<()> {
    let front = service.front(&args.serving)?;
    let data = Data::open(args.data_dir.clone())?;
    if let Some(url) = args.database_url.clone() {
        let psql = "psql with your own --database-url".to_owned();
        return everything(args, &data, &url, psql, front, &service).await;
    }
    tracing::info!(folder = %data.path().display(), "starting PostgreSQL");
    let mut options = pgserver::Options::new(data.postgres());
    options.settings = settings();
    let starting = Server::start(options.clone());
    let Some(server) = service.stop().run_until_cancelled(starting).await else {
        return Ok(());
    };
    let server = server?;
    let (url, psql) = (server.url(), server.psql());
    let enough = CancellationToken::new();
    let keeping = tokio::spawn(keep(server, options, enough.clone()));
    let ended = everything(args, &data, &url, psql, front, &service).await;
    enough.cancel();
    keeping.await.context("the task that runs PostgreSQL panicked")?;
    ended
}

/// Settings for the readings of a car or a small fleet, on a machine with other work.
fn settings() -> Vec<(String, String)> {
    [
        ("max_connections", "60"),
        ("shared_buffers", "64MB"),
        ("max_wal_size", "512MB"),
        ("wal_compression", "on"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

/// Restarts PostgreSQL whenever it ends by itself, until `enough`; then stops it.
async fn keep(mut server: Server, options: pgserver::Options, enough: CancellationToken) {
    loop {
        tokio::select! {
            () = enough.cancelled() => return server.stop(Duration::from_secs(20)).await,
            error = server.exited() => tracing::error!(%error, "PostgreSQL ended by itself; starting it again"),
        }
        drop(server);
        server = loop {
            tokio::select! {
                () = enough.cancelled() => return,
                started = Server::start(options.clone()) => match started {
                    Ok(server) => break server,
                    Err(error) => tracing::error!(error = format!("{:#}", anyhow::Error::from(error)), "PostgreSQL does not start; trying again"),
                },
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        };
    }
}

async fn everything(
    args: Args,
    data: &Data,
    database: &str,
    psql: String,
    front: web::Front,
    service: &Service,
) -> anyhow::Result<()> {
    let connections = args.storing.connections() + CONNECTIONS + Notifier::CONNECTIONS;
    let pool = postgres::open(database, connections, STATEMENT_TIMEOUT).map_err(service::usage)?;
    let notifier = Notifier::new(pool.clone(), &subscriptions(&args, data)?, service).map_err(service::usage)?;
    let blobs = match &args.blob_store_url {
        Some(url) => url.clone(),
        None => format!("file://{}", data.dumps().display()),
    };
    let dumps = blob::Store::open(&blobs).map_err(service::usage)?;
    let (keys, key) = keys(&args, data)?;
    let readers = Persistor::readers(&args.event_url).await.map_err(service::usage)?;
    let writer = Writer::open(&args.event_url, &bus::NAMES)
        .await
        .map_err(service::usage)?;
    postgres::register(&mut service.metrics());
    let messages_pool = postgres::open(database, Messages::CONNECTIONS, STATEMENT_TIMEOUT).map_err(service::usage)?;
    let journal_pool = postgres::open(database, Journal::CONNECTIONS, STATEMENT_TIMEOUT).map_err(service::usage)?;
    let migrated = service.latch("database");

    let Some(prepared) = service
        .stop()
        .run_until_cancelled(schema::prepare(&pool, args.migrate))
        .await
    else {
        return Ok(());
    };
    prepared?;
    migrated.set(true);
    // Each connects by itself.
    let bus = writer.clone();
    service.keep("event bus", |latch| bus.run(move |ready| latch.set(ready)));
    let bus = readers[0].writer();
    service.keep("event bus of the persistor", |latch| {
        bus.run(move |ready| latch.set(ready))
    });

    let ingest_listener = service.listen("main", args.port).await?;
    let api_listener = match args.api_port {
        Some(port) => Some(service.listen("api", port).await?),
        None => None,
    };
    // Without its port, the rest runs all the same.
    let notifier_listener = service.listen("notifier", args.notifier_port).await;
    let ingest_port = ingest_listener.local_addr()?.port();
    let api_port = api_listener.as_ref().unwrap_or(&ingest_listener).local_addr()?.port();

    let committed = Arc::new(Notify::new());
    // The persistor runs until the last upload is answered: with the bus in memory, an upload is answered
    // only once its readings are stored.
    let last_upload = CancellationToken::new();
    let persistor = Persistor::new(
        readers,
        args.storing.store(pool.clone()).notifying(committed.clone()),
        args.storing,
        args.history,
        service,
    );
    let (persisted, mut all_persisted) = oneshot::channel::<()>();
    let until = last_upload.clone();
    service.spawn("persistor", async move {
        // Dropped at any end of the persistor.
        let _persisted = persisted;
        persistor.run(until).await
    });
    let (dumper, stop) = (archive::Dumper::new(pool.clone(), dumps.clone()), service.stop());
    let retention = args.retention;
    service.spawn("nightly dump", async move {
        archive::nightly(dumper, retention, stop).await;
        Ok(())
    });
    let scheme = scheme(&args);
    let subscriptions_url = match notifier_listener {
        Ok(listener) => {
            let port = listener.local_addr()?.port();
            let (running, routes) = (service.clone(), web::finish(notifier.routes()));
            service.spawn("notifier", async move {
                notifier.run(&running).await;
                Ok(())
            });
            let (serving, front) = (service.clone(), front.clone());
            service.spawn("subscriptions", async move {
                serving.serve_on(listener, routes, front).await;
                Ok(())
            });
            Some(format!("{scheme}://127.0.0.1:{port}/api/subscriptions"))
        }
        Err(error) => {
            tracing::warn!(
                error = format!("{error:#}"),
                "cannot open the port of subscriptions, so none is judged; choose another --notifier-port"
            );
            None
        }
    };
    let (messages, messages_ended) = messages(&args, messages_pool, front.clone(), service).await;
    let options = journal::Options {
        port: args.journal_port,
        user: args.journal_user.as_deref(),
        scheme,
        keys: args.api_keys_file.as_deref(),
        rate: args.limits.max_rate_per_key,
        oldest: args.limits.times.oldest,
        max_future: args.limits.times.max_future,
    };
    let journal = journal::start(options, data, journal_pool, front.clone(), service).await?;
    let sources = api::Sources {
        pool: pool.clone(),
        dumps,
        committed,
        keys: args.api_keys_file.clone(),
        connections: front.limits.connections,
        ingest: api_listener.is_some().then_some(ingest_port),
    };
    let api = args.api.routes(sources, service)?;
    let ingest = Ingest::new(
        writer,
        keys,
        args.limits,
        Some(newest_receipt(pool.clone(), service.clone())),
        service,
    );
    let url = format!("{scheme}://127.0.0.1:{ingest_port}/ingest");
    let page_url = format!("{scheme}://127.0.0.1:{api_port}");
    if args.demo {
        let drive = demo::drive(pool.clone(), url.clone(), key.clone(), service.stop());
        service.spawn("demo", drive);
    }
    let place = if args.blob_store_url.is_some() {
        blobs
    } else {
        data.dumps().display().to_string()
    };
    // A user's own key must not be printed.
    let shown = if args.api_key.is_empty() { &key } else { "YOUR_KEY" };
    let greeting = Greeting {
        page: &page_url,
        is_closed: api.is_closed,
        url: &url,
        key: shown,
        subscriptions: subscriptions_url.as_deref().unwrap_or("none: their port is taken"),
        messages: messages.as_deref(),
        journal: journal.as_ref(),
        dumps: &place,
        psql: &psql,
        is_demo: args.demo,
    };
    greeting.print();
    if args.open {
        service.spawn("browser", browser::open(page_url, service.stop()));
    }

    let ingest = ingest.routes();
    if let Some(listener) = api_listener {
        tokio::join!(
            service.serve_on(ingest_listener, web::finish(ingest), front.clone()),
            service.serve_on(listener, web::finish(api.routes), front),
        );
    } else {
        let routes = web::finish(ingest.merge(api.routes));
        service.serve_on(ingest_listener, routes, front).await;
    }
    last_upload.cancel();
    // Wait before PostgreSQL is stopped. The service has noted an error of the persistor.
    let _ended = (&mut all_persisted).await;
    let _ended = messages_ended.await;
    if let Some(journal) = journal {
        let _ended = journal.ended.await;
    }
    Ok(())
}

/// Serves messages to this machine. Returns its URL, none where its port is taken, and what tells of its end.
async fn messages(
    args: &Args,
    pool: Pool,
    front: web::Front,
    service: &Service,
) -> (Option<String>, oneshot::Receiver<()>) {
    // Dropped at its end.
    let (ended, all_ended) = oneshot::channel();
    // Without its port, the rest runs all the same.
    let listening = service.listen_locally("messages", args.messages_port).await;
    let listening = listening.and_then(|listener| Ok((listener.local_addr()?, listener)));
    match listening {
        Ok((address, listener)) => {
            let options = message::Options {
                retention: args.message_retention,
                ..message::Options::default()
            };
            let messages = Messages::new(pool, options, Admission::open(), service);
            service.spawn("messages", async move {
                let _ended = ended;
                // The database was migrated before.
                messages.serve(listener, front, std::future::ready(())).await
            });
            (Some(format!("{}://{address}", scheme(args))), all_ended)
        }
        Err(error) => {
            tracing::warn!(
                error = format!("{error:#}"),
                "cannot open the port of messages, so they are not served; choose another --messages-port"
            );
            (None, all_ended)
        }
    }
}

fn scheme(args: &Args) -> &'static str {
    if args.serving.is_tls() { "https" } else { "http" }
}

/// The options of subscriptions, with the keys of the data folder where none are given.
fn subscriptions(args: &Args, data: &Data) -> anyhow::Result<subscription::Options> {
    let mut options = args.subscriptions.clone();
    if options.management_key.is_none() {
        options.management_key = Some(data.secret(MANAGEMENT_KEY)?.into());
    }
    if options.signing_key.is_empty() {
        options.signing_key.push(data.secret(SIGNING_KEY)?.into());
    }
    Ok(options)
}

/// The newest receipt in the database, as a time that has passed.
fn newest_receipt(pool: Pool, service: Service) -> Witness {
    Box::new(move || {
        let pool = pool.clone();
        // Runs to its end, also if the program ends: the connection is from the pool of all questions.
        let asked = service.run_to_end(async move { store::newest_receipt(&pool).await });
        async move { asked.await.ok().and_then(Result::ok).ok_or(ingest::Unknown) }.boxed()
    })
}

/// The keys in force, and one of them to print and for the demo.
fn keys(args: &Args, data: &Data) -> anyhow::Result<(Keys, String)> {
    use secrecy::ExposeSecret;
    let file = args.api_keys_file.as_deref();
    let mut flags = args.api_key.clone();
    if flags.is_empty() && (file.is_none() || args.demo) {
        flags.push(data.key()?.into());
    }
    let keys = Keys::load(&flags, file)
        .and_then(Keys::with_devices)
        .map_err(service::usage)?;
    let shown = flags.first().map_or("YOUR_KEY", |key| key.expose_secret());
    Ok((keys, shown.to_owned()))
}
