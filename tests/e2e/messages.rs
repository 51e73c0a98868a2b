//! `messages` by clients of other makers, by people, at its limits, and while things break.

mod clients;
mod command;
mod faults;
mod limits;

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

/// Runs the steps of `messages/calls.py`: each a method, a request and metadata.
async fn calls(port: u16, steps: Value) -> Vec<Value> {
    let script = workspace().join("tests/e2e/messages/calls.py");
    let answers = testutil::python(
        &script,
        &json!({"address": format!("localhost:{port}"), "calls": steps}),
    )
    .await;
    answers.as_array().unwrap().clone()
}

async fn client(database: &Database) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(&database.url(), tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    client
}
