# The two commands to know: `make demo` and `make test`. They need Python >= 3.11, make and a package index.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
DEMO   := build/demo

.PHONY: demo test lint format bench clean

$(VENV)/.demo: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("aftrun needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.12") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --editable '.[sandbox]'
	@touch $@

$(VENV)/.dev: pyproject.toml $(VENV)/.demo
	$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: $(VENV)/.demo ## Run a real nightly manifest over HTTPS against the sandbox.
	@mkdir -p $(DEMO)
	$(BIN)/aftrun apply manifests/nightly.yaml --sandbox --state-dir $(DEMO) --report-json $(DEMO)/report.json
	@$(BIN)/aftrun schema report > $(DEMO)/report.schema.json
	@$(BIN)/python -c 'import json, jsonschema; r = json.load(open("$(DEMO)/report.json")); jsonschema.validate(r, json.load(open("$(DEMO)/report.schema.json"))); print("report.json is valid:", r["summary"]["succeeded"], "of", r["summary"]["total"], "jobs succeeded")'

test: $(VENV)/.dev ## Run all tests.
	$(BIN)/python -m pytest -n 2 --cov --cov-report=term:skip-covered

lint: $(VENV)/.dev ## Check style and types of code and tests.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*
