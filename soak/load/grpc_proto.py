"""What a gRPC method takes and gives: from a compiled descriptor set, or from the server's own reflection."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
MAX_FILES = 1000  # imports that a server may have us follow


class UnknownMethod(Exception):
    """Neither the descriptor set nor the server knows the method."""


@dataclass(frozen=True, slots=True)
class Method:
    """A method with its message types; `streaming`: the server answers with a stream."""

    path: str
    request: Any  # classes that protobuf makes at run time
    response: Any
    streaming: bool

    def encode(self, document: Any) -> bytes:
        """The request message for a JSON document; UnknownMethod when it does not fit."""
        try:
            data: bytes = json_format.ParseDict(document, self.request()).SerializeToString()
        except json_format.ParseError as error:
            raise UnknownMethod(f"{self.path}: {error}") from error
        return data

    def decode(self, data: bytes) -> bytes:
        """A response message as JSON, with the names of the proto file and numbers that are 0."""
        message = self.response.FromString(data)
        text = json_format.MessageToJson(
            message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True, indent=None
        )
        return str(text).encode()


def method_from_files(path: str, files: list[descriptor_pb2.FileDescriptorProto]) -> Method:
    """The method `/package.Service/Name`, found in these files (imports before importers is not required)."""
    service, _, name = path.strip("/").partition("/")
    pool = descriptor_pool.DescriptorPool()
    waiting = {file.name: file for file in files}
    while waiting:
        ready = [file for file in waiting.values() if not any(needed in waiting for needed in file.dependency)]
        if not ready:
            raise UnknownMethod("the proto files import each other in a circle")
        for file in ready:
            pool.Add(waiting.pop(file.name))
    try:
        found = pool.FindServiceByName(service).methods_by_name[name]
    except KeyError as error:
        raise UnknownMethod(f"there is no method {path}") from error
    if found.client_streaming:
        raise UnknownMethod(f"{path} streams from the client, which is not supported yet")
    kinds = [message_factory.GetMessageClass(kind) for kind in (found.input_type, found.output_type)]
    return Method(f"/{service}/{name}", kinds[0], kinds[1], bool(found.server_streaming))


def method_from_set(path: str, proto_set: Path) -> Method:
    """From a file that `protoc --include_imports --descriptor_set_out` wrote."""
    files = descriptor_pb2.FileDescriptorSet.FromString(proto_set.read_bytes()).file
    return method_from_files(path, list(files))


async def method_from_server(path: str, channel: grpc.aio.Channel) -> Method:
    """By server reflection (grpc.reflection.v1alpha): the file of the service, then whatever it imports."""
    from grpc_reflection.v1alpha import reflection_pb2 as wire

    ask = channel.stream_stream(
        REFLECTION,
        request_serializer=wire.ServerReflectionRequest.SerializeToString,
        response_deserializer=wire.ServerReflectionResponse.FromString,
    )()
    files: dict[str, descriptor_pb2.FileDescriptorProto] = {}
    questions = [wire.ServerReflectionRequest(file_containing_symbol=path.strip("/").partition("/")[0])]
    while questions and len(files) < MAX_FILES:
        await ask.write(questions.pop())
        answer = await ask.read()
        if answer is grpc.aio.EOF or answer.HasField("error_response"):
            raise UnknownMethod(f"the server's reflection does not know {path}")
        for data in answer.file_descriptor_response.file_descriptor_proto:
            file = descriptor_pb2.FileDescriptorProto.FromString(data)
            files[file.name] = file
        missing = {name for file in files.values() for name in file.dependency} - files.keys()
        questions = [wire.ServerReflectionRequest(file_by_filename=name) for name in sorted(missing)]
    await ask.done_writing()
    return method_from_files(path, list(files.values()))
