"""Service with a thread per request that keeps its user in asgiref's Local, as Django's middleware does."""

import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from asgiref.local import Local

current = Local()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/work":
            current.user = {"name": "user", "rights": ["read"] * 200}
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *args):
        pass


ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
