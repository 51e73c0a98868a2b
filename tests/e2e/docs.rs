//! Checks of the documentation's pages.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};
use testutil::workspace;

/// All pages: those in the root, and `docs/` with its folders.
pub(crate) fn pages() -> Vec<PathBuf> {
    let mut folders = vec![workspace().join("docs")];
    let mut pages: Vec<PathBuf> = fs::read_dir(workspace())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| is_page(path))
        .collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if is_page(&path) {
                pages.push(path);
            }
        }
    }
    pages
}

fn is_page(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "md")
}

/// The text of a page without its blocks of code.
fn prose(page: &Path) -> String {
    let text = fs::read_to_string(page).unwrap();
    let parts = text.split("\n```");
    parts.step_by(2).collect::<Vec<_>>().join("\n")
}

/// The anchors of a page's headings, as GitHub makes them.
fn anchors(page: &Path) -> BTreeSet<String> {
    let text = prose(page);
    let named = text
        .split("<a id=\"")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once('"')?.0.to_owned()));
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|heading| {
            let text = heading.trim_start_matches('#').trim().to_lowercase();
            text.chars()
                .filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | ' '))
                .map(|c| if c == ' ' { '-' } else { c })
                .collect()
        })
        .chain(named)
        .collect()
}

/// A path without `..`, which may not exist.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => _ = plain.pop(),
            part => plain.push(part),
        }
    }
    plain
}

#[test]
fn every_link_leads_somewhere() {
    let mut links = 0;
    for page in pages() {
        let prose = prose(&page);
        let pictures = prose.split("<img src=\"").skip(1);
        for rest in prose.split("](").skip(1).chain(pictures) {
            let link = rest.split([')', ' ', '"']).next().unwrap();
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            links += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => page.clone(),
                file => plain(&page.parent().unwrap().join(file)),
            };
            assert!(target.exists(), "{}: {link} leads nowhere", page.display());
            assert!(
                anchor.is_empty() || anchors(&target).contains(anchor),
                "{}: {link} names no heading",
                page.display()
            );
        }
    }
    assert!(links > 100, "{links}");
}

/// Files of the repository that a page names in backticks; the trips of CONTRIBUTING are an example.
#[test]
fn every_named_file_exists() {
    let mut files = 0;
    for page in pages() {
        for named in prose(&page).split('`').skip(1).step_by(2) {
            let is_path = [
                "cmd/",
                "docs/",
                "internal/",
                "migrations/",
                "pkg/",
                "scripts/",
                "tests/",
            ]
            .iter()
            .any(|folder| named.starts_with(folder));
            if !is_path
                || named.contains([' ', '*', '{', '<', '…'])
                || named.contains(char::is_uppercase)
                || named.contains("/refuel/")
            {
                continue;
            }
            files += 1;
            assert!(
                workspace().join(named).exists(),
                "{}: {named} does not exist",
                page.display()
            );
        }
    }
    assert!(files > 50, "{files}");
}

#[test]
fn the_first_pages_are_short() {
    for (page, most) in [("README.md", 160), ("ARCHITECTURE.md", 200)] {
        let lines = fs::read_to_string(workspace().join(page)).unwrap().lines().count();
        assert!(lines < most, "{page} has {lines} lines");
    }
}
