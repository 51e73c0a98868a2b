//! Allowed dependencies between packages and modules.

mod circles;
mod modules;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use testutil::workspace;

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// The code of a file without its tests and comments.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    code.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn is_test(file: &Path) -> bool {
    file.components().any(|part| part.as_os_str() == "tests") || file.file_name().unwrap() == "tests.rs"
}

/// The names of all packages compiled into a package, by `cargo tree`.
fn compiled_into(package: &str) -> BTreeSet<String> {
    let shown = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--edges", "normal", "--prefix", "none"])
        .args(["--format", "{p}", "--package", package])
        .current_dir(workspace())
        .output()
        .unwrap();
    assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
    let shown = String::from_utf8(shown.stdout).unwrap();
    let names = shown.lines().filter_map(|line| line.split(' ').next());
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// Packages that open connections or files, or show progress.
const OPENS: [&str; 9] = [
    "async-nats",
    "axum",
    "indicatif",
    "object_store",
    "refinery",
    "reqwest",
    "tokio-postgres",
    "tonic",
    "rustls",
];

/// The crates of `internal`.
const CRATES: [&str; 14] = [
    "access",
    "archive",
    "bus",
    "client",
    "entry",
    "ingest",
    "message",
    "persist",
    "query",
    "reading",
    "schema",
    "store",
    "subscription",
    "verify",
];

fn among(names: &BTreeSet<String>, all: &[&str]) -> BTreeSet<String> {
    let found = all.iter().filter(|name| names.contains(**name));
    found.map(|name| (*name).to_owned()).collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn a_program_holds_what_it_opens_and_no_more() {
    let programs: [(&str, &[&str], &[&str]); 8] = [
        (
            "ingestor",
            &["async-nats", "axum", "rustls"],
            &["access", "bus", "ingest", "reading"],
        ),
        (
            "persistor",
            &["async-nats", "axum", "refinery", "rustls", "tokio-postgres"],
            &["bus", "persist", "reading", "schema", "store"],
        ),
        (
            "api",
            &[
                "axum",
                "object_store",
                "refinery",
                "reqwest",
                "rustls",
                "tokio-postgres",
            ],
            &["access", "archive", "entry", "query", "reading", "schema", "store"],
        ),
        (
            "dumper",
            &["axum", "object_store", "reqwest", "rustls", "tokio-postgres"],
            &["access", "archive", "entry", "reading", "store"],
        ),
        (
            "notifier",
            &["axum", "refinery", "rustls", "tokio-postgres"],
            &["access", "reading", "schema", "store", "subscription"],
        ),
        (
            "messages",
            &["axum", "refinery", "rustls", "tokio-postgres", "tonic"],
            &["access", "message", "reading", "schema", "store"],
        ),
        (
            "journal",
            &["axum", "refinery", "rustls", "tokio-postgres"],
            &["access", "entry", "reading", "schema", "store"],
        ),
        ("odograph", &OPENS, &CRATES),
    ];
    for (program, opens, crates) in programs {
        let compiled = compiled_into(program);
        assert_eq!(among(&compiled, &OPENS), set(opens), "{program} opens");
        assert_eq!(among(&compiled, &CRATES), set(crates), "{program} holds");
    }
}

#[test]
fn crates_know_only_what_lies_below_them() {
    let crates: [(&str, &[&str]); 14] = [
        ("bus", &[]),
        ("reading", &[]),
        ("access", &["reading"]),
        ("schema", &[]),
        ("store", &["reading"]),
        ("ingest", &["access", "reading"]),
        ("persist", &["bus", "reading", "store"]),
        ("query", &["access", "archive", "entry", "reading", "store"]),
        ("archive", &["access", "entry", "reading", "store"]),
        ("verify", &["access", "archive", "bus", "entry", "reading", "store"]),
        ("client", &["reading"]),
        ("subscription", &["access", "reading", "store"]),
        ("message", &["access", "reading", "store"]),
        ("entry", &["access", "reading", "store"]),
    ];
    for (name, below) in crates {
        let mut known = among(&compiled_into(name), &CRATES);
        known.remove(name);
        assert_eq!(known, set(below), "{name} knows");
    }
    assert_eq!(among(&compiled_into("reading"), &OPENS), set(&[]), "reading opens");
}

/// Words of the domain, and the names of our programs. Not the word "reading" alone, which is also a verb.
const DOMAIN: [&str; 16] = [
    "a reading",
    "reading::",
    "FROM reading",
    "readings",
    "series_id",
    "sensor",
    "sensors",
    "device",
    "devices",
    "vehicle",
    "vehicles",
    "speed",
    "latitude",
    "ingestor",
    "persistor",
    "odograph",
];

/// Files of `pkg` that may name the product, with the name that others know.
const NAMES_THE_PRODUCT: [(&str, &str); 4] = [
    ("pkg/pgserver", "data folders, sockets and the database are found by it"),
    (
        "pkg/postgres/connect.rs",
        "the server shows it as the application's name",
    ),
    ("pkg/postgres/sessions.rs", "a setting of the session begins with it"),
    (
        "pkg/webhook",
        "receivers see it as the user agent; the salt of stored secrets has it",
    ),
];

/// Whether a text has these words, and not only as a part of longer ones.
fn has_words(text: &str, words: &str) -> bool {
    text.match_indices(words).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + words.len()..].chars().next();
        ![before, after].into_iter().flatten().any(char::is_alphabetic)
    })
}

