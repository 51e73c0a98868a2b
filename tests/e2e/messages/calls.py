"""Calls the service as asked, and writes what became of each call."""

import json
import os
import sys

import grpc

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from service import Service

DETAILS = {"type.googleapis.com/google.rpc.BadRequest", "type.googleapis.com/google.rpc.RetryInfo"}


def fields(data):
    """Fields of a protobuf message: (number, value)."""

    def varint(at):
        value, shift = 0, 0
        while True:
            byte = data[at]
            value |= (byte & 127) << shift
            at, shift = at + 1, shift + 7
            if byte < 128:
                return value, at

    at, found = 0, []
    while at < len(data):
        key, at = varint(at)
        value, at = varint(at)
        if key & 7 == 2:
            value, at = data[at : at + value], at + value
        found.append((key >> 3, value))
    return found


def status_of(error):
    trailer = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin", b"")
    field, retry = "", False
    for number, detail in fields(trailer):
        if number != 3:
            continue
        any_ = dict(fields(detail))
        kind = any_[1].decode()
        assert kind in DETAILS, kind
        if kind.endswith("RetryInfo"):
            retry = True
        else:
            field = dict(fields(dict(fields(any_[2]))[1]))[1].decode()
    return {"status": error.code().name, "text": error.details(), "field": field, "retry": retry}


def padded(event, size):
    """An event of just this size."""
    event.text_data = ""
    while event.ByteSize() < size:
        event.text_data += "x" * max(1, size - event.ByteSize() - 4)
    assert event.ByteSize() == size, (event.ByteSize(), size)


def put(service, call, number):
    request = service.request("PutBatch")
    size = call.get("request_bytes")
    for at in range(call.get("messages", 1)):
        event = request.msgs.add(id=call.get("id", f"{number}-{at}"), source=call.get("source", "calls"))
        event.text_data = call.get("text", "hello")
        for attribute in range(call.get("attributes", 0)):
            event.attributes[f"a{attribute}"].ce_integer = attribute
        if "message_bytes" in call:
            padded(event, call["message_bytes"])
    there = request.ByteSize()
    while size and there < size:
        # Messages of 1,000 bytes, or long ones, then one that fills the rest. Each takes its tag and its length, too.
        left = size - there
        event = request.msgs.add(id=f"{number}-r-{len(request.msgs)}", source="calls")
        rest = left if left <= 1900 else 1003 if left < 100_000 else 60_000
        padded(event, rest - (2 if rest < 130 else 3 if rest < 16_000 else 4))
        there += rest
    assert not size or request.ByteSize() == size, (request.ByteSize(), size)
    return request


def main():
    question = json.load(sys.stdin)
    service = Service(question["address"])
    answers = []
    for number, call in enumerate(question["calls"]):
        method = call["method"]
        if "raw" in call:
            request = bytes.fromhex(call["raw"])
        elif method == "PutBatch":
            request = put(service, call, number)
        else:
            request = service.request(method)
            request.ids.extend(call.get("named") or [str(at) for at in range(call["ids"])])
        metadata = [("authorization", f"Bearer {call['key']}")] if "key" in call else []
        compression = grpc.Compression.Gzip if call.get("gzip") else None
        try:
            answer = service.call(method, request, metadata, compression)
            count = len(answer.msgs) if method == "GetBatch" else answer.ackCount
            answers.append({"status": "OK", "field": "", "retry": False, "count": count})
        except grpc.RpcError as error:
            answers.append(status_of(error))
    json.dump(answers, sys.stdout)


main()
