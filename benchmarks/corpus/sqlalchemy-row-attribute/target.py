"""Report API: rows are asked for attributes that they may not have, as array libraries do."""

import os

from flask import Flask, jsonify
from sqlalchemy import create_engine, text
from sqlalchemy.pool import StaticPool
from waitress import serve

app = Flask(__name__)
engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})


def optional_columns(row, names):
    return [name for name in names if hasattr(row, name)]


@app.get("/health")
def health():
    return "ok"


@app.get("/work")
def work():
    with engine.connect() as connection:
        row = connection.execute(text("select 1 as a, 2 as b")).fetchone()
        return jsonify(found=optional_columns(row, [f"column_{number}" for number in range(50)]))


serve(app, host="127.0.0.1", port=int(os.environ["PORT"]), threads=1, _quiet=True)
