"""Thumbnailer with a helper that daemonises itself, without environment, and never ends. FIXED=1: it ends at once."""

import os
import subprocess
import sys

from flask import Flask
from waitress import serve

app = Flask(__name__)
SECONDS = 0 if os.environ.get("FIXED") == "1" else 900
HELPER = f"""
import os, time
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
time.sleep({SECONDS})
"""


def thumbnail():
    subprocess.run([sys.executable, "-S", "-c", HELPER], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env={})


@app.get("/health")
def health():
    return "ok"


@app.get("/work")
def work():
    thumbnail()
    return "ok"


serve(app, host="127.0.0.1", port=int(os.environ["PORT"]), threads=2, _quiet=True)
