"""Parses webhooks with cloudevents, and returns the attributes and the data of each."""

import json
import sys
from datetime import timezone

from cloudevents.core.bindings.http import HTTPMessage, from_http_event


def parsed(question):
    event = from_http_event(HTTPMessage(headers=dict(question["headers"]), body=bytes(question["body"])))
    return {"attributes": event.get_attributes(), "data": event.get_data()}


def written(time):
    return time.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


json.dump([parsed(question) for question in json.load(sys.stdin)], sys.stdout, default=written)
