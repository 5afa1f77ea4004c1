# Everything runs in .venv, which is made on first use and re-made only when its inputs change.

SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.installed
ARGILLA_VENV := .venv-argilla
ARGILLA_STAMP := $(ARGILLA_VENV)/.installed
# Without Redis the server cannot run: the tests that need it skip and say so, and `make test` leaves it out.
ARGILLA_IF_REDIS := $(if $(shell command -v redis-server 2>/dev/null),$(ARGILLA_STAMP))
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: help setup repro test argilla-server test-argilla lint fix types

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) ## Make .venv with the pinned versions of everything

# A virtualenv made half, by an interrupted install, has no stamp: pip completes it on the next call.
$(STAMP): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) was not found; install Python 3.11 or newer" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "error: Python 3.11 or newer is needed, $(PYTHON) is $$($(PYTHON) -V 2>&1); try: make PYTHON=python3.11 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "error: $(PYTHON) cannot make a virtualenv; on Debian or Ubuntu: sudo apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --disable-pip-version-check --quiet -c constraints.txt -e '.[argilla,bench,dev,fast,ifeval,judge,s3]'
	@touch $@

# An experiment writes the recipe's values into params.yaml, which must be as committed: `git restore` brings it back.
repro: $(STAMP) ## Build data, model and report; then a summary. RECIPE=name: as published, SET="key=value ...": but for
ifdef RECIPE
	options=$$(python -m pipeline recipe $(RECIPE) $(SET)) && eval "dvc exp run $$options"
else
	dvc repro
endif
	python -m pipeline summary

test: $(STAMP) $(ARGILLA_IF_REDIS) ## Run the tests, without network
	HF_HUB_OFFLINE=1 python -m pytest -n 2

# Every package of the list is pinned there, so nothing need be resolved.
$(ARGILLA_STAMP): tests/argilla_server/requirements.txt
	$(PYTHON) -m venv $(ARGILLA_VENV)
	$(ARGILLA_VENV)/bin/python -m pip install --disable-pip-version-check --quiet --no-deps --no-compile -r $<
	@touch $@

argilla-server: $(ARGILLA_STAMP) ## Make the virtualenv of the Argilla server that tests start

test-argilla: $(STAMP) $(ARGILLA_STAMP) ## Run the tests with a real Argilla server; `make test` runs them too where redis-server is
	HF_HUB_OFFLINE=1 python -m pytest tests/argilla_server

lint: $(STAMP) ## Check style, that dvc.yaml lists each stage's code, and what is made from params
	ruff format --check .
	ruff check .
	python -m stages._closure --check
	python -m pipeline.params.generated --check

fix: $(STAMP) ## Mend style, dvc.yaml's lists of code, and what is made from params
	ruff format .
	ruff check --fix .
	python -m stages._closure --write
	python -m pipeline.params.generated --write

types: $(STAMP) ## Check types
	mypy
