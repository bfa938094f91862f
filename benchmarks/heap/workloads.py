"""What a guest does while a profiler watches: four kinds of work, each call about 25 ms of CPU.

Run with the Python of the benchmark's own environment (setup.py), not with the project's.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

DOCUMENT = {"rows": [{"id": i, "name": f"name {i}", "tags": ["a", "b", str(i)], "price": i * 1.5} for i in range(60)]}


def alloc() -> Callable[[], None]:
    """Only creation and release of objects: the worst case."""

    def run() -> None:
        for _ in range(16_500):
            kept = [object() for _ in range(10)]
            pairs = {i: (i, kept) for i in range(5)}
            text = [str(i * 1000) for i in range(5)]
            del kept, pairs, text

    return run


def pure() -> Callable[[], None]:
    """deltablue, a mako template and json: computation with the usual share of allocations."""
    from mako.template import Template

    template = Template("% for row in rows:\n<tr><td>${row['id']}</td><td>${row['name'] | h}</td></tr>\n% endfor\n")
    deltablue = _deltablue()

    def run() -> None:
        for _ in range(2):
            deltablue.delta_blue(400)
        for _ in range(38):
            template.render(rows=DOCUMENT["rows"])
            json.loads(json.dumps(DOCUMENT))

    return run


def _deltablue() -> object:
    """pyperformance's own copy."""
    import pyperformance

    folder = Path(pyperformance.__file__).parent / "data-files" / "benchmarks" / "bm_deltablue"
    spec = importlib.util.spec_from_file_location("bm_deltablue", folder / "run_benchmark.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def wsgi(*, files: bool = False) -> Callable[[], None]:
    """A Flask handler that validates with pydantic and renders with jinja, called as a server would.

    With `files` it keeps the upload in a temporary file and reads one more.
    """
    from flask import Flask, render_template_string, request
    from pydantic import BaseModel

    class Row(BaseModel):
        id: int
        name: str
        tags: list[str]
        price: float

    class Rows(BaseModel):
        rows: list[Row]

    app = Flask("bench")
    page = "<table>{% for row in rows %}<tr><td>{{ row.id }}</td><td>{{ row.name }}</td></tr>{% endfor %}</table>"

    @app.post("/rows")
    def rows() -> str:
        if files:
            with tempfile.TemporaryFile() as upload:
                upload.write(request.get_data())
            Path(__file__).read_bytes()
        return render_template_string(page, rows=Rows.model_validate_json(request.get_data()).rows)

    client = app.test_client()
    body = json.dumps(DOCUMENT)

    def run() -> None:
        for _ in range(28):
            assert client.post("/rows", data=body).status_code == 200

    return run


def aio() -> Callable[[], None]:
    """asyncio: tasks, a queue, gather."""

    async def worker(queue: asyncio.Queue[int], out: list[int]) -> None:
        while (item := await queue.get()) >= 0:
            await asyncio.sleep(0)
            out.append(item)

    async def main() -> None:
        for _ in range(55):
            queue: asyncio.Queue[int] = asyncio.Queue(50)
            out: list[int] = []
            tasks = [asyncio.create_task(worker(queue, out)) for _ in range(10)]
            for item in range(200):
                await queue.put(item)
            for _ in tasks:
                await queue.put(-1)
            await asyncio.gather(*tasks)

    def run() -> None:
        asyncio.run(main())

    return run


def files() -> Callable[[], None]:
    """wsgi with two descriptors a request."""
    return wsgi(files=True)


WORKLOADS = {work.__name__: work for work in (alloc, pure, wsgi, aio, files)}

if __name__ == "__main__":
    import time

    for name in sys.argv[1:] or WORKLOADS:
        job = WORKLOADS[name]()
        job()
        begun = time.process_time()
        job()
        print(name, round(time.process_time() - begun, 3))
