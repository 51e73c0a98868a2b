"""Reads GPX with a library of others, and says what is in it."""

import json
import sys

import gpxpy

gpx = gpxpy.parse(json.load(sys.stdin)["gpx"])
assert all(point.time and point.name for point in gpx.waypoints)
assert all(point.time for point in gpx.walk(only_points=True))
tracks = [
    {
        "name": track.name,
        "segments": [
            [[point.time.isoformat(), point.latitude, point.longitude] for point in segment.points]
            for segment in track.segments
        ],
    }
    for track in gpx.tracks
]
points = sum(len(segment) for track in tracks for segment in track["segments"])
json.dump({"waypoints": len(gpx.waypoints), "points": points, "tracks": tracks}, sys.stdout)
