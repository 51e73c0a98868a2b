use super::*;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;

const DEADLINE: Duration = Duration::from_secs(60);

fn shell(script: &str) -> Program {
    Program::at("sh", Path::new("/bin/sh")).arg("-c").arg(script)
}

#[test]
fn addresses_are_read_from_both_shapes_of_log_lines() {
    let flat = r#"{"timestamp":"x","level":"INFO","message":"listening","service":"main","address":"127.0.0.1:81"}"#;
    let nested = r#"{"level":"INFO","fields":{"message":"listening","service":"admin","address":"0.0.0.0:82"}}"#;
    assert_eq!(
        listening(flat),
        Some(("main".to_owned(), "127.0.0.1:81".parse().unwrap()))
    );
    assert_eq!(
        listening(nested),
        Some(("admin".to_owned(), "127.0.0.1:82".parse().unwrap()))
    );
    assert_eq!(
        listening(r#"{"message":"ready","service":"main","address":"127.0.0.1:81"}"#),
        None
    );
    assert_eq!(listening("listening"), None);
}

#[tokio::test]
async fn output_code_and_environment_come_through() {
    let mut process = shell(r#"read -r line; echo "$line"; echo oops >&2; printf 'no end' >&2; env >&2; exit 3"#)
        .env("X", "y")
        .stdin(std::fs::File::open(file_with("given\n").path()).unwrap())
        .spawn();
    assert_eq!(process.wait(DEADLINE).await, 3);
    assert!(process.has_ended());
    assert_eq!(process.stdout(), ["given"]);
    assert_eq!(process.output()[0], "oops");
    let mut names: Vec<String> = process.output()[1..]
        .iter()
        .filter_map(|line| Some(line.split_once('=')?.0.replace("no end", "")))
        .collect();
    names.retain(|name| !KEPT.contains(&name.as_str()) && !["PWD", "SHLVL", "_", "OLDPWD"].contains(&name.as_str()));
    names.sort();
    assert_eq!(
        names,
        ["ADMIN_PORT", "LOG_FORMAT", "PORT", "X"],
        "the environment of the one who runs the tests leaks in"
    );
}

#[tokio::test]
async fn readiness_is_waited_for() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = tokio::spawn(async move {
        for status in ["503 Service Unavailable", "200 OK"] {
            let (mut stream, _) = listener.accept().await.unwrap();
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
            tokio::io::AsyncWriteExt::write_all(&mut stream, answer.as_bytes())
                .await
                .unwrap();
            tokio::io::AsyncReadExt::read(&mut stream, &mut [0; 1024])
                .await
                .unwrap();
        }
    });
    let line = format!(r#"{{"message":"listening","service":"admin","address":"{address}"}}"#);
    let mut process = shell(&format!("echo '{line}' >&2; exec sleep 600")).start().await;
    asked.await.unwrap();
    assert!(process.peak_memory() > 0);
    process.signal(Signal::SIGTERM);
    assert_eq!(process.wait(DEADLINE).await, 128 + 15);
    assert!(process.peak_memory() > 0, "still known after the end");
}

#[tokio::test]
#[should_panic(expected = "no such port")]
async fn a_program_that_ends_too_early_shows_what_it_said() {
    let _ = shell("echo no such port >&2; exit 1").start().await;
}

#[tokio::test]
async fn dropping_kills() {
    let process = shell("exec sleep 600").spawn();
    let pid = process.pid();
    drop(process);
    crate::poll(DEADLINE, || async move {
        // Gone, or a zombie.
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        (stat.is_empty() || stat.contains(") Z ")).then_some(())
    })
    .await;
}

#[tokio::test]
async fn long_output_is_bounded() {
    let mut process = shell("head -c 200000 /dev/zero | tr '\\0' x; echo; seq 1 20000").spawn();
    assert_eq!(process.wait(DEADLINE).await, 0);
    let lines = process.stdout();
    assert_eq!(lines.len(), LINES);
    assert_eq!(lines.last().unwrap(), "20000");
    let mut long = BufReader::new(&b"0123456789"[..]);
    assert_eq!(next_line(&mut long).await.unwrap().unwrap(), "0123456789");
    let wide = vec![b'x'; LINE_BYTES + 5];
    let mut wide = BufReader::new(&wide[..]);
    assert_eq!(next_line(&mut wide).await.unwrap().unwrap().len(), LINE_BYTES);
    assert!(next_line(&mut wide).await.unwrap().is_none());
}

#[test]
#[should_panic(expected = "cargo build")]
fn a_program_that_is_not_built_says_so() {
    let _ = Program::new("no-such-program");
}

fn file_with(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.as_file()
        .set_permissions(PermissionsExt::from_mode(0o600))
        .unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}
