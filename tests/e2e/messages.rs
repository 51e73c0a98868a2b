//! `messages` by clients of other makers, by people, at its limits, and while things break.

mod clients;
mod command;
mod faults;
mod hostile;
mod limits;
mod metrics;
mod starting;
mod statuses;
mod stubs;

use serde_json::{Value, json};
use std::path::PathBuf;
use testutil::{Database, Process, Program, workspace};

fn server(database: &Database) -> Program {
    Program::new("messages")
        .env("DATABASE_URL", database.url())
        .env("API_PORT", "0")
}

/// A server with only the database rights of `scripts/roles.sql`.
async fn narrow_server(database: &Database) -> Program {
    testutil::give_roles(&database.url()).await;
    server(database)
        .env("DATABASE_URL", database.url_as("odograph_messages"))
        .args(["--migrate", "false"])
}

async fn port(server: &mut Process) -> u16 {
    server.address("messages").await.port()
}

fn peer(program: &str) -> PathBuf {
    workspace().join(".tools/peers").join(program)
}

/// What runs steps of calls: the same steps get the same answers in every language.
#[derive(Clone, Copy, Debug)]
enum Language {
    /// `grpcio`, by `messages/calls.py`.
    Python,
    /// `grpc-js`, by `messages/calls.js`.
    JavaScript,
}

impl Language {
    const ALL: [Self; 2] = [Self::Python, Self::JavaScript];

    /// Runs steps: each a method, a request and metadata.
    async fn calls(self, port: u16, steps: Value) -> Vec<Value> {
        let question = json!({"address": format!("localhost:{port}"), "calls": steps});
        let answers = match self {
            Self::Python => testutil::python(&script("calls.py"), &question).await,
            Self::JavaScript => testutil::javascript(&script("calls.js"), &question).await,
        };
        answers.as_array().unwrap().clone()
    }
}

/// Runs steps by one client, where it does not matter which.
async fn calls(port: u16, steps: Value) -> Vec<Value> {
    Language::Python.calls(port, steps).await
}

fn script(name: &str) -> PathBuf {
    workspace().join("tests/e2e/messages").join(name)
}

async fn client(database: &Database) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(&database.url(), tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    client
}
