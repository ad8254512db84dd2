# Two commands on a fresh machine: `make demo` and `make test`. Both do all set-up themselves.

PYTHON ?= python3
VENV   ?= .venv
ARGS   ?=
# Which benchmarks `make bench` runs: files of benchmarks/.
SECTION ?= stages windows world training reasons

BIN        := $(VENV)/bin
READY      := $(VENV)/.ready
READYDOCS  := $(VENV)/.ready-docs
READYBENCH := $(VENV)/.ready-bench
# featuretools needs an older pandas, so it lives apart.
FEATURETOOLS := $(VENV)-featuretools/bin/python

export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Tests in one process a processor, four at most; none depends on another. `make test TOGETHER=` runs them in one.
TOGETHER ?= -n logical --maxprocesses 4 --dist worksteal
# Threads that wait without spinning: on a busy machine a spinning wait makes training tens of times slower.
export OMP_WAIT_POLICY ?= passive

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow check format docs bench evidence wheel wheel-files clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

demo: $(READY)  ## from billing tables to a plan, in words, in under two minutes (ARGS="--language nl")
	$(BIN)/earlywarn demo $(ARGS)

test: $(READY)  ## the fast tests and every example in a docstring
	$(BIN)/python -m pytest $(TOGETHER) -m "not slow" $(ARGS)

test-slow: $(READY)  ## the tests that take longer than ten seconds, real data included
	$(BIN)/python -m pytest $(TOGETHER) -m slow $(ARGS)

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

bench: $(READYBENCH)  ## how fast it runs here, beside other libraries, in docs/benchmarks.md (SECTION=windows: only that)
	@set -e; for section in $(SECTION); do \
	  if [ $$section = windows ]; then more="--featuretools $(FEATURETOOLS)"; else more=; fi; \
	  $(BIN)/python benchmarks/$$section.py $$more $(ARGS); \
	done

evidence: $(READYBENCH)  ## figures on real data, windows at 100,000 and a world of a million customers, in docs/evidence/*.json (two hours)
	EARLYWARN_EVIDENCE=docs/evidence $(BIN)/python -m pytest -m realdata $(ARGS)
	EARLYWARN_EVIDENCE=docs/evidence $(BIN)/python benchmarks/windows.py --customers 2000 20000 100000 \
	  --featuretools $(FEATURETOOLS)
	EARLYWARN_EVIDENCE=docs/evidence $(BIN)/python benchmarks/world.py --customers 100000 1000000
	EARLYWARN_EVIDENCE=docs/evidence $(BIN)/python benchmarks/training.py --rows 50000 500000
	EARLYWARN_EVIDENCE=docs/evidence $(BIN)/python benchmarks/reasons.py

wheel: $(READY)  ## build the wheel in dist/
	$(BIN)/python -m hatchling build -t wheel

wheel-files: $(READY)  ## write the list of files that the wheel may hold; read the difference before you commit it
	$(BIN)/python tests/built_wheel.py > tests/wheel_files.txt.new
	mv tests/wheel_files.txt.new tests/wheel_files.txt

clean:  ## remove environments, caches and what was built
	rm -rf .venv* .pandas2 dist docs/_build docs/gallery docs/catalogue docs/jupyter_execute
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

$(READYBENCH): $(READY)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,bench]'
	$(PYTHON) -m venv $(VENV)-featuretools
	$(FEATURETOOLS) -m pip install --quiet featuretools==1.31.0 'pandas<3' || \
	  echo "featuretools could not be installed; the benchmark says so and goes on without it" >&2
	@touch $@

$(READYDOCS): $(READY)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,docs]'
	@touch $@
