//! Two servers of messages on one PostgreSQL, with a proxy on each way: from clients to a server, and from a server to
//! PostgreSQL.

use super::clock::KEPT;
use crate::journal::Journal;
use crate::proxy::Proxy;
use crate::system::{Service, TWINS, free_port, restart_postgres, restart_services};
use anyhow::Context;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use tempfile::TempDir;
use testutil::{Place, Postgres, Signal};
use tokio::sync::Mutex;

/// All processes. Dropping it kills them and removes their files, except the logs.
pub(super) struct System {
    pub(super) journal: Arc<Journal>,
    // A fault locks its part: each part has one fault at a time.
    pub(super) servers: [Mutex<Service>; TWINS],
    pub(super) postgres: Mutex<Postgres>,
    /// From clients to each server.
    pub(super) fronts: [Arc<Proxy>; TWINS],
    /// From each server to PostgreSQL.
    pub(super) backs: [Arc<Proxy>; TWINS],
    /// The database itself, without a proxy.
    pub(super) database_url: String,
    _work: TempDir,
}

impl System {
    pub(super) async fn start(journal: Arc<Journal>) -> anyhow::Result<Self> {
        let work = tempfile::tempdir().context("make a folder")?;
        // As root, PostgreSQL runs as another user, who has to enter the folder.
        std::fs::set_permissions(work.path(), PermissionsExt::from_mode(0o711)).context("open the folder")?;
        let fronts = [Arc::new(Proxy::start().await?), Arc::new(Proxy::start().await?)];
        let backs = [Arc::new(Proxy::start().await?), Arc::new(Proxy::start().await?)];
        let log = |name: &str| journal.folder().join(format!("{name}.log"));
        let port = free_port()?;
        let place = Place {
            parent: work.path().to_owned(),
            port: Some(port),
            log: Some(log("postgres")),
        };
        // Frequent checkpoints and a short log, so that crashes interrupt both.
        let settings = [
            ("max_wal_size", "256MB"),
            ("min_wal_size", "64MB"),
            ("checkpoint_timeout", "30s"),
        ];
        let postgres = Postgres::try_start_in(place, &settings)
            .await
            .context("start PostgreSQL")?;
        for back in &backs {
            back.lead_to(([127, 0, 0, 1], port).into());
        }
        // The role with the least rights.
        testutil::give_roles(postgres.url()).await;
        let server = |number: usize| {
            let address = backs[number].address();
            let env = vec![
                (
                    "DATABASE_URL",
                    format!("postgres://odograph_messages@{address}/odograph?sslmode=disable"),
                ),
                ("MIGRATE", "false".to_owned()),
                ("API_PORT", "0".to_owned()),
                ("DB_RETENTION_PERIOD", KEPT.to_owned()),
            ];
            let log = log(&format!("messages{number}"));
            Mutex::new(Service::new("messages", number, env, log, Some(fronts[number].clone())))
        };
        let system = Self {
            servers: [server(0), server(1)],
            database_url: postgres.url().to_owned(),
            postgres: Mutex::new(postgres),
            journal,
            fronts,
            backs,
            _work: work,
        };
        for server in &system.servers {
            server.lock().await.start().await?;
        }
        Ok(system)
    }

    /// The URLs of the servers, which stay the same when a server is started again.
    pub(super) fn urls(&self) -> Vec<String> {
        let fronts = self.fronts.iter();
        fronts.map(|proxy| format!("http://{}", proxy.address())).collect()
    }

    /// Restarts processes that have ended without a fault, and returns their names. Skips locked parts, which have a
    /// fault.
    pub(super) async fn restart_ended(&self) -> anyhow::Result<Vec<String>> {
        let mut found = Vec::new();
        restart_services(self.servers.iter(), &mut found).await?;
        restart_postgres(&self.postgres, &mut found).await?;
        for text in &found {
            self.journal.note(text);
        }
        Ok(found)
    }

    /// Ends the servers cleanly, so that their logs are complete. Returns what is wrong with the logs.
    pub(super) async fn stop(&self) -> anyhow::Result<Vec<String>> {
        let mut complaints = Vec::new();
        for server in &self.servers {
            let mut server = server.lock().await;
            if let Some(running) = server.running() {
                running.signal(Signal::SIGCONT);
                running.stop().await;
            }
            complaints.extend(server.panics()?);
        }
        Ok(complaints)
    }
}
