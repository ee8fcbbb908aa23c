# `make help` lists the targets. `make run` and `make test` do all that they need, and need no network the second time.
.DEFAULT_GOAL := help
.PHONY: help setup run test check proof bench features lock clean

PYTHON := .venv/bin/python
PACKAGES := $(patsubst %/__init__.py,%,$(wildcard acd/__init__.py storage/__init__.py cti/__init__.py channels/__init__.py \
  directory/__init__.py records/__init__.py recordings/__init__.py dashboards/__init__.py softphone/__init__.py api/__init__.py))
ARGS ?=

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 18

setup: ## everything that running and testing need
	@tools/setup test

run: ## set up, then a demo centre: calls come in and are answered
	@tools/setup run
	@.venv/bin/ringside up --demo $(ARGS)

test: ## set up, then the tests (ARGS="-k name" for some of them)
	@tools/setup test
	@$(PYTHON) -m pytest --results=build/results/test.json $(ARGS)

check: ## ruff, mypy --strict, import-linter, house rules
	@tools/setup test
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy --strict $(PACKAGES) tools tests $(patsubst %/__init__.py,%,$(wildcard benchmarks/__init__.py))
	.venv/bin/lint-imports
	$(PYTHON) -m tools.house_rules

proof: ## the long proofs: a million steps, kill -9, injected differences
	@tools/setup test
	@$(PYTHON) -m tools.proof $(ARGS)

bench: ## the measurements, with their targets
	@tools/setup test
	@$(PYTHON) -m benchmarks $(ARGS)

features: ## which features are proven by which tests
	@tools/setup test
	@$(PYTHON) -m tools.features

lock: ## resolve the dependencies anew (needs uv on the path)
	@tools/lock

clean: ## remove what the targets made, but not .venv and .asterisk
	rm -rf build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -not -path './.venv/*' -not -path './.asterisk/*' -prune -exec rm -rf {} +
