"""Scenarios in Python: httpx for the writer, our core on the wire; a real starlette application as target."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from soak.errors import SoakError
from soak.load import LoadPlan, ScenarioPlan
from soak.load.engine import Engine
from soak.load.transport import CoreTransport
from tests.common import PATIENCE_S
from tests.load.conftest import Client, Outcome, WireServer, drive

Serve = Callable[..., WireServer]


async def login(request: Request) -> Response:
    """Gives a cookie for the right password."""
    form = await request.json()
    if form.get("password") != "secret":
        return PlainTextResponse("no", 401)
    answer = RedirectResponse("/me", 303)
    answer.set_cookie("session", f"of-{form['user']}")
    return answer


async def me(request: Request) -> Response:
    """Who the cookie says."""
    return JSONResponse({"session": request.cookies.get("session")})


async def lines(request: Request) -> Response:
    """A body in pieces."""

    async def pieces() -> object:
        for number in range(200):
            yield f"line {number}\n"
            await asyncio.sleep(0)

    return StreamingResponse(pieces())  # type: ignore[arg-type]


async def echo(request: Request) -> Response:
    """The body, and how it came."""
    body = await request.body()
    return JSONResponse({"size": len(body), "encoding": request.headers.get("transfer-encoding")})


async def slow(request: Request) -> Response:
    """Too late for any patience: when the client has gone."""
    while not await request.is_disconnected():
        await asyncio.sleep(0.02)
    return PlainTextResponse("late")


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    """The base URL of the application on uvicorn."""
    routes = [Route("/login", login, methods=["POST"]), Route("/me", me), Route("/lines", lines), Route("/slow", slow)]
    app = Starlette(routes=[*routes, Route("/echo", echo, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", timeout_keep_alive=600))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        threading.Event().wait(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(PATIENCE_S)


def play(
    tmp_path: Path, url: str, code: str, timeout: float = PATIENCE_S, stretch: bool = True, **scenario: object
) -> Outcome:
    """Five calls of `async def play(client, context)` with this body, in half a second."""
    body = "\n".join(f"    {line}" for line in code.splitlines())
    (tmp_path / "scenarios.py").write_text(f"import asyncio, httpx\nasync def play(client, context):\n{body}\n")
    values = {"kind": "python", "function": "scenarios.py:play", "count": 5, **scenario}
    scenarios = (ScenarioPlan(**values),)  # type: ignore[arg-type]
    plan = LoadPlan(url, scenarios, cycle=1.0, cycles=1, quiet=0.5, timeout=timeout, folder=str(tmp_path))
    return drive(plan, stretch=stretch)


SIGN_IN = """
answer = await client.post("/login", json={"user": context.number, "password": "secret"}, follow_redirects=True)
answer.raise_for_status()
assert answer.json() == {"session": f"of-{context.number}"}, answer.text
again = await client.get("/me")
assert again.json() == answer.json()
context.count("visits")
"""


@pytest.mark.parametrize("client", ["core", "httpx"])
def test_a_scenario_signs_in_and_goes_on(tmp_path: Path, service: str, client: str) -> None:
    """Each call has its own cookie; our core and stock httpx behave alike."""
    outcome = play(tmp_path, service, SIGN_IN, client=client)
    assert outcome.counts("errors") == {}
    assert outcome.total("landed") == 5
    assert outcome.counts("checks") == {"visits": 5, "requests": 15}


@pytest.mark.parametrize(
    ("code", "errors", "landed"),
    [
        ("(await client.post('/login', json={})).raise_for_status()", {"status_401": 5}, 5),
        ("assert (await client.get('/me')).status_code == 500", {"assertion": 5}, 5),
        ("raise KeyError('x')", {"KeyError": 5}, 0),
    ],
)
def test_what_goes_wrong_has_a_name(
    tmp_path: Path, service: str, code: str, errors: dict[str, int], landed: int
) -> None:
    """A wrong status and a broken assertion land; a mistake before the first request does not; the load goes on."""
    outcome = play(tmp_path, service, code)
    assert outcome.counts("errors") == errors
    assert outcome.total("landed") == landed


def test_a_scenario_without_an_answer_times_out(tmp_path: Path, service: str) -> None:
    """The request's patience is the load's timeout; three such calls in a row begin an outage."""
    outcome = play(tmp_path, service, "await client.get('/slow')", timeout=0.2)
    assert outcome.counts("errors")["timeout"] >= 3
    assert outcome.total("landed") == 0


def test_bodies_of_all_kinds_travel(tmp_path: Path, service: str) -> None:
    """Streamed both ways, compared by the scenario itself; an iterator as body is sent with its length."""
    code = """
