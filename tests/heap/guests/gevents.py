"""A gevent server and its clients in one process, patched all through, while one in so many bytes is sampled."""

from gevent import monkey

monkey.patch_all()

import sys  # noqa: E402
import urllib.request  # noqa: E402

import gevent  # noqa: E402
from common import answer, ready, total  # noqa: E402
from gevent.pywsgi import WSGIServer  # noqa: E402

CLIENTS, REQUESTS, KEPT = 10, 40, 3000


def serve(environ, start_response):
    """Gives way in the middle, and keeps something."""
    mine = [bytes(100) for _ in range(20)]
    gevent.sleep(0)
    kept.append(bytes(KEPT - 33))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [mine[0]]


def client():
    """Asks again and again."""
    for _ in range(REQUESTS):
        with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/") as response:
            assert len(response.read()) == 100


kept = []
sampler = ready()
server = WSGIServer(("127.0.0.1", 0), serve, log=None)
server.start()
sampler.start(int(sys.argv[1]), seed=1)
gevent.joinall([gevent.spawn(client) for _ in range(CLIENTS)], raise_error=True)
served = [site for site in sampler.read(0) if any(frame[2].split(".")[-1] == "serve" for frame in site["stack"])]
rooted = [site for site in served if site["partial"] or "gevent" in site["stack"][0][0]]
answer(kept=total(served, "serve"), truth=CLIENTS * REQUESTS * KEPT, served=len(served), rooted=len(rooted))
