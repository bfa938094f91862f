# Every target sets up what it needs: a fresh machine wants only Python 3.11, make and git.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
WORKERS ?= 4
SLOW ?=

.PHONY: help setup demo test test-docs test-slow check docs bench self-soak clean

help:
	@echo "make setup      the environment in .venv; every other target does it first"
	@echo "make demo       soak the bundled target, leaky and clean, and print both reports"
	@echo "make test       the fast tests"
	@echo "make test-docs  every command of README and docs, as it stands"
	@echo "make test-slow  the slow, real ones (marked slow); SLOW=FILE: those in a file"
	@echo "make check      lint, types, import contracts"
	@echo "make docs       the references that are generated from the code"
	@echo "make bench      our figure, the peer's and the ratio; SOAK_BENCH=quick: seconds, figures that say nothing"
	@echo "make self-soak  soak soaks its own daemon: 60 cycles of two minutes"
	@echo "make clean      the environment and build/ away, with what self-soaks keep there"

setup: $(READY)

$(READY): pyproject.toml constraints.txt hatch_build.py probes/soak_heap/build.py $(wildcard probes/soak_heap/*.[ch]) $(wildcard soak/load/*.[ch])
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "soak needs Python 3.11 or newer: make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $(READY)

demo: $(READY)
	$(BIN)/soak demo

test: $(READY)
	$(BIN)/python -m pytest -m "not slow" -n $(WORKERS) --dist loadfile

test-docs: $(READY)
	$(BIN)/python -m pytest tests/docs -m slow -n 2 -rs

test-slow: $(READY)
	$(BIN)/python -m pytest -m slow --timeout 1800 $(SLOW)

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(READY)
	$(BIN)/python tools/docs

bench: $(READY)
	$(BIN)/python -m benchmarks

# SELF_SOAK="--cycle 60" takes an hour; "--many-runs" judges what each run costs; "--heap sampler" names the lines of what grows.
self-soak: $(READY)
	$(BIN)/python -m tools.self_soak $(SELF_SOAK)

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache dist build
