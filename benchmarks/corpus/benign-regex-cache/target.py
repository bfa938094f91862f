"""Search with the client's own pattern: re keeps 512 compiled ones and throws the oldest away."""

import itertools
import os
import re

from flask import Flask, jsonify
from waitress import serve

app = Flask(__name__)
seq = itertools.count()
TEXT = " ".join(f"word{number}" for number in range(200))


@app.get("/health")
def health():
    return "ok"


@app.get("/work")
def work():
    number = next(seq)
    found = re.findall(rf"\bword{number % 97}\b|\b{number}(a|b|c)+(d|e)?\b|[{number % 10}x-z]{{3,}}", TEXT)
    return jsonify(found=len(found))


serve(app, host="127.0.0.1", port=int(os.environ["PORT"]), threads=1, _quiet=True)
