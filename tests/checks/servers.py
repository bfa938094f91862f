"""Small real servers for checks and probes, each in a thread, each ended by its `with` block."""

from __future__ import annotations

import http.server
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Answers:
    """What the HTTP server answers next, and what it was sent."""

    status: int = 200
    body: bytes = b"ok"
    seen: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""


@contextmanager
def http_server() -> Iterator[Answers]:
    """Answers every GET and POST as told at that moment."""
    answers = Answers()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, body = answers.status, answers.body  # as of now: who saw the request come may change them at once
            answers.seen.append((self.path, dict(self.headers.items()), sent))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    answers.url = f"http://127.0.0.1:{server.server_port}"
    with _serving(server):
        yield answers


@contextmanager
def redis_server(keys: dict[str, str], password: str | None = None) -> Iterator[str]:
    """Speaks as much RESP as PING, GET, SELECT and AUTH take; yields its host:port."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            known = password is None
            while line := self.rfile.readline():
                words = [self._word() for _ in range(int(line[1:]))]
                name = words[0].upper()
                if name == "AUTH":
                    known = words[-1] == password
                    self.wfile.write(b"+OK\r\n" if known else b"-WRONGPASS invalid\r\n")
                elif not known:
                    self.wfile.write(b"-NOAUTH Authentication required.\r\n")
                elif name == "GET":
                    value = keys.get(words[1])
                    self.wfile.write(b"$-1\r\n" if value is None else f"${len(value)}\r\n{value}\r\n".encode())
                else:
                    self.wfile.write(b"+PONG\r\n" if name == "PING" else b"+OK\r\n")

        def _word(self) -> str:
            length = int(self.rfile.readline()[1:])
            return self.rfile.read(length + 2)[:-2].decode()

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    with _serving(server):
        yield f"127.0.0.1:{server.server_address[1]}"


@contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
