//! The walls of the house: who may know whom.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
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

/// The crates of this workspace that a crate depends on.
fn dependencies(krate: &str) -> BTreeSet<String> {
    let ours: BTreeSet<&str> = [
        "blob", "event", "internal", "percent", "postgres", "service", "testutil", "web",
    ]
    .into();
    let manifest = fs::read_to_string(workspace().join(krate).join("Cargo.toml")).unwrap();
    let section = manifest
        .split("\n[dependencies]\n")
        .nth(1)
        .unwrap_or_default()
        .split("\n[")
        .next()
        .unwrap_or_default();
    let names = section.lines().filter_map(|line| line.split(['.', ' ', '=']).next());
    names.filter(|name| ours.contains(name)).map(str::to_owned).collect()
}

#[test]
fn cmd_knows_internal_knows_pkg_and_never_back() {
    for krate in ["blob", "event", "percent", "postgres", "service", "testutil", "web"] {
        assert!(
            !dependencies(&format!("pkg/{krate}")).contains("internal"),
            "pkg/{krate} knows internal"
        );
    }
    assert!(!dependencies("internal").contains("testutil"));
    // A program names what its main can open, and no more.
    let may_open = [
        ("ingestor", vec!["event", "internal", "service", "web"]),
        ("persistor", vec!["event", "internal", "postgres", "service"]),
        ("dumper", vec!["blob", "internal", "postgres", "service"]),
        ("api", vec!["internal", "postgres", "service", "web"]),
    ];
    for (program, expected) in may_open {
        let expected: BTreeSet<String> = expected.into_iter().map(str::to_owned).collect();
        let found = dependencies(&format!("cmd/{program}"));
        assert!(found.is_subset(&expected), "cmd/{program} knows {found:?}");
    }
}

#[test]
fn pkg_knows_no_domain() {
    for file in rust_files(&workspace().join("pkg")) {
        if file.starts_with(workspace().join("pkg/testutil")) || is_test(&file) {
            continue;
        }
        for word in ["series_id", "speed", "latitude", "FROM reading"] {
            assert!(!code(&file).contains(word), "{} knows of {word}", file.display());
        }
    }
}

/// What every domain may use beside its own module.
const SHARED: [&str; 3] = ["reading", "schema", "api"];

#[test]
fn domains_do_not_know_each_other() {
    let internal = workspace().join("internal");
    for file in rust_files(&internal) {
        let inside = file.strip_prefix(&internal).unwrap();
        let Some(domain) = inside
            .iter()
            .next()
            .and_then(|part| part.to_str())
            .filter(|part| !part.ends_with(".rs"))
        else {
            continue;
        };
        if domain == "api" || is_test(&file) {
            continue;
        }
        for used in code(&file).split("crate::").skip(1) {
            let used: String = used
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
                .collect();
            assert!(
                used == domain || SHARED.contains(&&*used),
                "{} uses {used}",
                file.display()
            );
        }
    }
}

#[test]
fn each_kind_of_knowledge_has_its_file() {
    let internal = workspace().join("internal");
    for file in rust_files(&internal) {
        if is_test(&file) {
            continue;
        }
        let inside = file.strip_prefix(&internal).unwrap().to_string_lossy().into_owned();
        let code = code(&file);
        let words = |words: &[&str]| words.iter().any(|word| code.contains(word));
        if words(&["SELECT ", "INSERT INTO", "UPDATE ", "DELETE FROM", "COPY "]) {
            assert!(inside.contains("/postgres"), "{inside} holds SQL");
        }
        // The replay is a client: it reads status codes, the others give them.
        if words(&["StatusCode"]) && !inside.starts_with("replay/") {
            assert!(
                inside.ends_with("/http.rs") || inside.contains("/http/") || inside == "api/mod.rs",
                "{inside} knows status codes"
            );
        }
        if words(&[".ack()", ".release()"]) {
            let of_events = inside.ends_with("/events.rs") || inside.contains("/events/");
            assert!(of_events, "{inside} acknowledges");
        }
    }
}

#[test]
fn the_readme_names_every_transaction() {
    let readme = fs::read_to_string(workspace().join("README.md")).unwrap();
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
            readme.contains(&format!("`{name}`")),
            "README.md does not name the transaction {name}"
        );
    }
}

#[test]
fn no_file_is_two_rooms() {
    for folder in ["cmd", "internal", "pkg", "soak", "tests"] {
        for file in rust_files(&workspace().join(folder)) {
            let lines = fs::read_to_string(&file).unwrap().lines().count();
            assert!(lines <= 600, "{} has {lines} lines", file.display());
        }
    }
}
