"""Render API: a process pool per template, kept in a dictionary. FIXED=1 shuts the pool down after use."""

import itertools
import os
from concurrent.futures import ProcessPoolExecutor

from flask import Flask, jsonify
from waitress import serve

app = Flask(__name__)
FIXED = os.environ.get("FIXED") == "1"
pools = {}
templates = itertools.count()


def render(template):
    pool = pools[template] = ProcessPoolExecutor(max_workers=1)
    result = pool.submit(abs, -template).result(30)
    if FIXED:
        pools.pop(template).shutdown()
    return result


@app.get("/health")
def health():
    return "ok"


@app.get("/work")
def work():
    return jsonify(result=render(next(templates)))


if __name__ == "__main__":
    serve(app, host="127.0.0.1", port=int(os.environ["PORT"]), threads=1, _quiet=True)
