//! The page that people look at: serves the files of `site/`, and the map under them.
//!
//! ```no_run
//! # fn run() -> Result<(), page::Error> {
//! let routes = page::routes(&page::Options::default(), page::Served::default())?;
//! # Ok(())
//! # }
//! ```
//!
//! | path | answer |
//! |---|---|
//! | `/`, `/drives`, `/charts`, `/data` | `index.html`, never used without asking again |
//! | `/~HASH/FILE` | a file of `site/`, or the base map; caches keep it for a year |
//! | `/tiles/FILE` | the map of `--map`, in ranges |
//!
//! HASH is a hash of all files, so modules import each other by relative paths. Browsers get the modules without their
//! lines of comments, and otherwise as they are. The program holds the files, and compresses them once at its start.
//! A debug build reads the folder instead, again with each load of `index.html`: save, and reload.
//!
//! Deliberately not here: what the page shows, which is in `site/`; who may read it; and answers to unknown paths, which
//! stay 404.

mod comments;
mod files;
mod http;
mod imports;
mod index;
mod map;
mod options;
mod policy;
mod site;
#[cfg(test)]
mod tests;
mod tiles;

pub use http::routes;
pub use map::Error;
pub use options::{Options, Served};
pub use policy::Ancestor;
