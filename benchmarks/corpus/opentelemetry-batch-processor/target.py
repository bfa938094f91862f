"""Multi-tenant tracing: a tracer provider per request, shut down when the request is done."""

import io
import os

from flask import Flask, jsonify
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter
from waitress import serve

app = Flask(__name__)


def traced_job(tenant):
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(ConsoleSpanExporter(out=io.StringIO())))
    with provider.get_tracer(tenant).start_as_current_span("job"):
        pass
    provider.shutdown()


@app.get("/health")
def health():
    return "ok"


@app.get("/work")
def work():
    traced_job("tenant")
    return jsonify(ok=True)


serve(app, host="127.0.0.1", port=int(os.environ["PORT"]), threads=2, _quiet=True)
