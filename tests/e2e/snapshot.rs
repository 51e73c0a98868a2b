//! Texts that people read, compared with their snapshots.

/// Hides what differs from run to run.
pub(crate) fn settings() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    for (pattern, name) in [
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "[id]"),
        (r"20[2-9][0-9]-[0-9]{2}-[0-9]{2}T[0-9:.]+Z", "[now]"),
        (
            r"[0-9.]+ (days|hours|minutes|seconds) (ahead|later|after)",
            "[some time] $2",
        ),
        (r"127\.0\.0\.1:[0-9]+", "[address]"),
    ] {
        settings.add_filter(pattern, name);
    }
    settings
}

/// Compares what a tool has said about readings with its snapshot.
pub(crate) fn pin(name: &str, said: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.add_filter("checksum [0-9a-f]+", "checksum […]");
    settings.add_filter("[0-9a-f]{64}", "[SHA-256]");
    settings.add_filter("NOWHERE_[0-9A-Z_]+", "NOWHERE");
    settings.bind(|| insta::assert_snapshot!(name, said));
}

/// The errors in a program's log, and its lines that are no log, such as wrong usage.
pub(crate) fn failures(log: &[String]) -> String {
    let failures = log.iter().filter_map(|line| {
        let Ok(entry) = serde_json::from_str::<serde_json::Value>(line) else {
            return Some(line.clone());
        };
        let said = |field: &str| entry[field].as_str().map(str::to_owned);
        (entry["level"] == "ERROR").then(|| said("error").or_else(|| said("message")))?
    });
    failures.collect::<Vec<_>>().join("\n")
}