#[test]
fn pkg_knows_no_domain() {
    for entry in fs::read_dir(workspace().join("pkg")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let known = among(&compiled_into(&name), &CRATES);
        assert!(known.is_empty(), "pkg/{name} knows {known:?}");
    }
    for file in rust_files(&workspace().join("pkg")) {
        let path = file.strip_prefix(workspace()).unwrap();
        // It starts our programs.
        if path.starts_with("pkg/testutil") || is_test(&file) {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        // Comments count, too.
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap().to_lowercase();
        let names_the_product = NAMES_THE_PRODUCT.iter().any(|(allowed, _)| path.starts_with(allowed));
        for word in DOMAIN {
            let knows = has_words(&text, &word.to_lowercase()) && !(word == "odograph" && names_the_product);
            assert!(!knows, "{} knows of {word:?}", path.display());
        }
    }
}

#[test]
fn the_page_knows_no_question() {
    assert_eq!(among(&compiled_into("page"), &CRATES), set(&[]), "page knows");
    for program in ["ingestor", "persistor", "dumper", "notifier", "messages", "journal"] {
        assert!(!compiled_into(program).contains("page"), "{program} holds the page");
    }
}

#[test]
fn webhooks_are_sent_by_one_client() {
    // Another client would resolve names by itself, after they were judged.
    assert_eq!(
        among(&compiled_into("webhook"), &OPENS),
        set(&["rustls"]),
        "webhook opens"
    );
}

#[test]
fn two_crates_name_the_library_of_grpc() {
    // A crate without it in its manifest cannot name it.
    let mut naming = BTreeSet::new();
    for folder in ["bench", "cmd", "fuzz", "internal", "pkg", "soak", "tests"] {
        let folder = workspace().join(folder);
        let inside = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        for place in inside.chain([folder.clone()]) {
            let Ok(manifest) = fs::read_to_string(place.join("Cargo.toml")) else {
                continue;
            };
            if has_words(&manifest, "tonic") {
                naming.insert(place.strip_prefix(workspace()).unwrap().display().to_string());
            }
        }
    }
    assert_eq!(naming, set(&["internal/message", "pkg/grpc"]));
}

#[test]
fn questions_do_not_know_each_other() {
    let query = workspace().join("internal/query");
    for file in rust_files(&query) {
        let inside = file.strip_prefix(&query).unwrap();
        let question = inside.iter().next().and_then(|part| part.to_str()).unwrap();
        if question.ends_with(".rs") || is_test(&file) {
            continue;
        }
        for used in code(&file).split("crate::").skip(1) {
            let used: String = used
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
                .collect();
            assert!(used == question || used == "words", "{} uses {used}", file.display());
        }
    }
}

#[test]
fn only_files_named_postgres_ask_the_database() {
    for name in ["archive", "query"] {
        for file in rust_files(&workspace().join("internal").join(name)) {
            let code = code(&file);
            let asks = ["SELECT ", "INSERT INTO", "UPDATE ", "DELETE FROM", "COPY "];
            if !is_test(&file) && asks.iter().any(|word| code.contains(word)) {
                let path = file.display().to_string();
                assert!(
                    path.contains("/postgres") || path.ends_with("/database.rs"),
                    "{path} holds SQL"
                );
            }
        }
    }
}

#[test]
fn the_metrics_page_names_every_transaction() {
    let page = fs::read_to_string(workspace().join("docs/operate/metrics.md")).unwrap();
    let mut names = BTreeSet::new();
    for folder in ["internal", "pkg/postgres"] {
        for file in rust_files(&workspace().join(folder)) {
            let code = code(&file);
            for kind in ["Timer::of(\"", "Tries::of(\""] {
                names.extend(
                    code.split(kind)
                        .skip(1)
                        .filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())),
                );
            }
        }
    }
    assert!(names.contains("store_readings"), "{names:?}");
    for name in names {
        assert!(
            page.contains(&format!("`{name}`")),
            "docs/operate/metrics.md does not name the transaction {name}"
        );
    }
}

#[test]
fn no_file_is_too_long() {
    for folder in ["cmd", "internal", "page", "pkg", "soak", "tests"] {
        for file in rust_files(&workspace().join(folder)) {
            let lines = fs::read_to_string(&file).unwrap().lines().count();
            assert!(lines <= 500, "{} has {lines} lines", file.display());
        }
    }
}
