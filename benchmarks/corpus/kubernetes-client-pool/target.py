"""Operator: makes an API client per request and lists the namespaces in the background. FIXED=1 closes the client."""

import os

from flask import Flask, jsonify
from kubernetes import client
from urllib3.exceptions import MaxRetryError
from waitress import serve

app = Flask(__name__)
FIXED = os.environ.get("FIXED") == "1"


def namespaces():
    settings = client.Configuration()
    settings.host, settings.retries = "http://127.0.0.1:1", False
    api = client.ApiClient(settings)
    try:
        return client.CoreV1Api(api).list_namespace(async_req=True).get(5)
    except MaxRetryError as problem:
        return type(problem).__name__
    finally:
        if FIXED:
            api.close()


@app.get("/health")
def health():
    return "ok"


@app.get("/work")
def work():
    return jsonify(result=str(namespaces()))


serve(app, host="127.0.0.1", port=int(os.environ["PORT"]), threads=2, _quiet=True)
