"""Export API: streams rows into a write-only workbook; exports are given up before they are saved. FIXED=1 saves."""

import io
import os

from flask import Flask, jsonify
from openpyxl import Workbook
from waitress import serve

app = Flask(__name__)
FIXED = os.environ.get("FIXED") == "1"


def export(rows):
    book = Workbook(write_only=True)
    sheet = book.create_sheet()
    for number in range(rows):
        sheet.append([number, "pen"])
    if FIXED:
        book.save(io.BytesIO())
    return rows


@app.get("/health")
def health():
    return "ok"


@app.get("/work")
def work():
    return jsonify(rows=export(5))


serve(app, host="127.0.0.1", port=int(os.environ["PORT"]), threads=1, _quiet=True)
