# Two commands are all a new machine needs: `make demo` and `make test`.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: demo test check lint types bench bench-quick lock clean

demo: $(VENV)/.runtime
	$(BIN)/python demo/run.py

# One more than there are cores: much of a run waits for leases and deadlines of other processes. Who has nothing left
# takes of the others' share: the slow tests stand together, and one process would end with all of them.
test: $(VENV)/.dev
	$(BIN)/python -m pytest -n $(shell echo $$(( $$(nproc 2>/dev/null || echo 2) + 1 ))) --dist worksteal

# What a change must pass before it lands.
check: lint types test

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks

bench-quick: $(VENV)/.dev
	$(BIN)/python -m benchmarks --quick

# Write the lock files anew from pyproject.toml: names, versions and hashes only.
lock: $(VENV)/.dev
	$(BIN)/uv pip compile pyproject.toml --extra build --universal --python-version 3.11 \
	  --generate-hashes --no-annotate --no-header --quiet -o requirements/runtime.txt
	$(BIN)/uv pip compile pyproject.toml --extra build --extra postgres -c requirements/runtime.txt --universal \
	  --python-version 3.11 --generate-hashes --no-annotate --no-header --quiet -o requirements/postgres.txt
	$(BIN)/uv pip compile pyproject.toml --extra build --extra dev --extra postgres -c requirements/runtime.txt --universal \
	  --python-version 3.11 --generate-hashes --no-annotate --no-header --quiet -o requirements/dev.txt

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit("this needs Python 3.11 or newer; say make PYTHON=python3.11" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: $(VENV)/bin/python requirements/runtime.txt pyproject.toml
	$(PIP) install --require-hashes -r requirements/runtime.txt
	$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements/dev.txt
	$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@

clean:
	rm -rf $(VENV) demo/out
