"""Job API: runs a command of the operator under a pseudo-terminal."""

import os

from flask import Flask, jsonify
from invoke import Context
from waitress import serve

app = Flask(__name__)


def run_command():
    return Context().run("true", pty=True, hide=True, in_stream=False).exited


@app.get("/health")
def health():
    return "ok"


@app.get("/work")
def work():
    return jsonify(code=run_command())


serve(app, host="127.0.0.1", port=int(os.environ["PORT"]), threads=2, _quiet=True)
