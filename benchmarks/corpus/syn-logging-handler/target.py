"""Batch API with a log file per job. FIXED=1 removes and closes the job's handler."""

import itertools
import logging
import os
import tempfile

from flask import Flask, jsonify
from waitress import serve

app = Flask(__name__)
FIXED = os.environ.get("FIXED") == "1"
folder = tempfile.mkdtemp()
jobs = itertools.count()


def job_logger(number):
    logger = logging.getLogger(f"job.{number % 10}")
    handler = logging.FileHandler(os.path.join(folder, f"{number % 10}.log"))
    logger.addHandler(handler)
    return logger, handler


@app.get("/health")
def health():
    return "ok"


@app.get("/work")
def work():
    number = next(jobs)
    logger, handler = job_logger(number)
    logger.setLevel(logging.CRITICAL)
    if FIXED:
        logger.removeHandler(handler)
        handler.close()
    return jsonify(job=number)


serve(app, host="127.0.0.1", port=int(os.environ["PORT"]), threads=1, _quiet=True)
