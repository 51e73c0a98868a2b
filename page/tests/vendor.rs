//! The foreign code of the page is what `make page-vendor` made, and not edited by hand.

use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

#[test]
fn bundles_have_the_hashes_of_their_making() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sums = fs::read_to_string(page.join("vendor/SHA256SUMS")).unwrap();
    let mut listed = BTreeSet::new();
    for line in sums.lines() {
        let (expected, name) = line.split_once("  ").unwrap();
        let found = format!("{:x}", Sha256::digest(fs::read(page.join(name)).unwrap()));
        assert_eq!(found, expected, "page/{name} is another one: run `make page-vendor`");
        listed.insert(name.to_owned());
    }

    let present: BTreeSet<String> = fs::read_dir(page.join("site/vendor"))
        .unwrap()
        .map(|entry| format!("site/vendor/{}", entry.unwrap().file_name().to_str().unwrap()))
        .collect();
    assert_eq!(present, listed, "page/vendor/SHA256SUMS has other names");
}
