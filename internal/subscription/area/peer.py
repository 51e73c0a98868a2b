"""Asks shapely about points: whether each is in the area or on its border, and how far from the border it is."""

import json
import sys

import shapely


def answers(question):
    area = shapely.geometry.shape(question["area"])
    if not area.is_valid:
        raise ValueError(shapely.is_valid_reason(area))
    points = shapely.points(question["points"])
    covered = shapely.covers(area, points)
    distances = shapely.distance(area.boundary, points)
    return [[bool(is_covered), float(distance)] for is_covered, distance in zip(covered, distances)]


json.dump([answers(question) for question in json.load(sys.stdin)], sys.stdout)
