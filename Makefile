# Every command says what it does: make help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
BIN := .venv/bin
PLATFORM := $(BIN)/ecommerce-platform
export DAGSTER_HOME ?= $(CURDIR)/data/dagster_home
export DAGSTER_DISABLE_TELEMETRY := yes
export DO_NOT_TRACK := 1
PYTEST_ARGS ?=
# Test processes beside each other; a file stays in one of them, so that what its tests share starts once. One for a debugger: LANES=0
LANES ?= 2
IN_LANES = -n $(LANES) --dist loadfile
# What has a command of its own is in none of the others.
EVERYDAY := not soak and not mutation and not kubernetes and not snowflake
# A Dagster home that exists; a new one sends no telemetry and asks for no address.
DAGSTER_HOME_READY = mkdir -p $(DAGSTER_HOME) && { [ -e $(DAGSTER_HOME)/dagster.yaml ] || { cp ecommerce_platform/operations/dagster.yaml $(DAGSTER_HOME)/.dagster.yaml.$$$$ && mv -n $(DAGSTER_HOME)/.dagster.yaml.$$$$ $(DAGSTER_HOME)/dagster.yaml; rm -f $(DAGSTER_HOME)/.dagster.yaml.$$$$; }; }

.PHONY: help
help:  ## This list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-18s %s\n", $$1, $$2}'

.PHONY: setup
setup:  ## Virtual environment with pinned packages and jars (done once, by the others too)
	@scripts/setup.sh $(JARS)

# The jars for S3 come with the first settings that need them.
demo dev: JARS := core

.PHONY: demo
demo: setup  ## The whole batch layer on 14 days of a sample shop, on this machine
	@$(DAGSTER_HOME_READY)
	@$(PLATFORM) demo
	@$(BIN)/python -m ecommerce_platform.archive_classes --in-background

.PHONY: archive
archive: setup  ## Spark's classes archived (a minute, 210 MB): each start of Spark is seven seconds shorter
	@$(BIN)/python -m ecommerce_platform.archive_classes

.PHONY: dev
dev: setup  ## Dagster's UI on the same data (stop with ctrl-c)
	@$(DAGSTER_HOME_READY)
	@$(PLATFORM) local up
	@$(BIN)/python -m ecommerce_platform.operations.web.dev -w workspace.yaml --port $(or $(PORT),3000)

.PHONY: down
down:  ## Stop the embedded servers
	@$(PLATFORM) local down

.PHONY: check
check: setup  ## Format, lint, types, imports, lock file, words, spelling, SQL, reference pages, links of the documentation
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python scripts/check_lock.py
	@$(BIN)/python scripts/check_words.py
	@git ls-files -z | xargs -0 $(BIN)/codespell
	@$(BIN)/sqlfluff lint --processes 2 dbt_project/models dbt_project/tests
	@$(BIN)/python scripts/reference.py --check
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --site-dir $(or $(TMPDIR),/tmp)/ecommerce-platform-site

.PHONY: test
test: setup  ## All tests but the heavy sets
	@$(BIN)/python -m pytest $(IN_LANES) -m "not slow and $(EVERYDAY)" $(PYTEST_ARGS)

.PHONY: coverage
coverage: setup  ## make test and make test-slow, with the lines that they reach counted
	@$(BIN)/python -m pytest -m "$(EVERYDAY)" --cov --cov-report=term $(PYTEST_ARGS)

.PHONY: test-slow
test-slow: setup  ## The heavy set: long histories, kills, large data
	@$(BIN)/python -m pytest $(IN_LANES) -m "slow and $(EVERYDAY)" $(PYTEST_ARGS)

.PHONY: test-soak
test-soak: setup  ## Long trials that are not part of CI: every alert caused for real, secrets planted, many kills
	@$(BIN)/python -m pytest -m "soak and not kubernetes" $(PYTEST_ARGS)

.PHONY: mutation
mutation: setup  ## Small mistakes put into all that computes money, one at a time: each must fail a test (data/mutation.jsonl)
	@mkdir -p data
	@rm -f data/mutation.jsonl
	@MUTATION_REPORT=$(CURDIR)/data/mutation.jsonl $(BIN)/python -m pytest -m "mutation and not snowflake" $(PYTEST_ARGS)

