"""A pre-fork HTTP guest whose only worker is replaced every LIVES seconds, as gunicorn's max_requests does it."""

import os
import socket
import threading
import time

from guest import Handler, http


def work(listener):
    threading.Timer(float(os.environ["LIVES"]), os._exit, (0,)).start()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler, bind_and_activate=False)
    server.socket.close()
    server.socket = listener
    server.daemon_threads = True
    server.serve_forever()


if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", int(os.environ["PORT"])), backlog=100)
    while True:
        worker = os.fork()
        if worker == 0:
            work(listener)
        os.waitpid(worker, 0)
        time.sleep(0.05)
