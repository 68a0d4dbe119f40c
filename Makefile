# Everything a newcomer needs: python3 and make. The virtual environment is .venv; each target installs what it needs.
PYTHON ?= python3
DB ?= postgresql
OPERATIONS ?= 1000000
KILLS ?= 50
STREAMS ?= 1000000
# Processes that share the tests: each starts the servers of the rooms that it gets (0: all in one, for a debugger). Two
# a core: while one waits for a server, a time-out or another program, the other one has the core.
WORKERS ?= $(shell echo $$((2 * $$(getconf _NPROCESSORS_ONLN))))
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
SHELL := /bin/bash
# What is compiled is kept: else each of the hundreds of programs that tests start compiles all of it again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test coverage soak check bench rotation exactly-once kills wire-kills fuzz docs clean wheel-check
.DEFAULT_GOAL := help

help:  ## this list
	@echo 'make TARGET [PYTHON=python3.12]'
	@sed -nE 's/^([a-z-]+):.*##/  \1\t/p' $(MAKEFILE_LIST) | expand -t 16

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 …"; exit 2; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "python3 can't make virtual environments here: install its venv module (Debian: python3-venv)"; exit 2; }

# One stamp for each set of extras; pyproject.toml is what they depend on.
$(VENV)/.installed-%: pyproject.toml | $(BIN)/python
	@echo "setting up .venv for $* …"
	@$(PIP) -e '.[$*]'
	@touch $@

demo: $(VENV)/.installed-demo  ## the weather service: one identity round the whole circle; five levels of security (DB=sqlite: without PostgreSQL)
	@$(BIN)/python examples/weather/demo.py --db $(DB)
	@$(BIN)/python -c 'import proton' 2>/dev/null || $(PIP) -e '.[amqp]' >/dev/null 2>&1 || true
	@$(BIN)/python examples/weather/levels.py

# The servers that no wheel carries: installed where that may be, else said, and their tests are skipped.
$(VENV)/.servers: tests/servers/install | $(VENV)/.installed-test
	@tests/servers/install $(BIN)/python $@

test: $(VENV)/.installed-test $(VENV)/.servers  ## every test
	@$(BIN)/pytest -n $(WORKERS) $(PYTEST_ARGS)

# Apart from `test`, since to watch every branch takes half as long again.
coverage: $(VENV)/.installed-test $(VENV)/.servers  ## every test, and how much of the code they go through, by branch
	@rm -f .coverage*
	@COVERAGE_PROCESS_START=pyproject.toml $(BIN)/pytest -n $(WORKERS) $(PYTEST_ARGS); status=$$?; \
	  $(BIN)/coverage combine --quiet; $(BIN)/coverage report --format=total | sed 's/^/branch coverage: /;s/$$/ %/'; exit $$status

soak: $(VENV)/.installed-test  ## the pools under a million operations of hypothesis' programs (OPERATIONS=, SOAK_ARGS=--seed 7)
	@PYTHONPATH=tests $(BIN)/python -W error -m soak --operations $(OPERATIONS) $(SOAK_ARGS)

check: $(VENV)/.installed-check  ## lint, format, types, architecture
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/lint-imports

bench: $(VENV)/.installed-bench $(VENV)/.servers  ## measure against the peers; writes benchmarks/results.json
	@$(BIN)/python -m benchmarks.run $(BENCH_ARGS)

rotation: $(VENV)/.installed-test  ## a password rotated on PostgreSQL under load, 100,000 requests, none may fail
	@$(BIN)/python -m benchmarks.rotation $(ROTATION_ARGS)

exactly-once: $(VENV)/.installed-test  ## 10,000 messages, rows and sends while the process is killed 50 times (ARGS=--seed 7)
	@$(BIN)/python -m benchmarks.exactly_once $(ARGS)

kills: $(VENV)/.installed-test  ## the vault and the table of passwords, killed a thousand times in the middle of changes
	@CONNECTOR_KILLS=1000 $(BIN)/pytest tests/stores/test_kills.py -q -s

wire-kills: $(VENV)/.installed-test $(VENV)/.servers  ## the engine killed under load fifty times (KILLS=50): nothing lost, nothing twice
	@CONNECTOR_WIRE_KILLS=$(KILLS) $(BIN)/pytest tests/wire/test_engine_kills.py -q -s

fuzz: $(VENV)/.installed-test $(VENV)/.servers  ## the wire under a million broken streams (STREAMS=1000000)
	@CONNECTOR_FUZZ_STREAMS=$(STREAMS) $(BIN)/pytest tests/wire/test_fuzz.py -q -s -p no:logging

docs: $(VENV)/.installed-docs  ## the documentation, warnings are errors
	@$(BIN)/python docs/generate.py
	@$(BIN)/sphinx-build -q -W --keep-going -b html docs docs/_build/html && echo "docs/_build/html/index.html"

wheel-check: $(VENV)/.installed-test  ## the built wheel without any adapter imports the core
	@$(BIN)/pytest tests/packaging -q

clean:  ## what the targets made
	rm -rf $(VENV) build dist docs/_build .coverage* .hypothesis .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
