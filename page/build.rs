//! Lists the files of `site/`, which `files.rs` puts into the program.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=site");
    let mut names = Vec::new();
    find(Path::new("site"), &mut names)?;
    names.sort();
    let mut list = "[\n".to_owned();
    for path in names {
        let name = path.strip_prefix("site").map_err(io::Error::other)?;
        let _written = writeln!(
            list,
            "(\"{}\", include_bytes!(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/{}\")).as_slice()),",
            name.display(),
            path.display()
        );
    }
    list.push(']');
    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?;
    fs::write(PathBuf::from(out).join("files.rs"), list)
}

fn find(folder: &Path, into: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, into)?;
        } else {
            into.push(path);
        }
    }
    Ok(())
}
