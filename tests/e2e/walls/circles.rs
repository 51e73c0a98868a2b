//! No circles between the modules of a crate.

use super::modules::Modules;
use std::fs;
use std::path::PathBuf;
use testutil::workspace;

/// The roots of all crates, each with its folder from the workspace on.
fn roots() -> Vec<(String, PathBuf)> {
    let mut folders = ["bench", "page", "soak"].map(str::to_owned).to_vec();
    for group in ["cmd", "internal", "pkg"] {
        for entry in fs::read_dir(workspace().join(group)).unwrap() {
            folders.push(format!("{group}/{}", entry.unwrap().file_name().to_str().unwrap()));
        }
    }
    let mut roots = Vec::new();
    for folder in folders {
        for file in ["lib.rs", "main.rs"] {
            let root = workspace().join(&folder).join(file);
            if root.exists() {
                roots.push((folder.clone(), root));
            }
        }
    }
    roots
}

#[test]
fn modules_form_no_circle() {
    let roots = roots();
    assert!(roots.len() > 25, "{roots:?}");
    for (folder, root) in roots {
        let circles = Modules::read(&root).circles();
        assert!(
            circles.is_empty(),
            "{folder}: move what these modules share to a file of its own: {circles:#?}"
        );
    }
}

/// The circles in a crate of these files; its root is the first.
fn circles(files: &[(&str, &str)]) -> Vec<Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let file = folder.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    let found = Modules::read(&folder.path().join(files[0].0)).circles();
    found.into_iter().map(|circle| circle.into_iter().collect()).collect()
}

#[test]
fn siblings_that_use_each_other_are_a_circle() {
    for (a, b) in [
        ("use crate::b::B;", "use super::a::A;"),
        ("use super::{b::B as Other, c};", "fn f() { crate::a::f::<u8>() }"),
        (
            "use super::b; fn f(_: b::B) {}",
            "use crate::a::{self, A}; fn f(_: a::A) {}",
        ),
        // Through what the parent re-exports.
        ("use crate::B;", "use crate::A;"),
        (
            "const TEXT: &str = r#\"\"use\"#; const QUOTE: char = '\"'; use crate::b::B;",
            "impl<'a> super::a::A<'a> {}",
        ),
    ] {
        let root = "mod a; pub(crate) mod b; mod c; pub use self::{a::A, b::B};";
        let found = circles(&[("lib.rs", root), ("a.rs", a), ("b.rs", b), ("c/mod.rs", "")]);
        assert_eq!(found, [["crate::a uses crate::b", "crate::b uses crate::a"]], "{a} {b}");
    }
}

#[test]
fn a_circle_may_be_longer_or_between_folders() {
    let files = [
        ("main.rs", "mod a; mod b; mod c;"),
        ("a.rs", "use crate::b::B;"),
        ("b/mod.rs", "mod deep; struct B;"),
        ("b/deep.rs", "use crate::c::C;"),
        ("c.rs", "use crate::a::A;"),
    ];
    let expected = [
        "crate::a uses crate::b",
        "crate::b::deep uses crate::c",
        "crate::c uses crate::a",
    ];
    assert_eq!(circles(&files), [expected]);
}

#[test]
fn a_parent_and_a_child_that_uses_its_items_are_a_circle() {
    let child = ("a.rs", "use super::Shared;");
    let of = |root: &'static str| circles(&[("lib.rs", root), child]);
    let expected = [["crate uses crate::a", "crate::a uses crate"]];
    assert_eq!(of("mod a; use a::A; struct Shared;"), expected);
    assert_eq!(of("mod a; struct Shared; fn f() { a::f() }"), expected);
    assert_eq!(of("mod a; pub use a::A; struct Shared(A);"), expected);
    // Only shown to others.
    assert!(of("mod a; pub use a::{A, A as Other}; struct Shared;").is_empty());
    // Of another crate.
    assert!(of("mod a; use a::A; use shared::Shared;").is_empty());
}

#[test]
fn tests_comments_and_texts_are_no_uses() {
    for b in [
        "// use crate::a::A;\n/// [`crate::a::A`]\nstruct B;",
        "const B: &str = \"use crate::a::A; \\\" crate::a::f()\";",
        "struct B;\n#[cfg(test)]\nmod tests { use crate::a::A; }",
        "struct B; #[cfg(test)] use crate::a::A; #[cfg(test)] fn f(_: [u8; 3]) { crate::a::f() }",
    ] {
        let files = [("lib.rs", "mod a; mod b;"), ("a.rs", "use crate::b::B;"), ("b.rs", b)];
        assert!(circles(&files).is_empty(), "{b}");
    }
}
