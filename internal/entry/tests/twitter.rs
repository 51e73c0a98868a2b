//! Agreement with twitter-text (`scripts/install-peers.sh` installs it) on where hashtags stand. Each difference is listed
//! in `twitter/differences.json` under its reason.

use crate::hashtag::{fold, of_text};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Differences of one kind.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kind {
    kind: String,
    reason: String,
    differences: Vec<Difference>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Difference {
    text: String,
    ours: Vec<String>,
    theirs: Vec<String>,
}

fn folder() -> PathBuf {
    testutil::workspace().join("internal/entry/tests/twitter")
}

fn read<T: DeserializeOwned>(path: &Path) -> T {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn ours(text: &str) -> Vec<String> {
    let hashtags = of_text(text).unwrap().into_iter();
    hashtags.map(|hashtag| hashtag.spelling).collect()
}

/// Each name once, as ours are.
fn once(hashtags: Vec<String>) -> Vec<String> {
    let mut names = BTreeSet::new();
    hashtags
        .into_iter()
        .filter(|hashtag| names.insert(fold(hashtag)))
        .collect()
}

#[tokio::test]
async fn hashtags_are_those_of_twitter_text_but_for_what_is_listed() {
    let texts: BTreeMap<String, Vec<String>> = read(&folder().join("texts.json"));
    let texts: Vec<String> = texts.into_values().flatten().collect();
    assert!(texts.len() > 300, "{}", texts.len());
    let theirs = testutil::javascript(&folder().join("hashtags.js"), &json!(texts)).await;
    let theirs: Vec<Vec<String>> = serde_json::from_value(theirs).unwrap();
    assert_eq!(theirs.len(), texts.len());

    let kinds: Vec<Kind> = read(&folder().join("differences.json"));
    let mut listed: BTreeMap<&str, &Difference> = BTreeMap::new();
    for Kind {
        kind,
        reason,
        differences,
    } in &kinds
    {
        assert!(reason.len() > 20 && !differences.is_empty(), "{kind}");
        for difference in differences {
            assert!(listed.insert(&difference.text, difference).is_none(), "{difference:?}");
        }
    }

    let mut wrong = Vec::new();
    for (text, theirs) in texts.iter().zip(theirs) {
        let (ours, theirs) = (ours(text), once(theirs));
        let found = json!({"text": text, "ours": ours, "theirs": theirs});
        match listed.remove(text.as_str()) {
            None if ours != theirs => wrong.push(format!("not listed: {found}")),
            Some(_) if ours == theirs => wrong.push(format!("listed, and equal: {found}")),
            Some(listed) if listed.ours != ours || listed.theirs != theirs => {
                wrong.push(format!("listed otherwise: {found}"));
            }
            None | Some(_) => {}
        }
    }
    wrong.extend(listed.keys().map(|text| format!("listed, and no text: {text:?}")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
