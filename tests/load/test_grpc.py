"""gRPC scenarios against a real grpcio server, found by reflection and by a descriptor set."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from soak.load import ScenarioPlan
from tests.common import PATIENCE_S, free_port
from tests.load.clock import LeapingClock
from tests.load.conftest import Outcome, burst, drive, ended

grpc = pytest.importorskip("grpc", reason="gRPC is an extra: pip install '.[grpc]'")

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # noqa: E402  # part of the extra
from grpc_reflection.v1alpha import reflection  # noqa: E402

FIELD = descriptor_pb2.FieldDescriptorProto


def memory_proto() -> descriptor_pb2.FileDescriptorProto:
    """A proto file with an import: `Ask{count, stop} -> Seen{seq}`, once and as a stream."""
    file = descriptor_pb2.FileDescriptorProto(name="soak_test_memory.proto", package="soak.test", syntax="proto3")
    file.dependency.append("google/protobuf/empty.proto")
    ask = file.message_type.add(name="Ask")
    ask.field.add(name="count", number=1, type=FIELD.TYPE_INT32, label=FIELD.LABEL_OPTIONAL)
    ask.field.add(name="skip", number=2, type=FIELD.TYPE_INT32, label=FIELD.LABEL_OPTIONAL)
    seen = file.message_type.add(name="Seen")
    seen.field.add(name="seq", number=1, type=FIELD.TYPE_INT32, label=FIELD.LABEL_OPTIONAL)
    service = file.service.add(name="Memory")
    service.method.add(name="Recall", input_type=".soak.test.Ask", output_type=".soak.test.Seen")
    service.method.add(name="Watch", input_type=".soak.test.Ask", output_type=".soak.test.Seen", server_streaming=True)
    service.method.add(name="Fail", input_type=".soak.test.Ask", output_type=".soak.test.Seen")
    return file


POOL = descriptor_pool.Default()
from google.protobuf import empty_pb2  # noqa: E402, F401  # registers what the file imports

POOL.Add(memory_proto())
ASK, SEEN = (message_factory.GetMessageClass(POOL.FindMessageTypeByName(f"soak.test.{n}")) for n in ("Ask", "Seen"))


def recall(request: Any, context: Any) -> Any:
    """One answer."""
    return SEEN(seq=request.count)


def watch(request: Any, context: Any) -> Iterator[Any]:
    """Numbers from 0, one of them left out if so asked."""
    for number in range(request.count):
        if number != request.skip or not request.skip:
            yield SEEN(seq=number)
        time.sleep(0.002)


def fail(request: Any, context: Any) -> Any:
    """Never content."""
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, "no")


@pytest.fixture(scope="module")
def memory() -> Iterator[str]:
    """The base URL of a server with reflection."""
    server = grpc.server(ThreadPoolExecutor(16))
    unary, stream = grpc.unary_unary_rpc_method_handler, grpc.unary_stream_rpc_method_handler
    codec = {"request_deserializer": ASK.FromString, "response_serializer": SEEN.SerializeToString}
    handlers = {"Recall": unary(recall, **codec), "Watch": stream(watch, **codec), "Fail": unary(fail, **codec)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("soak.test.Memory", handlers),))
    reflection.enable_server_reflection(["soak.test.Memory", reflection.SERVICE_NAME], server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"http://127.0.0.1:{port}"
    server.stop(0)


def call(
    url: str, method: str, message: dict[str, int], clock: LeapingClock | None = None, **values: object
) -> Outcome:
    """Five calls in half a second."""
    body = json.dumps(message).encode()
    settings = {"kind": "grpc", "path": f"/soak.test.Memory/{method}", "body": body, **values}
    scenario = ScenarioPlan(**settings)  # type: ignore[arg-type]
    folder = str(settings.get("proto", "/")).rpartition("/")[0] or "."
    return drive(burst(url, 5, 0.5, scenario, timeout=PATIENCE_S, folder=folder), until=ended(5), clock=clock)


def test_a_unary_call_lands(memory: str) -> None:
    """Found by reflection, sent as the JSON says, answered and timed."""
    outcome = call(memory, "Recall", {"count": 3})
    assert outcome.counts("errors") == {}
    assert outcome.total("landed") == outcome.histogram("response").count == 5


def test_a_descriptor_set_does_without_reflection(memory: str, tmp_path: Path) -> None:
    """As protoc writes it, imports included."""
    files = descriptor_pb2.FileDescriptorSet()
    files.file.append(memory_proto())
    empty = descriptor_pb2.FileDescriptorProto()
    POOL.FindFileByName("google/protobuf/empty.proto").CopyToProto(empty)
    files.file.append(empty)
    (tmp_path / "memory.protoset").write_bytes(files.SerializeToString())
    outcome = call(memory, "Recall", {"count": 3}, proto=str(tmp_path / "memory.protoset"))
    assert (outcome.counts("errors"), outcome.total("landed")) == ({}, 5)


def test_a_stream_is_checked_by_its_numbers(memory: str) -> None:
    """Ten in order are right; one left out is named."""
    validate = ("order", "no-duplicates", "all-delivered")
    outcome = call(memory, "Watch", {"count": 10}, validate=validate, messages=10)
    assert outcome.counts("errors") == {}
    assert outcome.counts("checks")["messages"] == 50
    outcome = call(memory, "Watch", {"count": 10, "skip": 4}, validate=validate)
    assert outcome.counts("errors") == {"not_all-delivered": 5}


def test_a_stream_ends_with_its_duration_or_is_abandoned(memory: str) -> None:
    """Left after 50 ms in order; left after the first message on purpose."""
    outcome = call(memory, "Watch", {"count": 2000}, duration=0.05)
    assert (outcome.counts("errors"), outcome.total("landed")) == ({}, 5)
    assert 0 < outcome.counts("checks")["messages"] < 5000, "of 10,000 that last for four seconds"
    assert call(memory, "Watch", {"count": 500}, faults={"abandon": 1.0}).counts("faulted") == {"abandon": 5}


def test_what_goes_wrong_has_its_grpc_name(memory: str) -> None:
    """A status lands as an error; a method that nobody knows and a target that is not there do not."""
    outcome = call(memory, "Fail", {})
    assert outcome.counts("errors") == {"grpc_failed_precondition": 5}
    assert outcome.total("landed") == 5
    assert set(call(memory, "Nothing", {}).counts("errors")) == {"grpc_unknown_method"}
    assert set(call(memory, "Recall", {"cnt": 3}).counts("errors")) == {"grpc_unknown_method"}
    nowhere = f"http://127.0.0.1:{free_port()}"
    assert call(nowhere, "Recall", {}, LeapingClock()).counts("errors") == {"refused": 1}
