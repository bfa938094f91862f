"""Documents that point to themselves: freed by the collector alone, which comes round rarely."""

import gc
import os

from flask import Flask, jsonify
from waitress import serve

gc.set_threshold(50_000, 20, 20)
app = Flask(__name__)


class Node:
    def __init__(self, parent, size):
        self.parent, self.children, self.text = parent, [], "x" * size


def parse():
    root = Node(None, 100)
    for _ in range(60):
        root.children.append(Node(root, 200))
    return root


@app.get("/health")
def health():
    return "ok"


@app.get("/work")
def work():
    return jsonify(nodes=len(parse().children))


serve(app, host="127.0.0.1", port=int(os.environ["PORT"]), threads=1, _quiet=True)
