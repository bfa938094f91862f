"""Price API with functools.lru_cache on a method: the cache keeps every basket. FIXED=1 caches by product alone."""

import functools
import os

from flask import Flask, jsonify
from waitress import serve

app = Flask(__name__)
FIXED = os.environ.get("FIXED") == "1"


class Basket:
    def __init__(self, lines):
        self.lines = [{"sku": f"sku-{number}", "quantity": number} for number in range(lines)]

    @functools.cache  # noqa: B019 -- the mistake is here
    def total(self):
        return sum(line["quantity"] for line in self.lines)


@functools.cache
def total(lines):
    return sum(range(lines))


@app.get("/health")
def health():
    return "ok"


@app.get("/work")
def work():
    basket = Basket(20)
    return jsonify(total=total(20) if FIXED else basket.total())


serve(app, host="127.0.0.1", port=int(os.environ["PORT"]), threads=1, _quiet=True)
