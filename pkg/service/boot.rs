//! Runs a program from its command line to its exit code.

use crate::{Options, Service, Signals, admin, files, telemetry};
use anyhow::Context;
use clap::parser::ValueSource;
use clap::{ArgMatches, Command, CommandFactory, FromArgMatches};
use std::future::Future;
use std::process::ExitCode;
use std::sync::PoisonError;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The start-up properties of a program.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// Its name, in logs.
    pub name: &'static str,
    /// The default of `--admin-port`.
    pub admin_port: u16,
    /// Names of the arguments that hold secrets. Logs a warning where one came by a flag, which every
    /// user of the machine can read in the list of processes.
    pub secrets: &'static [&'static str],
}

/// A failure that the user fixes by another command line: exit code 2.
#[derive(Debug)]
struct Usage(anyhow::Error);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Usage {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

/// Marks a failure as wrong usage, such as an invalid URL: the program ends with exit code 2, as after
/// mistakes that clap finds.
pub fn usage(error: impl Into<anyhow::Error>) -> anyhow::Error {
    Usage(error.into()).into()
}

/// A program's parsed command line.
pub trait Arguments {
    /// The flags that every program has.
    fn service(&self) -> &Options;

    /// What is logged where `RUST_LOG` does not say; none: the usual.
    fn log_level(&self) -> Option<&'static str> {
        None
    }
}

/// Runs a program: parses its command line (wrong usage: exit code 2), starts logs and the admin server,
/// and runs `run` until it ends or a signal asks for the end. Then waits for spawned tasks, within the
/// shutdown timeout. Exit code 1 after a failure, 0 after a clean end.
pub fn main<A, R, F>(program: Program, run: R) -> ExitCode
where
    A: Arguments + CommandFactory + FromArgMatches + Send + 'static,
    R: FnOnce(A, Service) -> F,
    F: Future<Output = anyhow::Result<()>>,
{
    let command = A::command();
    let matches = admin_port(command, program).get_matches();
    match A::from_arg_matches(&matches) {
        Ok(arguments) => start(program, arguments, &matches, run),
        Err(error) => error.exit(),
    }
}

/// Gives `--admin-port` the program's default.
#[must_use]
pub fn admin_port(command: Command, program: Program) -> Command {
    let port: &'static str = program.admin_port.to_string().leak();
    command.mut_arg("admin_port", |arg| arg.default_value(port))
}

/// As [`main`], for a program that has parsed its command line itself, from `matches`.
pub fn start<A, R, F>(program: Program, arguments: A, matches: &ArgMatches, run: R) -> ExitCode
where
    A: Arguments + Send + 'static,
    R: FnOnce(A, Service) -> F,
    F: Future<Output = anyhow::Result<()>>,
{
    files::raise();
    telemetry::init(arguments.service().log_format, arguments.log_level());
    warn_of_secrets(matches, program.secrets);
    install_tls();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "could not start the runtime");
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(drive(program, arguments, run));
    // Drops the remaining tasks, which tells the servers that they own to end. A blocked thread (a name
    // lookup, say) must not delay the exit.
    runtime.shutdown_timeout(DROP_TIMEOUT);
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "{} failed", program.name);
            if error.is::<Usage>() {
                ExitCode::from(2)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

/// Signals within this time of the first one count as the same request.
const REPEATED_SIGNAL_INTERVAL: Duration = Duration::from_secs(1);

/// Time to drop the remaining tasks.
const DROP_TIMEOUT: Duration = Duration::from_secs(1);

/// Installs the one TLS provider of the process.
pub fn install_tls() {
    // An error means that it is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

fn warn_of_secrets(matches: &ArgMatches, secrets: &[&str]) {
    for id in secrets {
        if matches.try_contains_id(id).is_err() || matches.value_source(id) != Some(ValueSource::CommandLine) {
            continue;
        }
        let mut values = matches.get_raw(id).into_iter().flatten();
        // A URL is a secret only with a password in it.
        if id.ends_with("url") && !values.any(|url| url.to_string_lossy().contains('@')) {
            continue;
        }
        let flag = id.replace('_', "-");
        let variable = id.to_uppercase();
        tracing::warn!(
            "--{flag} on the command line is visible to every user of this machine; pass it as the variable {variable} instead"
        );
    }
}

async fn drive<A, R, F>(program: Program, arguments: A, run: R) -> anyhow::Result<()>
where
    A: Arguments,
    R: FnOnce(A, Service) -> F,
    F: Future<Output = anyhow::Result<()>>,
{
    // First of all, so that a starting program ends like a running one.
    let signals = Signals::listen().context("listen for signals")?;
    let options = arguments.service().clone();
    let service = Service::new(program.name, options.shutdown_timeout);
    let admin = service.listen("admin", options.admin_port).await?;
    // The admin server outlives everything else, to answer probes until the end.
    let admin_stop = tokio_util::sync::CancellationToken::new();
    let admin_task = tokio::spawn(web::serve(
        admin,
        admin::routes(service.clone()),
        admin::front(),
        admin_stop.clone(),
    ));

    let work = async {
        let result = run(arguments, service.clone()).await;
        if let Err(error) = result {
            service.fail(error);
        }
        service.0.stop.cancel();
        service.0.tasks.close();
        service.0.tasks.wait().await;
    };
    let deadline = async {
        service.0.stop.cancelled().await;
        service.0.health.stop();
        let timeout = service.0.shutdown_timeout;
        sleep(timeout.mul_f64(0.8)).await;
        service.0.drain_deadline.cancel();
        sleep(timeout.mul_f64(0.1)).await;
        service.0.abandon.cancel();
        sleep(timeout.mul_f64(0.1)).await;
        anyhow::anyhow!("did not finish within {timeout:?} of being asked to end")
    };
    let broken_off = tokio::select! {
        () = work => None,
        late = deadline => Some(late),
        again = obey(signals, &service) => Some(anyhow::anyhow!("ended at once, by a second signal ({again})")),
    };
    admin_stop.cancel();
    // Connections to the admin port are short; the abort interrupts only a probe.
    admin_task.abort();
    let _ = admin_task.await;
    let failure = service.0.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
    failure.or(broken_off).map_or(Ok(()), Err)
}

/// Asks for the end at the first signal. Returns the name of the signal that ends the program at once.
async fn obey(mut signals: Signals, service: &Service) -> &'static str {
    let signal = signals.next().await;
    // Before logging: a closed terminal takes no more lines.
    service.0.stop.cancel();
    tracing::info!(signal, "finishing work in flight");
    let asked = Instant::now();
    loop {
        let again = signals.next().await;
        // A terminal, a shell and a supervisor may each pass on the same request.
        if asked.elapsed() >= REPEATED_SIGNAL_INTERVAL {
            return again;
        }
    }
}
