# Everything a person or CI calls. `make help` lists it.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
TOOLS := .tools
UV := $(shell command -v uv 2>/dev/null || echo $(TOOLS)/bin/uv)
BIN := .venv/bin
export UV_PYTHON_DOWNLOADS := never

.PHONY: help run run-real up down status test test-fast test-system test-slow test-mutants bench bench-small bench-penalties bench-evidence bench-loading lint format docs clean

help:  ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: .venv/.synced  ## run the demo end to end on the real scheduler and print the mart
	@$(BIN)/avoir run

run-real: .venv/.synced  ## the same over the real data in ../shared/data (or AVOIR_SHARED_DATA)
	@$(BIN)/avoir run --profile real

up: .venv/.synced  ## start Postgres, Airflow and the demo's vendors; they stay up
	@$(BIN)/avoir up

down: .venv/.synced  ## stop what `make up` started
	@$(BIN)/avoir down

status: .venv/.synced  ## published months, verdicts, watermarks
	@$(BIN)/avoir status

test: .venv/.synced  ## everything: unit, rules, dags, warehouse, system (about an hour on 2 cores)
	$(BIN)/pytest tests --ignore=tests/mutants --ignore=tests/system --ignore=tests/slow --numprocesses=auto --maxprocesses=4 --dist=loadgroup
	$(BIN)/pytest tests/system

test-fast: .venv/.synced  ## what needs no scheduler and no build (about a minute)
	$(BIN)/pytest tests/unit tests/dags

test-system: .venv/.synced  ## the real scheduler over the demo's world and the real data
	$(BIN)/pytest tests/system

test-slow: .venv/.synced  ## servers that take their time: real Prometheus, Zabbix, Redmine, Tryton
	$(BIN)/pytest tests/slow

test-mutants: .venv/.synced  ## plant mistakes in the models: a worked test must find each (about 12 minutes)
	$(BIN)/pytest tests/mutants -q -s

bench-loading: .venv/.synced  ## loads beside dlt's defaults, ADBC and COPY
	$(BIN)/python bench/loading.py

lint: .venv/.synced  ## ruff, mypy, sqlfluff, dbt-bouncer
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/sqlfluff lint dbt_project/models dbt_project/tests
	DBT_TARGET_PATH=$(CURDIR)/dbt_project/target DBT_PROFILES_DIR=dbt_project $(BIN)/dbt --quiet parse --project-dir dbt_project
	$(BIN)/dbt-bouncer --config-file dbt-bouncer.yml

bench: .venv/.synced  ## clocks and availability beside their bounds and peers: bench/results.md (about 20 minutes)
	$(BIN)/python bench/clocks.py --size full

bench-small: .venv/.synced  ## the same on little data, only printed (under two minutes)
	$(BIN)/python bench/clocks.py --size small

bench-penalties: .venv/.synced  ## the penalty pipeline on a million lines (about three minutes)
	$(BIN)/python bench/penalties.py

bench-evidence: .venv/.synced  ## what a credit rests on, among ten million raw rows (about ten minutes)
	$(BIN)/python bench/evidence.py

format: .venv/.synced  ## let ruff and sqlfluff write
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/sqlfluff fix dbt_project/models dbt_project/tests

docs: .venv/.synced  ## the site: models documented, columns traced, per build
	@$(BIN)/avoir site

clean: .venv/.synced  ## remove every profile's state
	@for profile in demo real; do $(BIN)/avoir destroy --profile $$profile --yes; done

# The interpreter's own venv if Debian has it, else pip alone; uv itself comes from the package index.
$(TOOLS)/bin/uv:
	@echo "uv is not installed; fetching it into $(TOOLS)/"
	@if $(PYTHON) -m venv $(TOOLS) 2>/dev/null; then \
	  $(TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check uv; \
	else \
	  rm -rf $(TOOLS) && $(PYTHON) -m pip install --quiet --disable-pip-version-check --target $(TOOLS) uv \
	  || { echo "neither venv nor pip works with $(PYTHON): apt-get install python3-venv"; exit 1; }; \
	fi

.venv/.synced: pyproject.toml uv.lock | $(filter $(TOOLS)/bin/uv,$(UV))
	@$(UV) sync --frozen --quiet --python $(PYTHON)
	@touch $@
