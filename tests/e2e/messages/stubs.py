"""Puts, gets and deletes events of io.cloudevents.v1 by stubs that protoc makes of proto/service.proto."""

import json
import os
import sys

import grpc
from google.protobuf import wrappers_pb2  # noqa: F401, the JSON of a question names its types
from google.protobuf.json_format import MessageToDict, ParseDict

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "proto"))
cloudevents = grpc.protos("cloudevents.proto")
messages, services = grpc.protos_and_services("service.proto")


def main():
    question = json.load(sys.stdin)
    channel = grpc.insecure_channel(question["address"])
    stub = services.ServiceStub(channel)
    sent = [ParseDict(event, cloudevents.CloudEvent()) for event in question["events"]]
    ids = [event.id for event in sent]

    stored = stub.PutBatch(messages.PutBatchRequest(msgs=sent), timeout=60).ackCount
    found = list(stub.GetBatch(messages.GetBatchRequest(ids=ids), timeout=60).msgs)
    deleted = stub.DeleteBatch(messages.DeleteBatchRequest(ids=ids), timeout=60).ackCount
    left = len(stub.GetBatch(messages.GetBatchRequest(ids=ids), timeout=60).msgs)

    # The format's own batch has the bytes of a request, and those of an answer.
    batch = cloudevents.CloudEventBatch(events=sent).SerializeToString()
    channel.unary_unary("/awakari.messages.Service/PutBatch")(batch, timeout=60)
    get = messages.GetBatchRequest(ids=ids).SerializeToString()
    same_bytes = channel.unary_unary("/awakari.messages.Service/GetBatch")(get, timeout=60) == batch

    answer = {
        "stored": stored,
        "found": [MessageToDict(event) for event in found],
        "equal": found == sent,
        "types": sorted({event.DESCRIPTOR.full_name for event in found}),
        "deleted": deleted,
        "left": left,
        "same_bytes": same_bytes,
    }
    json.dump(answer, sys.stdout)


main()
