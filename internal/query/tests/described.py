"""Says which answers do not fit the schemas of an OpenAPI document. A member that no schema names does not fit."""

import json
import sys

from jsonschema_rs import Draft202012Validator


def strict(schema):
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: strict(of) for name, of in schema.items() if name not in ("example", "examples")}
    if isinstance(found.get("properties"), dict):
        found.setdefault("additionalProperties", False)
    return found


question = json.load(sys.stdin)
document = question["document"]
components = {"schemas": {name: strict(of) for name, of in document["components"]["schemas"].items()}}
wrong = []
for answer in question["answers"]:
    where = "{path} {status} {kind}".format(**answer)
    described = document["paths"][answer["path"]]["get"]["responses"].get(answer["status"])
    if described is None:
        wrong.append(f"{where}: no such status")
        continue
    content = described.get("content", {}).get(answer["kind"])
    if content is None:
        wrong.append(f"{where}: no such kind of content")
        continue
    schema = {"allOf": [strict(content["schema"])], "components": components}
    for error in Draft202012Validator(schema).iter_errors(answer["body"]):
        wrong.append(f"{where}: {error.message} at {list(error.instance_path)}")
json.dump(wrong, sys.stdout)
