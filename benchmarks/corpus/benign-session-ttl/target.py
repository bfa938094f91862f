"""Sessions that end ten seconds after their last request; swept with every request."""

import collections
import itertools
import os
import time

from flask import Flask, jsonify
from waitress import serve

app = Flask(__name__)
seq = itertools.count()
sessions = collections.OrderedDict()
LIFETIME_S = 10


@app.get("/health")
def health():
    return "ok"


@app.get("/work")
def work():
    now = time.monotonic()
    while sessions and next(iter(sessions.values()))["end"] < now:
        sessions.popitem(last=False)
    sessions[next(seq)] = {"end": now + LIFETIME_S, "basket": [f"sku-{number}" for number in range(200)]}
    return jsonify(open=len(sessions))


serve(app, host="127.0.0.1", port=int(os.environ["PORT"]), threads=1, _quiet=True)
