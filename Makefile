# `make` with no target says what there is. An environment of another Python, beside the usual one:
# make test PYTHON=/usr/bin/python3.11 VENV=.venv-3.11
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
# The first that is new enough; python3, for the message, if none is.
PYTHON ?= $(firstword $(shell for each in python3 python3.13 python3.12 python3.11; do \
  $$each -c '$(NEW_ENOUGH)' 2>/dev/null && echo $$each; done) python3)
VENV ?= .venv
BIN := $(VENV)/bin/

# Bytecode is kept, also where the environment says otherwise: the tests start many interpreters.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup run test test-all suites bounces situations comparison check lint types imports shape format pictures screenshots bench faults lock clean

help:                     ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 14

$(VENV)/.ready: pyproject.toml requirements.lock
	@test -x $(BIN)python || $(PYTHON) -c '$(NEW_ENOUGH)' || { \
	  echo "pillarbox needs Python 3.11 or newer, and '$(PYTHON)' is none. Name another: make PYTHON=/path/to/python3.11 ..."; exit 1; }
	@test -x $(BIN)python || $(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "'$(PYTHON)' has no venv module. On Debian: apt install python3-venv"; exit 1; }
	test -x $(BIN)python || $(PYTHON) -m venv $(VENV)
	$(BIN)python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	$(BIN)python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

setup: $(VENV)/.ready       ## build the environment (.venv) from nothing

run: $(VENV)/.ready         ## start the sandbox with some mail in it, and a node that delivers a message
	@$(BIN)python -m pillarbox demo

test: $(VENV)/.ready        ## the suite, with short forms of the long tests
	@# What fails is tried once more, alone: some tests wait for sockets on a busy machine.
	$(BIN)python -m pytest -q -n auto --dist worksteal -m "not slow" -r s || \
	  $(BIN)python -m pytest -q --last-failed --last-failed-no-failures none -m "not slow" -r fE

test-all: $(VENV)/.ready    ## everything at full length
	$(BIN)python -m pytest -q -n auto --dist worksteal -r s

suites: $(VENV)/.ready      ## the outside suites (../shared/suites), one line for each
	@$(BIN)python -m tests.suites

bounces: $(VENV)/.ready     ## how well `pillarbox explain` reads the replies and bounces of others
	@$(BIN)python -m tests.suites smtp-replies bounce

situations: $(VENV)/.ready  ## what `pillarbox check` and `explain` see through, of what can be broken
	@$(BIN)python -m tests.situations

comparison: $(VENV)/.ready  ## what checkdmarc and testssl.sh say otherwise of the same domains and listeners
	@$(BIN)python -m tests.comparison

check: lint types imports shape  ## everything that is checked without running it

lint: $(VENV)/.ready
	$(BIN)ruff format --check .
	$(BIN)ruff check .
	$(BIN)codespell src tests docs bench scripts examples *.md

types: $(VENV)/.ready
	$(BIN)mypy

imports: $(VENV)/.ready
	$(BIN)lint-imports --no-cache

shape: $(VENV)/.ready
	$(BIN)python tests/architecture/shape.py src/pillarbox

format: $(VENV)/.ready      ## rewrite files in place
	$(BIN)ruff format .
	$(BIN)ruff check --fix .

pictures: $(VENV)/.ready    ## draw what the commands print (docs/terminal), to be looked at
	$(BIN)python scripts/terminal_pictures.py

screenshots: $(VENV)/.ready ## take a picture of every page and state (docs/screenshots; needs chromium)
	@PYTHONPATH=. $(BIN)python scripts/screenshots.py

bench: $(VENV)/.ready       ## measure pillarbox and, where installed, Postfix (QUICK=1: five minutes; AGAINST=CHECKOUT: another version)
	$(BIN)python -m bench$(if $(AGAINST),.against $(AGAINST),$(if $(QUICK), --quick))

faults: $(VENV)/.ready      ## the ledger test at full length: kills, power cuts, full disks
	$(BIN)python -m pytest -q -r s tests/faults -p no:xdist --timeout 3600

lock: $(VENV)/.ready        ## pin the dependencies anew
	$(BIN)python -m pip install --quiet uv
	$(BIN)python -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header --group dev pyproject.toml --output-file requirements.lock
	@# What the image installs (deploy/Dockerfile), and what builds it: parts of the same.
	$(BIN)python -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header --constraint requirements.lock pyproject.toml --output-file deploy/docker/run.lock
	echo hatchling | $(BIN)python -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header --constraint requirements.lock - --output-file deploy/docker/build.lock

clean:                    ## remove what was built and what nodes left in var/
	rm -rf $(VENV) var
