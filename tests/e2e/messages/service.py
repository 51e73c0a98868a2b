"""The service as reflection describes it."""

import grpc
from google.protobuf import descriptor_pool, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

# Retries are the scripts' own.
OPTIONS = [("grpc.enable_retries", 0), ("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


class Service:
    def __init__(self, address, compression=None):
        self.channel = grpc.insecure_channel(address, options=OPTIONS)
        pool = descriptor_pool.DescriptorPool(ProtoReflectionDescriptorDatabase(self.channel))
        self.service = pool.FindServiceByName("awakari.messages.Service")
        self.event = message_factory.GetMessageClass(pool.FindMessageTypeByName("pb.CloudEvent"))

    def request(self, method):
        return message_factory.GetMessageClass(self.service.methods_by_name[method].input_type)()

    def call(self, method, request, metadata=(), compression=None, timeout=60):
        answer = message_factory.GetMessageClass(self.service.methods_by_name[method].output_type)
        raw = isinstance(request, bytes)
        stub = self.channel.unary_unary(
            f"/awakari.messages.Service/{method}",
            request_serializer=(lambda it: it) if raw else (lambda it: it.SerializeToString()),
            response_deserializer=answer.FromString,
        )
        return stub(request, metadata=metadata, compression=compression, timeout=timeout)
