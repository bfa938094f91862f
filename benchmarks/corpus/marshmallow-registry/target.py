"""Import API with columns that the client names: a marshmallow schema made for each request."""

import os

from flask import Flask, jsonify
from marshmallow import Schema, fields
from waitress import serve

app = Flask(__name__)


def schema_for(columns):
    return type("RowSchema", (Schema,), {name: fields.Str() for name in columns})()


@app.get("/health")
def health():
    return "ok"


@app.get("/work")
def work():
    return jsonify(schema_for(["sku", "name", "price"]).dump({"sku": "1", "name": "pen", "price": "2"})[0])


serve(app, host="127.0.0.1", port=int(os.environ["PORT"]), threads=2, _quiet=True)
