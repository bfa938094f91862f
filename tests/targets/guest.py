"""A tiny HTTP guest, standard library only: leaks, dies or stays clean as its environment says.

PORT: where to listen. LEAK: bytes kept per request. DIE_AFTER: exit with 7 so many seconds after the first /work,
but with DIE_ONCE, a file that is made then, only where that is not there yet.
CLOSE_AFTER: live on, but close the listening socket so many seconds after the first /work.
"""

import http.server
import os
import threading
import time

KEPT = []
BEGUN = threading.Event()  # the load has come: how long soak took to get there is nobody's matter


def remember(size):
    KEPT.append(bytearray(size))


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/work":
            BEGUN.set()
            if "LEAK" in os.environ:
                remember(int(os.environ["LEAK"]))
        body = b'{"state": "closed", "kept": %d}' % len(KEPT) if self.path == "/state" else b"ok"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def die():
    if "DIE_ONCE" in os.environ:
        open(os.environ["DIE_ONCE"], "w").close()
    os._exit(7)


def later(seconds, act, *args):
    BEGUN.wait()
    time.sleep(seconds)
    act(*args)


if __name__ == "__main__":
    if "DIE_AFTER" in os.environ and not os.path.exists(os.environ.get("DIE_ONCE", "")):
        threading.Thread(target=later, args=(float(os.environ["DIE_AFTER"]), die), daemon=True).start()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler)
    server.daemon_threads = True
    if "CLOSE_AFTER" in os.environ:
        threading.Thread(target=later, args=(float(os.environ["CLOSE_AFTER"]), server.shutdown), daemon=True).start()
    server.serve_forever()
    server.server_close()
    time.sleep(3600)
