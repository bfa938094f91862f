"""API with its last 20,000 log records kept in a ring for the support page."""

import collections
import itertools
import logging
import os

from flask import Flask, jsonify
from waitress import serve

app = Flask(__name__)
seq = itertools.count()
ring = collections.deque(maxlen=20_000)


class RingHandler(logging.Handler):
    def emit(self, record):
        ring.append(record)


log = logging.getLogger("shop")
log.setLevel(logging.INFO)
log.propagate = False
log.addHandler(RingHandler())


@app.get("/health")
def health():
    return "ok"


@app.get("/work")
def work():
    for _ in range(40):
        log.info("order %d of %s", next(seq), "customer" * 4)
    return jsonify(kept=len(ring))


serve(app, host="127.0.0.1", port=int(os.environ["PORT"]), threads=1, _quiet=True)
