"""Exports behind gunicorn. LEAK=1: the template is opened for every export and never closed."""

import os
from pathlib import Path
from typing import TextIO

from flask import Flask, Response

LEAK = os.environ.get("LEAK") == "1"
TEMPLATE = Path(__file__).with_name("template.csv")
OPENED: list[TextIO] = []

app = Flask(__name__)


def header() -> str:
    """The first line of the template."""
    if LEAK:
        file = TEMPLATE.open(encoding="utf-8")
        OPENED.append(file)
        return file.readline()
    with TEMPLATE.open(encoding="utf-8") as file:
        return file.readline()


@app.get("/export")
def export() -> Response:
    """Ten rows of CSV."""
    rows = [f"{number},{number * number}\n" for number in range(10)]
    return Response(header() + "".join(rows), mimetype="text/csv")


@app.get("/health")
def health() -> str:
    """Whether it is up."""
    return "ok"
