//! Flags of a program that serves the page, and what else it serves.

use crate::policy::Ancestor;

/// Flags of a program that serves the page.
#[derive(clap::Args, Clone, Debug, Default)]
#[group(id = "page")]
pub struct Options {
    /// Origin whose web pages may show this one in a frame, such as `https://dash.example`; may be given several times,
    /// with commas between [default: none]
    #[arg(long, env, value_delimiter = ',', value_name = "ORIGIN")]
    pub frame_ancestors: Vec<Ancestor>,

    /// Map under the page, instead of its own: a file of PMTiles (region.pmtiles, s3://BUCKET/region.pmtiles), or
    /// tiles of a server, `https://HOST/{z}/{x}/{y}.png`, which then sees which parts of the map are shown
    #[arg(long, env, hide_env_values = true, value_name = "FILE-OR-URL")]
    pub map: Option<String>,

    /// Who made the map, as its licence asks; required for tiles of a server
    #[arg(long, env, requires = "map", value_name = "TEXT")]
    pub map_attribution: Option<String>,
}

/// What else a program serves, as the page has to know it.
#[derive(Clone, Copy, Debug)]
pub struct Served {
    /// The port of `POST /ingest`, where it is not that of the page.
    pub ingest: Option<u16>,
    /// Whether `/api/dumps` has dumps. Browsers log its 404 as an error, so the page does not ask without them.
    pub dumps: bool,
}

impl Default for Served {
    /// Everything, on one port.
    fn default() -> Self {
        Self {
            ingest: None,
            dumps: true,
        }
    }
}
