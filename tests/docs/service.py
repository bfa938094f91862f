"""The tiny target in which the commands of the documents are run: answers every path, leaks nothing."""

from __future__ import annotations

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Answer(BaseHTTPRequestHandler):
    """200 to everything."""

    def do_GET(self) -> None:
        """A short body."""
        self.send_response(200)
        self.send_header("Content-Length", "3")
        self.end_headers()
        self.wfile.write(b"ok\n")

    def log_message(self, *args: object) -> None:
        """Silent."""


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Answer).serve_forever()
