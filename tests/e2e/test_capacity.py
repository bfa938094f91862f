"""A search for the capacity as a run: it ends when the target has broken and recovered, and the report says where."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from .soaking import soak, write_config

# Answers the first 200 requests, then nothing but 500 for two seconds, then all is well again.
FRAGILE = """
import asyncio, os, time
seen, broken = 0, None

async def serve(reader, writer):
    global seen, broken
    try:
        while True:
            head = await reader.readuntil(b"\\r\\n\\r\\n")
            seen += b"/work" in head
            if seen > 200 and broken is None:
                broken = time.monotonic()
            bad = broken is not None and time.monotonic() < broken + 2.0
            writer.write(b"HTTP/1.1 %s\\r\\nContent-Length: 0\\r\\n\\r\\n" % (b"500 Oops" if bad else b"200 OK"))
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()

async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", int(os.environ["PORT"]))
    await server.serve_forever()

asyncio.run(main())
"""


@pytest.mark.slow
def test_the_breaking_point_is_in_the_report_and_ends_the_run(tmp_path: Path) -> None:
    """60/s for 2.5 s are 150 requests: the first step is carried, the second one breaks, and ten more never come."""
    (tmp_path / "fragile.py").write_text(FRAGILE)
    load = {"profile": "capacity", "cycle": "4s", "cycles": 12, "low": 60, "quiet": "1500ms"}
    write_config(tmp_path, load=load, target={"command": [sys.executable, "fragile.py"]})
    done = soak(tmp_path, "run", "--json", "report.json", "--html", "report.html")
    assert done.report is not None, done.err
    found = done.report["load"]["breaking_point"]
    assert (found["cycle"], found["reason"]) == (1, "errors")
    assert (found["carried_rate"], round(found["rate"], 6)) == (60, 66)
    assert done.report["run"]["status"] == "completed"
    assert done.report["run"]["cycles"] <= 4
    assert "Capacity: broke at 66 requests/s (it carried 60)" in done.out
    assert "broke at 66 requests/s" in (tmp_path / "report.html").read_text()
