//! Flags of a program that serves clients.

use crate::{Service, duration, files, usage};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;
use web::{Certificate, Front, Limits};

/// The flags of a program that serves clients.
#[derive(clap::Args, Clone, Debug)]
pub struct Serving {
    /// Certificate to show to clients, a PEM file with its chain; read again when it is renewed.
    /// Without one, HTTP is plain
    #[arg(long, env, requires = "tls_key", value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,

    /// Private key of the certificate, a PEM file
    #[arg(long, env, requires = "tls_cert", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,

    /// Connections at once; further ones wait until one ends
    #[arg(long, env, default_value = "2048", value_name = "NUMBER")]
    pub max_connections: NonZeroU32,

    /// Time for a client to send the head of a request, and for the next one on a kept connection
    #[arg(long, env, default_value = "30s", value_parser = duration, value_name = "DURATION")]
    pub head_timeout: Duration,

    /// Longest pause of a client that takes its answer
    #[arg(long, env, default_value = "15s", value_parser = duration, value_name = "DURATION")]
    pub answer_idle_timeout: Duration,
}

impl Serving {
    /// Whether clients speak TLS.
    pub fn is_tls(&self) -> bool {
        self.tls_cert.is_some()
    }
}

impl Service {
    /// Makes the server settings of these flags. Loads the certificate, and again when it is renewed.
    ///
    /// # Errors
    /// Wrong usage, where the certificate cannot be used.
    pub fn front(&self, serving: &Serving) -> anyhow::Result<Front> {
        let certificate = match (&serving.tls_cert, &serving.tls_key) {
            (Some(certificate), Some(key)) => {
                let certificate = Certificate::load(certificate.clone(), key.clone()).map_err(usage)?;
                let watching = certificate.clone().watch(self.stop());
                self.spawn("watch the certificate", async move {
                    watching.await;
                    Ok(())
                });
                Some(certificate)
            }
            _ => None,
        };
        if serving.head_timeout.is_zero() || serving.answer_idle_timeout.is_zero() {
            return Err(usage(anyhow::anyhow!(
                "--head-timeout or --answer-idle-timeout leaves no time at all; give it a few seconds"
            )));
        }
        let asked = usize::try_from(serving.max_connections.get()).unwrap_or(usize::MAX);
        let connections = files::connections(asked);
        if connections < asked {
            tracing::warn!(
                asked,
                connections,
                "the limit of open files leaves fewer connections than --max-connections; raise it (ulimit -n, LimitNOFILE of systemd)"
            );
        }
        let limits = Limits {
            connections,
            head: serving.head_timeout,
            write: serving.answer_idle_timeout,
            ..Limits::default()
        };
        Ok(Front { limits, certificate })
    }
}
