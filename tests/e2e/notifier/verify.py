"""Verifies webhooks with standardwebhooks: null for each that is accepted, else why not."""

import json
import sys

from standardwebhooks import Webhook


def verdict(question):
    try:
        Webhook(question["secret"]).verify(bytes(question["body"]), dict(question["headers"]), json_parse=False)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


json.dump([verdict(question) for question in json.load(sys.stdin)], sys.stdout)
