//! `odograph subscriptions listen`: a small receiver that verifies deliveries and prints them.

use super::api::Api;
use super::lists;
use super::text::text_of;
use crate::output::closed;
use anyhow::Context;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;
use service::Signals;
use std::io::Write;
use std::net::Ipv4Addr;
use std::num::NonZeroU64;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use webhook::Secret;

/// Most bytes of a delivery.
const LARGEST: usize = 1024 * 1024;

/// How far the clocks of sender and receiver may be apart, in seconds.
const APART: i64 = 300;

#[derive(clap::Args)]
pub(super) struct Args {
    /// Port to listen on, of this machine only; 0 picks a free one
    #[arg(long, default_value_t = 5003)]
    port: u16,
    /// The subscription whose signatures to verify; without it, none is verified
    #[arg(long)]
    name: Option<String>,
    /// End after so many deliveries that are right
    #[arg(long, value_name = "NUMBER")]
    count: Option<NonZeroU64>,
}

/// What receives.
pub(super) struct Receiver<W> {
    pub(super) secret: Option<Secret>,
    pub(super) zone: TimeZone,
    pub(super) out: Mutex<W>,
    /// How many deliveries are still awaited; none: all that come.
    pub(super) awaited: Option<AtomicU64>,
    /// Cancelled once all are there.
    pub(super) done: CancellationToken,
}

pub(super) async fn run(api: &Api, args: Args) -> anyhow::Result<ExitCode> {
    let secret = match &args.name {
        Some(name) => Some(secret_of(api, name).await?),
        None => None,
    };
    let mut signals = Signals::listen().context("listen for signals")?;
    let port = args.port;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .with_context(|| format!("listen on port {port}; choose another with --port"))?;
    let verified = match &args.name {
        Some(name) => format!("deliveries of {name} are verified"),
        None => "signatures are not verified; --name says of which subscription they are".to_owned(),
    };
    let address = listener.local_addr()?;
    let _unread = writeln!(
        std::io::stdout(),
        "Listening on http://{address}/ ({verified}). Ctrl-C ends it."
    );
    let stop = CancellationToken::new();
    let receiver = Receiver {
        secret,
        zone: TimeZone::system(),
        out: Mutex::new(std::io::stdout()),
        awaited: args.count.map(|count| AtomicU64::new(count.get())),
        done: stop.clone(),
    };
    let serving = web::serve(listener, routes(receiver), web::Front::default(), stop.clone());
    let asked = async {
        tokio::select! {
            _signal = signals.next() => {}
            () = closed() => {}
        }
    };
    let ending = async {
        if stop.run_until_cancelled(asked).await.is_some() {
            stop.cancel();
        }
    };
    tokio::join!(serving, ending);
    Ok(ExitCode::SUCCESS)
}

/// The secret of a subscription.
pub(super) async fn secret_of(api: &Api, name: &str) -> anyhow::Result<Secret> {
    let answer = api.get(&["subscriptions", name, "secret"]).await?;
    let secret = answer["secret"].as_str().and_then(Secret::parse);
    secret.context("the notifier's secret cannot be read")
}

/// Answers every request, and writes a line for each.
pub(super) fn routes(receiver: Receiver<impl Write + Send + 'static>) -> Router {
    Router::new()
        .fallback(receive)
        .layer(DefaultBodyLimit::max(LARGEST))
        .with_state(Arc::new(receiver))
}

async fn receive<W: Write + Send + 'static>(
    State(receiver): State<Arc<Receiver<W>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, &'static str) {
    let header = |name: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    let is_right = receiver.secret.as_ref().is_none_or(|secret| {
        let (id, sent) = (header("webhook-id"), header("webhook-timestamp"));
        let age = sent.parse().map_or(i64::MAX, |sent: i64| {
            Timestamp::now().as_second().saturating_sub(sent).saturating_abs()
        });
        age <= APART && secret.verifies(header("webhook-signature"), id, sent, &body)
    });
    let line = if is_right {
        line(&method, &uri, &body, &receiver.zone)
    } else {
        format!(
            "{}  the signature is wrong: answered 401",
            text_of(&header("webhook-id").into())
        )
    };
    let mut out = receiver.out.lock().unwrap_or_else(PoisonError::into_inner);
    let _unread = writeln!(out, "{line}");
    if is_right {
        if let Some(awaited) = &receiver.awaited
            && awaited.fetch_sub(1, Ordering::Relaxed) <= 1
        {
            receiver.done.cancel();
        }
        (StatusCode::OK, "")
    } else {
        (StatusCode::UNAUTHORIZED, "the signature is wrong\n")
    }
}

/// A delivery in one line: an event's parts, else the request as it came.
fn line(method: &Method, uri: &Uri, body: &[u8], zone: &TimeZone) -> String {
    let event: Option<Value> = serde_json::from_slice(body).ok();
    match event {
        Some(event) if event["type"].is_string() && event["data"].is_object() => lists::event_line(&event, zone),
        _ => {
            let text = text_of(&String::from_utf8_lossy(body).as_ref().into());
            format!("{method} {}  {text}", text_of(&uri.to_string().into()))
        }
    }
}
