# `make` with no target says what there is.
PYTHON ?= python3
BIN := .venv/bin/

.PHONY: help setup run test test-all suites bounces check lint types imports shape format bench faults lock clean

help:                     ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 14

.venv/.ready: pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "pillarbox needs Python 3.11 or newer; $(PYTHON) is older. Try: make PYTHON=python3.11 ..."; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "This Python has no venv module. On Debian: apt install python3-venv"; exit 1; }
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	$(BIN)python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	$(BIN)python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

setup: .venv/.ready       ## build .venv from nothing

run: .venv/.ready         ## start a node on loopback, send one message through it, show its story
	@$(BIN)python -m pillarbox demo

test: .venv/.ready        ## the suite, with short forms of the long tests
	@# What fails is tried once more, alone: some tests wait for sockets on a busy machine.
	$(BIN)python -m pytest -q -n auto --dist worksteal -m "not slow" -r s || \
	  $(BIN)python -m pytest -q --last-failed --last-failed-no-failures none -m "not slow" -r fE

test-all: .venv/.ready    ## everything at full length
	$(BIN)python -m pytest -q -n auto --dist worksteal -r s

suites: .venv/.ready      ## the outside suites (../shared/suites), one line for each
	@$(BIN)python -m tests.suites

bounces: .venv/.ready     ## how well `pillarbox explain` reads the replies and bounces of others
	@$(BIN)python -m tests.suites smtp-replies bounce

check: lint types imports shape  ## everything that is checked without running it

lint: .venv/.ready
	$(BIN)ruff format --check .
	$(BIN)ruff check .
	$(BIN)codespell src tests docs bench scripts examples *.md

types: .venv/.ready
	$(BIN)mypy

imports: .venv/.ready
	$(BIN)lint-imports --no-cache

shape: .venv/.ready
	$(BIN)python tests/architecture/shape.py src/pillarbox

format: .venv/.ready      ## rewrite files in place
	$(BIN)ruff format .
	$(BIN)ruff check --fix .

bench: .venv/.ready       ## measure pillarbox and, where installed, Postfix (QUICK=1: five minutes)
	$(BIN)python -m bench $(if $(QUICK),--quick)

faults: .venv/.ready      ## the ledger test at full length: kills, power cuts, full disks
	$(BIN)python -m pytest -q -r s tests/faults -p no:xdist --timeout 3600

lock: .venv/.ready        ## pin the dependencies anew
	$(BIN)python -m pip install --quiet uv
	$(BIN)python -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header --group dev pyproject.toml --output-file requirements.lock

clean:                    ## remove what was built and what nodes left in var/
	rm -rf .venv var
