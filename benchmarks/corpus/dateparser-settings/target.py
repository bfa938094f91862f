"""Reminder API: reads "in 2 hours" relative to the moment that the client names."""

import datetime
import itertools
import os

import dateparser
from flask import Flask, jsonify
from waitress import serve

app = Flask(__name__)
seconds = itertools.count()
START = datetime.datetime(2020, 1, 1)


def remind_at(text, moment):
    return dateparser.parse(text, languages=["en"], settings={"RELATIVE_BASE": moment})


@app.get("/health")
def health():
    return "ok"


@app.get("/work")
def work():
    moment = START + datetime.timedelta(seconds=next(seconds))
    return jsonify(at=str(remind_at("2 hours ago", moment)))


serve(app, host="127.0.0.1", port=int(os.environ["PORT"]), threads=1, _quiet=True)
