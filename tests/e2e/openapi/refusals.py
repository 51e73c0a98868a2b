"""A check for schemathesis: why the API may refuse parameters that fit their schemas."""

import schemathesis

# What no schema can say: how parameters depend on each other, which moments, zones and texts there are, and whose
# cursor it is. A detail begins with the parameter, or with one of these texts.
PARAMETERS = {
    "cursor",  # made up
    "from", "to", "tz", "date",  # no such moment, zone or day
    "aggregation", "function", "wait",  # forms that a pattern only comes near to
    "id", "hashtag", "user", "q",  # texts that are none
}  # fmt: skip
TOGETHER = (
    "from is not before to",
    "points: it sets the aggregation",
    "points: write a number from 1 to ",  # a flag says up to which
    "points: no width up to a week fits",
    "simplify: points is given as well",
    "layout: only JSON has columns",
    "with: GPX holds places only",
    "order: lines come all at once",
    "limit: lines come all at once",
    "limit: write a number from 1 to 100",  # with readings
    "sensor: ",  # given twice
)
TOO_MUCH = (" are more than the ", "more than ")


@schemathesis.check
def refused_for_a_reason(ctx, response, case):
    if response.status_code != 400 or case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if case.meta.phase.name.value == "coverage" and case.method.upper() != "GET":
        return
    detail = response.json()["detail"]
    name = detail.split(":")[0]
    known = name in PARAMETERS or detail.startswith(TOGETHER) or any(text in detail for text in TOO_MUCH)
    assert known, f"refused, although it fits its schema: {detail}"
