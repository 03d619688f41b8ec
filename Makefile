# What a person types. `make` alone lists it.
# PYTHON=... chooses the interpreter .venv is made with; without it the first of these that is new enough.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.14; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev python demo up test check prove prove-sabotage proto lock clean

help: ## list the targets
	@echo "paycue: reminders of what is owed, on Kafka and PostgreSQL. Needs Python 3.11 or newer and nothing else."
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: python ## set up .venv with the locked packages, and the local servers; afterwards the command is .venv/bin/paycue
	@$(PYTHON) tools/set_up.py run
	@$(BIN)/paycue prepare

setup-dev: python ## the same, with what tests and checks need
	@$(PYTHON) tools/set_up.py all
	@$(BIN)/paycue prepare

python:
	@if [ -z "$(PYTHON)" ] || ! $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
		echo "paycue needs Python 3.11 or newer; found $$($(if $(PYTHON),$(PYTHON),python3) --version 2>&1 | head -n 1). Install one, or name it: make PYTHON=/path/to/python3 setup" >&2; exit 1; fi

demo: setup ## replay a small ledger through Kafka and PostgreSQL and print the report; KEEP=1 leaves it running
	@$(BIN)/paycue demo $(if $(KEEP),--keep)

up: setup ## start PostgreSQL, Kafka, the services and the local inbox; Ctrl-C stops everything
	@$(BIN)/paycue up

test: setup-dev ## run every test
	$(BIN)/python -m pytest -n 2 --dist loadgroup

prove-sabotage: setup-dev ## break a copy of the code in every way of tests/sabotage/list.yaml and show which test notices
	@$(BIN)/python -m tests.sabotage

check: setup-dev ## lint, types, import rules
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

prove: setup-dev ## try the promises: SEEDS, DAYS (simulation), KILLS, RACES (real processes), SEED; 0 leaves a part out
	$(BIN)/python -m tests.prove $(foreach name,SEEDS DAYS KILLS RACES SEED,$(if $($(name)),$(name)=$($(name))))

proto: setup-dev ## check the contracts; generate code, topics, AsyncAPI and OpenAPI
	$(BIN)/python -m tools.generate_contracts
	$(BIN)/python -m tools.generate_openapi

lock: setup-dev ## lock requirements/*.txt; UPGRADE=1 takes the newest versions
	$(BIN)/python -m tools.lock_requirements

-include bench/bench.mk

clean: ## remove .venv and every cache; what `paycue up` keeps is left alone
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	find paycue services tests tools bench -name __pycache__ -prune -exec rm -rf {} +
