"""Puts messages from several threads until it is told to stop, and then looks for all that was acknowledged."""

import json
import os
import sys
import threading
import time

import grpc

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from service import Service

# Statuses after which the same is sent again.
AGAIN = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.RESOURCE_EXHAUSTED}


def write(service, writer, stop, acknowledged, failed):
    number = 0
    while not os.path.exists(stop):
        request = service.request("PutBatch")
        # Every third message of a batch belongs to all writers.
        for at in range(10):
            name = f"all-{number}-{at}" if at % 3 == 0 else f"{writer}-{number}-{at}"
            request.msgs.add(id=name, source="writers", text_data=name)
        while True:
            try:
                service.call("PutBatch", request, timeout=20)
                acknowledged.extend(event.id for event in request.msgs)
                break
            except grpc.RpcError as error:
                if error.code() not in AGAIN:
                    failed.append(f"{error.code().name}: {error.details()}")
                    return
                # The channel itself waits longer after each failure to connect.
                time.sleep(0.02)
        number += 1


def main():
    question = json.load(sys.stdin)
    service = Service(question["address"])
    acknowledged, failed = [], []
    threads = [
        threading.Thread(target=write, args=(service, writer, question["stop"], acknowledged, failed))
        for writer in range(question["writers"])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    names, missing = sorted(set(acknowledged)), []
    for first in range(0, len(names), 1000):
        request = service.request("GetBatch")
        request.ids.extend(names[first : first + 1000])
        found = [event.id for event in service.call("GetBatch", request).msgs if event.text_data == event.id]
        missing.extend(set(request.ids) - set(found))
        missing.extend(f"{name} twice" for name in found if found.count(name) > 1)
    json.dump({"acknowledged": len(names), "missing": missing[:10], "failed": failed}, sys.stdout)


main()
