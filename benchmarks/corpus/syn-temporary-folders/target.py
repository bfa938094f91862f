"""Report export: each export leaves its temporary folder behind. FIXED=1 removes it."""

import os
import pathlib
import shutil
import tempfile

from flask import Flask
from waitress import serve

app = Flask(__name__)
FIXED = os.environ.get("FIXED") == "1"


def export():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="export-"))
    (folder / "out.csv").write_text("a,b\n" * 100)
    text = (folder / "out.csv").read_text()
    if FIXED:
        shutil.rmtree(folder)
    return text


@app.get("/health")
def health():
    return "ok"


@app.get("/work")
def work():
    return export()[:10]


serve(app, host="127.0.0.1", port=int(os.environ["PORT"]), threads=2, _quiet=True)