async def parts():
    for _ in range(10):
        yield b"x" * 1000
sent = await client.post("/echo", content=parts())
assert sent.json() == {"size": 10000, "encoding": None}, sent.text
async with client.stream("GET", "/lines") as answer:
    lines = [line async for line in answer.aiter_lines()]
assert lines == [f"line {n}" for n in range(200)]
async with client.stream("GET", "/lines") as answer:
    async for line in answer.aiter_lines():
        break
assert (await client.get("/lines")).text.count("line") == 200
"""
    outcome = play(tmp_path, service, code)
    assert outcome.counts("errors") == {}
    assert outcome.total("landed") == 5


def test_a_scenario_that_hangs_is_ended(tmp_path: Path, service: str) -> None:
    """It may go on for a quarter of the quiet part and is then cut off."""
    assert play(tmp_path, service, "await asyncio.sleep(60)", stretch=False).counts("faulted") == {"cut_off": 5}


@pytest.mark.parametrize(
    ("code", "why"),
    [("def play(a, b): pass", "async def"), ("import nothing_of_this_name", "ModuleNotFoundError"), ("x = 1", "play")],
)
def test_a_function_that_cannot_be_used_is_refused(tmp_path: Path, code: str, why: str) -> None:
    """Not async, a file that fails, no such name: said before any load."""
    (tmp_path / "bad.py").write_text(code)
    scenario = ScenarioPlan(kind="python", function="bad.py:play")
    with pytest.raises(SoakError) as refused:
        LoadPlan("http://127.0.0.1:1", (scenario,), folder=str(tmp_path)).check()
    assert (refused.value.code, why in refused.value.message) == ("load_function", True)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"garbage\r\n\r\n", httpx.RemoteProtocolError),
        (b"", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", httpx.RemoteProtocolError),
    ],
)
def test_bad_answers_are_httpx_errors(serve: Serve, answer: bytes, error: type[Exception]) -> None:
    """A scenario catches what it would catch from stock httpx."""

    async def bad(client: Client) -> None:
        await client.head()
        await client.send(answer)

    url = serve(bad).url

    async def ask() -> None:
        engine = Engine(LoadPlan(url), 0.0)
        await engine.dialler.resolve()
        async with httpx.AsyncClient(transport=CoreTransport(engine), timeout=PATIENCE_S) as client:
            await client.get(url)

    with pytest.raises(error):
        asyncio.run(ask())


def test_nobody_gets_the_answer_of_another(serve: Serve) -> None:
    """Ten visitors share connections, one of them reads slowly: each gets what it asked for, whole or in pieces."""

    async def telling(client: Client) -> None:
        while True:
            path = (await client.head()).split()[1]
            size = 10_000 if b"long" in path else 1
            body = b"\n".join([path] * size)
            await client.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:10])
            await asyncio.sleep(0)
            await client.send(body[10:])

    url = serve(telling).url

    async def visit(client: httpx.AsyncClient, number: int) -> None:
        for turn in range(20):
            path = f"/{number}/{turn}"
            if number % 2:
                assert (await client.get(f"{url}{path}")).text == path
                continue
            async with client.stream("GET", f"{url}{path}/long") as answer:
                async for line in answer.aiter_lines():
                    assert line == f"{path}/long"
                    if turn % 3 == 0:
                        await asyncio.sleep(0)
                    if turn % 4 == 3:
                        break

    async def go() -> None:
        engine = Engine(LoadPlan(url), 0.0)
        await engine.dialler.resolve()
        async with httpx.AsyncClient(transport=CoreTransport(engine), timeout=PATIENCE_S) as client:
            await asyncio.gather(*(visit(client, number) for number in range(10)))

    asyncio.run(asyncio.wait_for(go(), 2 * PATIENCE_S))
