# Two commands on a fresh machine: `make demo` and `make test`. Both do all set-up themselves.

PYTHON ?= python3
VENV   ?= .venv
ARGS   ?=

BIN       := $(VENV)/bin
READY     := $(VENV)/.ready
READYDOCS := $(VENV)/.ready-docs

export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Threads that wait without spinning: on a busy machine a spinning wait makes training tens of times slower.
export OMP_WAIT_POLICY ?= passive

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow check format docs bench evidence wheel wheel-files clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

demo: $(READY)  ## from billing tables to a plan, in words, in under two minutes (ARGS="--language nl")
	$(BIN)/earlywarn demo $(ARGS)

test: $(READY)  ## the fast tests and every example in a docstring
	$(BIN)/python -m pytest -m "not slow" $(ARGS)

test-slow: $(READY)  ## the tests that take longer than ten seconds, real data included
	$(BIN)/python -m pytest -m slow $(ARGS)

check: $(READY)  ## style, types and the order of the modules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)  ## lay the code out, and mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(READYDOCS)  ## the site with every example run, in docs/_build/html
	$(BIN)/sphinx-build -b html -W --keep-going --quiet docs docs/_build/html
	@echo "open docs/_build/html/index.html"

bench: $(READY)  ## how fast each stage runs here, beside the bare library (writes docs/benchmarks.md)
	$(BIN)/python benchmarks/stages.py $(ARGS)

evidence: $(READY)  ## the figures on real data, with commit, machine and versions (writes docs/evidence/*.json)
	EARLYWARN_EVIDENCE=docs/evidence $(BIN)/python -m pytest -m realdata $(ARGS)

wheel: $(READY)  ## build the wheel in dist/
	$(BIN)/python -m hatchling build -t wheel

wheel-files: $(READY)  ## write the list of files that the wheel may hold; read the difference before you commit it
	$(BIN)/python tests/built_wheel.py > tests/wheel_files.txt.new
	mv tests/wheel_files.txt.new tests/wheel_files.txt

clean:  ## remove environments, caches and what was built
	rm -rf .venv* .pandas2 dist docs/_build docs/gallery docs/jupyter_execute
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

# Set-up, done once, and again when what it depends on changes.

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; raise SystemExit(sys.version_info < (3, 11))' || \
	  { echo "earlywarn needs Python 3.11 or newer; name one: make PYTHON=python3.13 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || \
	  { echo "this Python has no venv; on Debian and Ubuntu install the package python3-venv" >&2; exit 1; }
	@echo "setting up $(VENV) (once, a few minutes)"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

$(READYDOCS): $(READY)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,docs]'
	@touch $@
