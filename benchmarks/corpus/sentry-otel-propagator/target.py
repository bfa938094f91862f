"""Gateway: passes the trace on to the services it calls, with Sentry's propagator for OpenTelemetry."""

import os

import sentry_sdk
from flask import Flask, jsonify
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace.propagation import set_span_in_context
from sentry_sdk.integrations.opentelemetry import SentryPropagator, SentrySpanProcessor
from waitress import serve

sentry_sdk.init(dsn=None, traces_sample_rate=1.0, instrumenter="otel")
provider = TracerProvider()
provider.add_span_processor(SentrySpanProcessor())
tracer = provider.get_tracer("gateway")
propagator = SentryPropagator()
app = Flask(__name__)


def call_service(number):
    with tracer.start_as_current_span(f"call-{number}") as span:
        headers = {}
        propagator.inject(headers, set_span_in_context(span))
        return headers


@app.get("/health")
def health():
    return "ok"


@app.get("/work")
def work():
    return jsonify(calls=len([call_service(number) for number in range(20)]))


serve(app, host="127.0.0.1", port=int(os.environ["PORT"]), threads=1, _quiet=True)
