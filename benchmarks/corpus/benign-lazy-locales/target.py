"""Formats dates in every language: each locale's data is loaded when it is first asked for, then kept."""

import datetime
import itertools
import os

from babel import Locale, localedata
from babel.dates import format_datetime
from flask import Flask
from waitress import serve

app = Flask(__name__)
names = sorted(localedata.locale_identifiers())[:400]
seq = itertools.count()


@app.get("/health")
def health():
    return "ok"


@app.get("/work")
def work():
    return format_datetime(datetime.datetime(2026, 1, 1), locale=Locale.parse(names[next(seq) % len(names)]))


serve(app, host="127.0.0.1", port=int(os.environ["PORT"]), threads=1, _quiet=True)
