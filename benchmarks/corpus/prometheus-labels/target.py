"""API that counts its requests by path, with the order's number in the path. FIXED=1 counts by the route's pattern."""

import itertools
import os

from flask import Flask, jsonify
from prometheus_client import Histogram
from waitress import serve

app = Flask(__name__)
FIXED = os.environ.get("FIXED") == "1"
SECONDS = Histogram("request_seconds", "Duration of a request", ["path"])
orders = itertools.count()


def observe(order):
    SECONDS.labels(path="/orders/<order>" if FIXED else f"/orders/{order}").observe(0.01)


@app.get("/health")
def health():
    return "ok"


@app.get("/work")
def work():
    order = next(orders)
    observe(order)
    return jsonify(order=order)


serve(app, host="127.0.0.1", port=int(os.environ["PORT"]), threads=1, _quiet=True)
