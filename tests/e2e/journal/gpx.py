"""Reads GPX with a library of others, and says what is in it."""

import json
import sys

import gpxpy

gpx = gpxpy.parse(json.load(sys.stdin)["gpx"])
assert all(point.time and point.name for point in gpx.waypoints)
json.dump({"waypoints": len(gpx.waypoints)}, sys.stdout)
