"""Thumbnail API: hands pictures to workers in shared memory. FIXED=1 closes and unlinks each block."""

import os
from multiprocessing import shared_memory

from flask import Flask, jsonify
from waitress import serve

app = Flask(__name__)
FIXED = os.environ.get("FIXED") == "1"
blocks = []


def share_picture(size):
    block = shared_memory.SharedMemory(create=True, size=size)
    block.buf[:size] = b"x" * size
    if FIXED:
        block.close()
    else:
        blocks.append(block)
    block.unlink()


@app.get("/health")
def health():
    return "ok"


@app.get("/work")
def work():
    share_picture(40_000)
    return jsonify(ok=True)


if __name__ == "__main__":
    serve(app, host="127.0.0.1", port=int(os.environ["PORT"]), threads=1, _quiet=True)