.PHONY: soak
soak: setup  ## 10,000 histories of a real PostgreSQL, then 200 kills (an hour or two; SEED=, KILLS=, HISTORIES=)
	@mkdir -p data/soak
	@POSTGRES_HISTORIES=$(or $(HISTORIES),10000) POSTGRES_SEED=$(or $(SEED),20260101) \
	  $(BIN)/python -m pytest -s ecommerce_platform_tests/postgres --basetemp data/soak/postgres $(PYTEST_ARGS)
	@rm -rf data/soak/kills
	@$(BIN)/python -m ecommerce_platform_tests.faults.soak --kills $(or $(KILLS),200) --seed $(or $(SEED),20260101) \
	  --work data/soak/kills --report data/soak/kills.json

.PHONY: test-snowflake
test-snowflake: setup  ## Load, dbt and reconciliation on a real Snowflake account (environment variables name it)
	@if [ -z "$${ECOMMERCE_SNOWFLAKE__ACCOUNT:-}" ]; then \
	  echo "test-snowflake: no account named; set ECOMMERCE_SNOWFLAKE__ACCOUNT, __USER and __PRIVATE_KEY_PATH. Nothing done."; \
	else mkdir -p data; $(BIN)/python -m pytest -m snowflake --junitxml data/snowflake.xml $(PYTEST_ARGS) || true; \
	  $(BIN)/python scripts/snowflake_differences.py data/snowflake.xml data/snowflake-differences.md; fi

BENCHMARKS_READY = [ .venv-benchmarks/.ready -nt benchmarks/requirements.lock ] || { \
	  $(BIN)/python -m venv .venv-benchmarks && \
	  $(BIN)/uv pip sync --quiet --compile-bytecode --python .venv-benchmarks/bin/python --require-hashes benchmarks/requirements.lock && \
	  touch .venv-benchmarks/.ready; }

.PHONY: benchmark
benchmark: setup  ## The platform beside what people would use instead (hours); writes docs/performance.md
	@$(BENCHMARKS_READY)
	@$(BIN)/python -m benchmarks $(BENCHMARKS)

.PHONY: benchmark-quick
benchmark-quick: setup  ## The same with small data, in less than ten minutes
	@$(BENCHMARKS_READY)
	@$(BIN)/python -m benchmarks --quick $(BENCHMARKS)

.PHONY: docs
docs: setup  ## The documentation site into site/, links checked, dbt's documentation with it
	@$(BIN)/python scripts/dbt_docs.py docs/reference/dbt/index.html
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

.PHONY: hooks
hooks: setup  ## Git hooks: format, lint, imports, lock file, words, reference pages, SQL
	@$(BIN)/pre-commit install

.PHONY: screenshots
screenshots: setup  ## Pictures of the UI for the documentation, taken by the browser tests
	@SCREENSHOTS_DIR=$(CURDIR)/docs/images $(BIN)/python -m pytest -m browser $(PYTEST_ARGS)

.PHONY: reference
reference: setup  ## Write docs/reference/ from the code
	@$(BIN)/python scripts/reference.py

.PHONY: test-kubernetes
test-kubernetes: setup  ## Image, chart and tests on a one-node Kubernetes started for it (root; Debian's containerd, runc, buildah …)
	@scripts/kubernetes/test.sh $(PYTEST_ARGS)

.PHONY: kind-up
kind-up:  ## A kind cluster with the platform's images (Docker with 12 GiB)
	@scripts/kubernetes/kind.sh up

.PHONY: kind-demo
kind-demo:  ## The platform on the kind cluster: install, sample shop, a run through the webserver, marts
	@scripts/kubernetes/kind.sh demo

.PHONY: kind-down
kind-down:  ## Delete the kind cluster
	@scripts/kubernetes/kind.sh down

.PHONY: format
format: setup  ## Format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

.PHONY: lock
lock:  ## Write requirements.lock from requirements.in
	@$(BIN)/uv pip compile requirements.in --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-emit-find-links --no-annotate --no-header --quiet --output-file requirements.lock
	@$(BIN)/python scripts/lock_image.py

.PHONY: lock-benchmarks
lock-benchmarks:  ## The same for benchmarks/requirements.lock
	@$(BIN)/uv pip compile benchmarks/requirements.in --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-emit-find-links --no-annotate --no-header --quiet --output-file benchmarks/requirements.lock

.PHONY: clean
clean:  ## Stop the servers and remove the data directory
	@if [ -x $(PLATFORM) ]; then $(PLATFORM) local down; fi
	@rm -rf data
