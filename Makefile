# The commands to know: `make demo` and `make test`, and `make check` while working. They need Python >= 3.11, make and a package index.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
DEMO   := build/demo
# Tests start Python thousands of times: what is imported is compiled once, also where the machine says not to.
export PYTHONDONTWRITEBYTECODE :=

# Airflow pins hundreds of packages, so aftrun-airflow has an environment of its own.
AIRFLOW := .venv-airflow

.PHONY: other demo check test test-packaging coverage test-long test-airflow test-newest test-oldest test-wheel test-windows standalone lock simulate mutants lint format bench bench-small soak docs docs-images generate clean

# Environments hold what uv.lock says, each package checked against its hash; `make lock` renews it.
RESOLUTION  := locked
ENVIRONMENT := tools/environment.py --resolution $(RESOLUTION)
LOCKED      := pyproject.toml uv.lock tools/environment.py

ifneq ($(origin PYTHON),file)
# Asked for by name: an environment of another Python is made anew.
OTHER := $(shell [ "$$($(BIN)/python -V 2>&1)" = "$$($(PYTHON) -V 2>&1)" ] || echo other)
endif

$(VENV)/.demo: $(LOCKED) $(OTHER)
	@$(PYTHON) -c 'import sys; sys.exit("aftrun needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.12") if sys.version_info < (3, 11) else None'
	$(PYTHON) $(ENVIRONMENT) $(VENV) --extra sandbox
	@touch $@

$(VENV)/.dev: $(VENV)/.demo
	$(BIN)/python $(ENVIRONMENT) $(VENV) --add --extra dev
	@touch $@

lock: $(VENV)/.demo ## Renew uv.lock: the newest versions of everything that pyproject.toml allows.
	$(BIN)/python tools/environment.py --renew

demo: $(VENV)/.demo ## Run a real nightly manifest over HTTPS against the sandbox.
	@mkdir -p $(DEMO)
	$(BIN)/aftrun apply manifests/nightly.yaml --sandbox --state-dir $(DEMO) --report-json $(DEMO)/report.json --report-html $(DEMO)/report.html
	@$(BIN)/aftrun schema report > $(DEMO)/report.schema.json
	@$(BIN)/python -c 'import json, jsonschema; r = json.load(open("$(DEMO)/report.json")); jsonschema.validate(r, json.load(open("$(DEMO)/report.schema.json"))); print("report.json is valid:", r["summary"]["succeeded"], "of", r["summary"]["total"], "jobs succeeded")'
	@echo "the report, for people: $(CURDIR)/$(DEMO)/report.html"

# The types are checked while the tests run: there are two cores at least, nearly everywhere.
check: $(VENV)/.dev ## What to run while working: style, types, unit and property tests. A minute.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@$(BIN)/mypy & types=$$!; AFTRUN_TEST_EFFORT=quick $(BIN)/python -m pytest -q -n 3 --dist worksteal tests/unit tests/property; \
	  tests=$$?; wait $$types && exit $$tests

PARALLEL := -n 4 --dist worksteal
# Many tests of the code wait for a server or a clock most of the time: three processes a core keep two cores busy.
CROWDED  := -n 6 --dist worksteal

test: $(VENV)/.dev ## Run the tests of the code: all but those of test-packaging and bench-small.
	$(BIN)/python -m pytest $(CROWDED) --ignore=tests/packaging --ignore=tests/benchmarks

test-packaging: $(VENV)/.dev ## Build and install what is shipped, and try it: wheel, container, action, hook, dependencies.
	$(BIN)/python -m pytest $(PARALLEL) tests/packaging

# Measuring nearly doubles the time of the tests that start the program.
coverage: $(VENV)/.dev ## Run all tests, and measure what they reach.
	$(BIN)/python -m pytest -n 4 --cov --cov-report=term:skip-covered

test-long: $(VENV)/.dev ## Try for an hour or two: random examples by the thousand, hundreds of kills, limits at their real size.
	AFTRUN_TEST_EFFORT=long $(BIN)/python -m pytest -n 4 -o faulthandler_timeout=7200 tests/unit tests/property tests/faults

# The same tests without the lock, in environments of their own, resolved anew each time.
test-newest test-oldest: test-%: ## Run all tests on the newest of everything, or on the oldest dependencies that are allowed.
	rm -rf .venv-$*
	$(MAKE) test test-packaging bench-small RESOLUTION=$* VENV=.venv-$*

test-wheel: $(VENV)/.dev ## Run the tests against the built wheel, in an environment of its own.
	$(BIN)/python tests/packaging/against_wheel.py -n 2

$(AIRFLOW)/.airflow: $(LOCKED) integrations/airflow/pyproject.toml
	$(PYTHON) $(ENVIRONMENT) $(AIRFLOW) --package aftrun-airflow --extra dev
	@touch $@

test-airflow: $(AIRFLOW)/.airflow ## Check types and run the tests of aftrun-airflow, in an environment of its own.
	cd integrations/airflow && ../../$(AIRFLOW)/bin/mypy --config-file ../../pyproject.toml --cache-dir ../../$(AIRFLOW)/.mypy_cache .
	cd integrations/airflow && ../../$(AIRFLOW)/bin/python -m pytest

test-windows: $(VENV)/.dev ## Try everything on Windows, or here in a CPython for Windows under Wine; as root, Wine is installed.
	@command -v wine >/dev/null || [ "$$(id -u)" != 0 ] || sh tests/windows/install.sh
	$(BIN)/python -m tests.windows

standalone: $(VENV)/.dev ## Build aftrun as one file for machines without Python, for this system, and try it.
	$(BIN)/python tools/standalone.py
	$(BIN)/python -m tests.windows --program build/standalone/aftrun --only smoke

lint: $(VENV)/.dev ## Check style and types of code and tests.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

generate: $(VENV)/.dev ## Write what is made of commands, flags, schemas and pages of codes: the reference, docs/diagnostics.md.
	$(BIN)/python -m docs.generate

docs: $(VENV)/.dev ## Write the generated pages, and build the site into build/site.
	$(BIN)/python -m docs.generate
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "open build/site/index.html"

docs-images: $(VENV)/.dev ## Take the pictures of README and docs anew, from real runs. Needs Chromium.
	$(BIN)/python -m docs.record
	$(BIN)/python -m docs.shoot

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev ## Measure against what people use instead; about twenty minutes, on a machine that does nothing else.
	$(BIN)/python -m benchmarks --json build/bench/rows.json

bench-small: $(VENV)/.dev ## Only show that the benchmarks work; the figures mean nothing.
	$(BIN)/python -m pytest $(PARALLEL) tests/benchmarks

SECONDS ?= 60
SEED    ?=
simulate: $(VENV)/.dev ## Play random nights against simulated servers, disks and clocks, on all cores; SECONDS=0 SEED=… tells one.
	$(BIN)/python -m tests.simulation --seconds $(SECONDS) $(if $(SEED),--seed $(SEED))

mutants: $(VENV)/.dev ## Change the decision core line by line, and list the changes that no test notices; half an hour.
	$(BIN)/python -m tools.mutants

MINUTES ?= 30
soak: $(VENV)/.dev ## Run jobs for half an hour against a server that misbehaves; memory, descriptors, threads, outcomes.
	$(BIN)/python -m benchmarks.soak --minutes $(MINUTES)

clean:
	rm -rf $(VENV) $(VENV)-newest $(VENV)-oldest $(AIRFLOW) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*
