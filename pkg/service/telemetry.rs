//! Logs, to standard error: standard output is for a program's results.

use tracing_subscriber::EnvFilter;

/// How log lines are written.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for machines.
    Json,
}

/// Starts logging; `RUST_LOG` chooses what is logged (`level` without it, else `info`).
pub(crate) fn init(format: LogFormat, level: Option<&'static str>) {
    // The pool's own line about a lost connection says nothing of the reason; whose statement failed says it.
    let usual = "async_nats=warn,deadpool=off,refinery_core=warn,tokio_postgres=warn,h2=warn,hyper=warn,tower=warn";
    let level = level.unwrap_or("info");
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(format!("{level},{usual}")));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // Reporting a failed write to a closed terminal would panic.
        .log_internal_errors(false)
        .with_target(false);
    // An error means that a subscriber is set already, for instance by a test.
    let _ = match format {
        LogFormat::Text => builder
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .try_init(),
        LogFormat::Json => builder
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .try_init(),
    };
}
