"""Lock service: a watchdog timer per lock. FIXED=1 cancels it when the lock is given back."""

import os
import threading

from flask import Flask, jsonify
from waitress import serve

app = Flask(__name__)
FIXED = os.environ.get("FIXED") == "1"


def start_watchdog():
    timer = threading.Timer(3600, print)
    timer.daemon = True
    timer.start()
    return timer


@app.get("/health")
def health():
    return "ok"


@app.get("/work")
def work():
    timer = start_watchdog()
    if FIXED:
        timer.cancel()
    return jsonify(ok=True)


serve(app, host="127.0.0.1", port=int(os.environ["PORT"]), threads=1, _quiet=True)
