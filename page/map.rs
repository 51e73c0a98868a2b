//! Where the map under the page comes from.

use crate::policy::is_origin;
use blob::Store;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// The first bytes of a file of PMTiles, version 3.
const MAGIC: &[u8] = b"PMTiles\x03";

/// Why the page cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `--map` is neither a file of PMTiles nor an address of tiles.
    #[error("--map names no map; give a file that ends with .pmtiles, or https://HOST/{{z}}/{{x}}/{{y}}.png")]
    Map,
    /// Tiles of a server come without saying whose they are.
    #[error("tiles of a server need --map-attribution, which says whose they are")]
    Attribution,
    /// The file of `--map` cannot be read.
    #[error("cannot read the map {0}")]
    File(PathBuf, #[source] io::Error),
    /// The file of `--map` holds something else.
    #[error("{0} is no PMTiles file of version 3; `pmtiles extract` makes one")]
    NotPmtiles(PathBuf),
    /// The store of `--map` cannot be used.
    #[error("cannot use the store of --map")]
    Store(#[from] blob::Error),
    /// The files of the page cannot be read. Only a debug build reads them.
    #[error("cannot read the files of the page")]
    Site(#[source] io::Error),
}

/// The map under the page.
#[derive(Clone, Debug)]
pub(crate) struct Map {
    source: Source,
    attribution: String,
}

#[derive(Clone, Debug)]
enum Source {
    /// In the program.
    Own,
    /// A file of PMTiles of the user's, and its name.
    Archive(Archive, String),
    /// Tiles of another server: their address and its origin.
    Server { template: String, origin: String },
}

/// Where a user's file of PMTiles is.
#[derive(Clone, Debug)]
pub(crate) enum Archive {
    File(PathBuf),
    /// A blob of this name.
    Blob(Store, String),
}

impl Map {
    /// Reads `--map` and `--map-attribution`. Opens a local file, and connects to no store yet.
    pub(crate) fn new(map: Option<&str>, attribution: Option<&str>) -> Result<Self, Error> {
        let source = match map {
            None => Source::Own,
            Some(map) if map.contains("{z}") => {
                if attribution.is_none_or(str::is_empty) {
                    return Err(Error::Attribution);
                }
                let origin = origin(map).ok_or(Error::Map)?;
                Source::Server {
                    template: map.to_owned(),
                    origin: origin.to_owned(),
                }
            }
            Some(map) => archive(map)?,
        };
        Ok(Self {
            source,
            attribution: attribution.unwrap_or_default().to_owned(),
        })
    }

    /// Where the page finds the map; empty for its own, which is among its files.
    pub(crate) fn address(&self) -> String {
        match &self.source {
            Source::Own => String::new(),
            Source::Archive(_, name) => format!("/tiles/{name}"),
            Source::Server { template, .. } => template.clone(),
        }
    }

    /// Whose the map is; empty where its own file says so.
    pub(crate) fn attribution(&self) -> &str {
        &self.attribution
    }

    /// The other server that the page may ask.
    pub(crate) fn origin(&self) -> Option<&str> {
        match &self.source {
            Source::Server { origin, .. } => Some(origin),
            Source::Own | Source::Archive(..) => None,
        }
    }

    /// The user's file, if this is its name.
    pub(crate) fn archive(&self, name: &str) -> Option<&Archive> {
        match &self.source {
            Source::Archive(archive, own) if own == name => Some(archive),
            _ => None,
        }
    }
}

/// The origin of an address of tiles.
fn origin(template: &str) -> Option<&str> {
    let (scheme, rest) = template.split_once("://")?;
    let host = rest.split('/').next()?;
    let origin = &template[..scheme.len() + "://".len() + host.len()];
    let has_all = ["{x}", "{z}"].iter().all(|part| template.contains(part));
    let has_y = template.contains("{y}") || template.contains("{-y}");
    (has_all && has_y && is_origin(origin)).then_some(origin)
}

/// Opens a user's file.
fn archive(map: &str) -> Result<Source, Error> {
    let (path, query) = map.split_once('?').unwrap_or((map, ""));
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    // It becomes a part of an address.
    let is_name = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if !is_name || !name.ends_with(".pmtiles") || name.starts_with('.') {
        return Err(Error::Map);
    }
    if map.contains("://") {
        let url = if query.is_empty() {
            folder.to_owned()
        } else {
            format!("{folder}?{query}")
        };
        return Ok(Source::Archive(
            Archive::Blob(Store::open(&url)?, name.to_owned()),
            name.to_owned(),
        ));
    }
    let file = PathBuf::from(map);
    check(&file)?;
    Ok(Source::Archive(Archive::File(file), name.to_owned()))
}

/// Whether a file is one of PMTiles.
fn check(path: &Path) -> Result<(), Error> {
    let first = first_bytes(path).map_err(|error| Error::File(path.to_owned(), error))?;
    if first != MAGIC {
        return Err(Error::NotPmtiles(path.to_owned()));
    }
    Ok(())
}

fn first_bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut first = Vec::new();
    fs::File::open(path)?.take(MAGIC.len() as u64).read_to_end(&mut first)?;
    Ok(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_of_a_server_name_their_origin() {
        let map = Map::new(
            Some("https://tiles.example:8443/a/{z}/{x}/{y}.png?key=1"),
            Some("© Others"),
        )
        .unwrap();
        assert_eq!(map.origin(), Some("https://tiles.example:8443"));
        assert_eq!(map.address(), "https://tiles.example:8443/a/{z}/{x}/{y}.png?key=1");
        assert_eq!(map.attribution(), "© Others");
        for bad in [
            "https://{z}.example/{x}/{y}.png",
            "ftp://a/{z}/{x}/{y}",
            "/{z}/{x}/{y}",
            "https://a/{z}/{x}.png",
        ] {
            assert!(matches!(Map::new(Some(bad), Some("©")), Err(Error::Map)), "{bad}");
        }
        let without = Map::new(Some("https://a/{z}/{x}/{y}.png"), None);
        assert!(matches!(without, Err(Error::Attribution)));
    }

    #[test]
    fn files_are_of_pmtiles() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        fs::write(path("good.pmtiles"), b"PMTiles\x03 and so on").unwrap();
        fs::write(path("short.pmtiles"), b"PMT").unwrap();
        let good = Map::new(Some(&path("good.pmtiles")), None).unwrap();
        assert_eq!(good.address(), "/tiles/good.pmtiles");
        assert!(good.archive("good.pmtiles").is_some() && good.archive("other.pmtiles").is_none());
        assert!(matches!(
            Map::new(Some(&path("short.pmtiles")), None),
            Err(Error::NotPmtiles(_))
        ));
        assert!(matches!(
            Map::new(Some(&path("absent.pmtiles")), None),
            Err(Error::File(..))
        ));
        assert!(matches!(Map::new(Some("region.mbtiles"), None), Err(Error::Map)));
        assert!(matches!(
            Map::new(Some("s3://bucket/a%20b.pmtiles"), None),
            Err(Error::Map)
        ));
        assert!(matches!(
            Map::new(Some("ftp://host/a.pmtiles"), None),
            Err(Error::Store(_))
        ));
    }

    #[test]
    fn without_a_map_there_is_its_own() {
        let own = Map::new(None, None).unwrap();
        assert_eq!(own.address(), "");
        assert!(own.origin().is_none() && own.archive("world.pmtiles").is_none());
    }
}
