"""Calls the service as asked, and writes what became of each call."""

import json
import os
import sys
import threading

import grpc
from google.protobuf import descriptor_pool, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

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
    field, retry, count = "", False, None
    for number, detail in fields(trailer):
        if number != 3:
            continue
        any_ = dict(fields(detail))
        kind = any_[1].decode()
        assert kind in DETAILS, kind
        if kind.endswith("RetryInfo"):
            retry = True
        else:
            violations = [value for number, value in fields(any_[2]) if number == 1]
            field, count = dict(fields(violations[0]))[1].decode(), len(violations)
    return {"status": error.code().name, "text": error.details(), "field": field, "fields": count, "retry": retry}


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
        name = str(at).rjust(call["ids_of"], "i") if "ids_of" in call else call.get("id", f"{number}-{at}")
        event = request.msgs.add(id=name, source=call.get("source", "calls"))
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


def zeros(size):
    """A request that is one event with so many zeros as its data."""

    def varint(value):
        return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + varint(value >> 7)

    event = b"\x0a\x01z" + b"\x32" + varint(size) + bytes(size)
    return b"\x0a" + varint(len(event)) + event


def silent(service, call, metadata):
    """Begins calls that send nothing and wait for nothing."""
    path = f"/awakari.messages.Service/{call['method']}"
    stub = service.channel.stream_stream(path, request_serializer=lambda it: it)
    gate = threading.Event()

    def nothing():
        gate.wait(60)
        yield b""

    begun = [stub(nothing(), metadata=metadata, timeout=call.get("timeout")) for _ in range(call["silent"])]
    for one in begun:
        # Refused at once, or under way.
        threading.Event().wait(0.2)
    return begun


def health(service, name):
    pool = descriptor_pool.DescriptorPool(ProtoReflectionDescriptorDatabase(service.channel))
    request = message_factory.GetMessageClass(pool.FindMessageTypeByName("grpc.health.v1.HealthCheckRequest"))
    answer = message_factory.GetMessageClass(pool.FindMessageTypeByName("grpc.health.v1.HealthCheckResponse"))
    stub = service.channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        request_serializer=lambda it: it.SerializeToString(),
        response_deserializer=answer.FromString,
    )
    found = stub(request(service=name), timeout=60).status
    return answer.DESCRIPTOR.fields_by_name["status"].enum_type.values_by_number[found].name


def main():
    question = json.load(sys.stdin)
    service = Service(question["address"])
    answers, kept = [], []
    for number, call in enumerate(question["calls"]):
        metadata = [("authorization", f"Bearer {call['key']}")] if "key" in call else []
        if "health" in call:
            answers.append({"status": health(service, call["health"])})
            continue
        method = call["method"]
        if "silent" in call:
            begun = silent(service, call, metadata)
            # What becomes of it; while others have its place, it is begun again.
            while call.get("awaited") and begun[0].code() == grpc.StatusCode.RESOURCE_EXHAUSTED:
                begun = silent(service, call, metadata)
            kept.extend(begun)
            answers.append({"status": begun[0].code().name if call.get("awaited") else "SILENT"})
            continue
        if "zeros" in call:
            request = zeros(call["zeros"])
        elif "raw" in call:
            request = bytes.fromhex(call["raw"])
        elif method == "PutBatch":
            request = put(service, call, number)
        else:
            request = service.request(method)
            request.ids.extend(call.get("named") or [str(at) for at in range(call["ids"])])
        compression = grpc.Compression.Gzip if call.get("gzip") else None
        try:
            answer = service.call(method, request, metadata, compression)
            count = len(answer.msgs) if method == "GetBatch" else answer.ackCount
            answers.append({"status": "OK", "field": "", "retry": False, "count": count})
        except grpc.RpcError as error:
            answers.append(status_of(error))
    for call in kept:
        call.cancel()
    json.dump(answers, sys.stdout)


main()
