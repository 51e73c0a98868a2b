//! Libraries of others, which `scripts/install-peers.sh` installs.

use serde_json::Value;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

/// The longest that a script may take, on a machine that may be compiling.
const DEADLINE: Duration = Duration::from_secs(300);

/// Runs a Python script that reads JSON from its standard input and writes its answer, also JSON, to its standard
/// output.
///
/// # Panics
/// When the libraries are not installed, and when the script fails.
pub async fn python(script: &Path, question: &Value) -> Value {
    let mut python = installed("python");
    // Without -B, it would leave compiled files beside the scripts.
    python.args(["-I", "-B"]);
    run(python, script, question).await
}

/// Runs a `CommonJS` script by Node.js, as [`python`] runs one by Python.
///
/// # Panics
/// When the libraries are not installed, and when the script fails.
pub async fn javascript(script: &Path, question: &Value) -> Value {
    let mut node = installed("node");
    node.env("NODE_PATH", crate::workspace().join(".tools/peers/npm/node_modules"));
    run(node, script, question).await
}

fn installed(program: &str) -> Command {
    let path = crate::workspace().join(".tools/peers/bin").join(program);
    assert!(
        path.is_file(),
        "{} is not there: run scripts/install-peers.sh, which `make tools` does",
        path.display()
    );
    Command::new(path)
}

async fn run(mut interpreter: Command, script: &Path, question: &Value) -> Value {
    let name = script.display();
    let mut child = interpreter
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("{name} could not be started: {error}"));
    let stdin = child.stdin.take();
    let question = question.to_string();
    let ask = async move {
        if let Some(mut stdin) = stdin {
            // A script that failed does not read; what it said is shown below.
            let _ = stdin.write_all(question.as_bytes()).await;
        }
    };
    let Ok(((), output)) = timeout(DEADLINE, async { tokio::join!(ask, child.wait_with_output()) }).await else {
        panic!("{name} did not answer within {DEADLINE:?}");
    };
    let output = output.unwrap_or_else(|error| panic!("{name}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {}\n{said}", output.status);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{name} wrote no JSON: {error}\n{said}"))
}
