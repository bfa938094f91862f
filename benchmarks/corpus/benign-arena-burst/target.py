"""Report API: every hundredth request builds a large table of small objects and lets it go; arenas stay half used."""

import itertools
import os

from flask import Flask, jsonify
from waitress import serve

app = Flask(__name__)
seq = itertools.count()
recent = {}


@app.get("/health")
def health():
    return "ok"


@app.get("/work")
def work():
    number = next(seq)
    rows = [{"row": row, "text": f"{row:040d}"} for row in range(60_000 if number % 100 == 99 else 50)]
    recent[number % 50] = rows[:: max(1, len(rows) // 20)]
    return jsonify(rows=len(rows))


serve(app, host="127.0.0.1", port=int(os.environ["PORT"]), threads=1, _quiet=True)
