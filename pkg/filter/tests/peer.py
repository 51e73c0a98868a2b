"""Evaluates filters with cel-python: each with each of its values."""

import json
import math
import sys

import celpy
from celpy import celtypes

ENVIRONMENT = celpy.Environment()


def activation(values):
    names = {name: celtypes.DoubleType(value) for name, value in values["numbers"].items()}
    keys = {celtypes.StringType(key): celtypes.DoubleType(value) for key, value in values["keys"].items()}
    names["value"] = celtypes.MapType(keys)
    names["device"] = celtypes.StringType(values["device"])
    names["time"] = celtypes.TimestampType(values["time"])
    names["data"] = celpy.json_to_cel(values["data"])
    return names


def result(program, values):
    try:
        value = program.evaluate(activation(values))
    except celpy.CELEvalError:
        return {"error": None}
    # Its sums are plain Python numbers and texts.
    if isinstance(value, (bool, celtypes.BoolType)):
        return {"bool": bool(value)}
    if isinstance(value, int):
        return {"int": int(value)}
    if isinstance(value, float):
        # JSON has no inf and no nan.
        return {"double": float(value) if math.isfinite(value) else str(float(value))}
    if isinstance(value, str):
        return {"text": str(value)}
    return {"other": type(value).__name__}


def results(question):
    program = ENVIRONMENT.program(ENVIRONMENT.compile(question["filter"]))
    return [result(program, values) for values in question["values"]]


json.dump([results(question) for question in json.load(sys.stdin)], sys.stdout)
