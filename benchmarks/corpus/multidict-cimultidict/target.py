"""Proxy that rewrites headers: a case-insensitive multidict per upstream call."""

import os

from flask import Flask, jsonify
from multidict import CIMultiDict
from waitress import serve

app = Flask(__name__)


def upstream_headers(number):
    headers = CIMultiDict({"User-Agent": "edge", "X-Request-Id": f"{number:030d}"})
    return headers.get("x-request-id")


@app.get("/health")
def health():
    return "ok"


@app.get("/work")
def work():
    return jsonify(calls=[upstream_headers(number) for number in range(40)])


serve(app, host="127.0.0.1", port=int(os.environ["PORT"]), threads=2, _quiet=True)
