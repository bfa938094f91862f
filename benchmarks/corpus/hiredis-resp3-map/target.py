"""Profile service behind a RESP3 store: every request reads one hash, decoded by hiredis into a dictionary."""

import os

import hiredis
from flask import Flask, jsonify
from waitress import serve

app = Flask(__name__)
FIELDS = b"".join(b"$6\r\nfld%03d\r\n$64\r\n%s\r\n" % (number, b"v" * 64) for number in range(20))
REPLY = b"%20\r\n" + FIELDS


def read_profile():
    reader = hiredis.Reader()
    reader.feed(REPLY)
    return reader.gets()


@app.get("/health")
def health():
    return "ok"


@app.get("/work")
def work():
    return jsonify(fields=len(read_profile()))


serve(app, host="127.0.0.1", port=int(os.environ["PORT"]), threads=2, _quiet=True)
