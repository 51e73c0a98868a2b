//! Rules of `page/site`, which no compiler checks.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use testutil::workspace;

const VIEWS: [&str; 4] = ["live", "drives", "charts", "data"];

fn site() -> PathBuf {
    workspace().join("page/site")
}

/// Our own files with this ending, each with its path below `site/`.
fn files(ending: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    find(&site(), ending, &mut found);
    found.retain(|(name, _)| !name.starts_with("vendor/"));
    assert!(!found.is_empty(), "no {ending}");
    found
}

fn find(folder: &Path, ending: &str, into: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            find(&path, ending, into);
        } else if path.to_str().unwrap().ends_with(ending) {
            let name = path.strip_prefix(site()).unwrap().to_str().unwrap().to_owned();
            into.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
}

/// What a module imports, by `from '…'` and `import('…')`.
fn imports(text: &str) -> impl Iterator<Item = &str> {
    let code = text.lines().filter(|line| !is_comment(line));
    code.flat_map(|line| {
        ["from '", "import('", "import '"].into_iter().filter_map(move |word| {
            let (_, rest) = line.split_once(word)?;
            rest.split_once('\'').map(|(path, _)| path)
        })
    })
}

fn is_comment(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("//") || line.starts_with('*') || line.starts_with("/*")
}

#[test]
fn views_do_not_know_each_other() {
    for (name, text) in files(".js") {
        let Some(view) = VIEWS.into_iter().find(|view| name.starts_with(&format!("{view}/"))) else {
            continue;
        };
        for path in imports(&text) {
            let other = VIEWS.into_iter().find(|other| path.contains(&format!("../{other}/")));
            assert!(other.is_none_or(|other| other == view), "{name} imports {path}");
        }
    }
}

#[test]
fn what_is_imported_is_there() {
    for (name, text) in files(".js") {
        let folder = site().join(&name).parent().unwrap().to_owned();
        for path in imports(&text) {
            assert!(
                path.starts_with("./") || path.starts_with("../"),
                "{name} imports {path}"
            );
            assert!(folder.join(path).is_file(), "{name} imports {path}, which is not there");
        }
    }
}

#[test]
fn one_module_asks_and_one_listens() {
    for (name, text) in files(".js") {
        let code: String = text.lines().filter(|line| !is_comment(line)).collect();
        for (word, module) in [
            ("fetch(", "api.js"),
            ("XMLHttpRequest", ""),
            ("EventSource", "stream.js"),
            ("WebSocket", ""),
            ("sendBeacon", ""),
        ] {
            assert!(!code.contains(word) || name == module, "{name} has {word}");
        }
    }
}

#[test]
fn nothing_is_inline_and_nothing_too_long() {
    for ending in [".js", ".html", ".css"] {
        for (name, text) in files(ending) {
            assert!(text.lines().count() <= 600, "{name} has {} lines", text.lines().count());
            if ending != ".css" {
                // The policy refuses both.
                assert!(
                    !text.contains(" style=\"") && !text.contains(" style='"),
                    "{name} has inline style"
                );
                assert!(
                    !text.contains("<style") && !text.contains("innerHTML"),
                    "{name} has inline style or markup"
                );
                assert!(!text.contains(" style=${"), "{name} has inline style");
            }
        }
    }
}

/// Words that are the same in each language.
const NAMES: [&str; 3] = ["Odograph", "UTC", "GPX"];

#[test]
fn texts_are_in_the_folder_of_texts() {
    for (name, text) in files(".js") {
        if name.starts_with("text/") {
            continue;
        }
        let code: Vec<&str> = text.lines().filter(|line| !is_comment(line)).collect();
        for template in code.join("\n").split("html`").skip(1) {
            let template = template.split('`').next().unwrap();
            for piece in template.split('>').skip(1) {
                let words = piece.split('<').next().unwrap().trim();
                let is_code = words.contains(['{', '}', '$', '=', '(', ')', ';', '&', '|', '?']);
                let has_words = words.chars().filter(|letter| letter.is_alphabetic()).count() > 1;
                assert!(
                    is_code || !has_words || NAMES.contains(&words),
                    "{name} has the text {words:?}: it belongs into text/"
                );
            }
            for attribute in ["aria-label=\"", "title=\"", "placeholder=\"", "alt=\""] {
                let mut values = template.split(attribute).skip(1);
                assert!(
                    values.all(|value| value.starts_with("${")),
                    "{name} has a text in {attribute}"
                );
            }
        }
    }
}

/// The keys of a file of texts, without the endings of plurals.
fn keys(language: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(site().join(format!("text/{language}.js"))).unwrap();
    let lines = text.lines().filter_map(|line| line.trim_start().strip_prefix('\''));
    let keys = lines.filter_map(|line| line.split_once("':")).map(|(key, _)| key);
    let plurals = [".zero", ".one", ".two", ".few", ".many", ".other"];
    let stems = keys.map(|key| {
        plurals
            .iter()
            .find_map(|plural| key.strip_suffix(plural))
            .unwrap_or(key)
    });
    stems.map(str::to_owned).collect()
}

#[test]
fn both_languages_have_the_same_texts() {
    let (english, german) = (keys("en"), keys("de"));
    assert!(english.len() > 30, "{english:?}");
    let differences: Vec<_> = english.symmetric_difference(&german).collect();
    assert!(differences.is_empty(), "in one language only: {differences:?}");
    // Each is used, and each that is used is there.
    let code: String = files(".js")
        .into_iter()
        .filter(|(name, _)| !name.starts_with("text/"))
        .map(|(_, text)| text)
        .collect();
    for part in code.split("t('").skip(1) {
        let Some((key, _)) = part.split_once('\'') else {
            continue;
        };
        let is_key = key.contains('.') && !key.contains([' ', '/', '$']) && !key.ends_with('.');
        assert!(!is_key || english.contains(key), "the text {key} is missing");
    }
}
