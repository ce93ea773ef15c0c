# Kontor: `make run` plays the main job, `make test` checks everything. Each installs what it needs.

STATE := .kontor
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.9
UV := $(shell command -v uv || echo $(STATE)/uv/bin/uv)
# An interpreter is what the machine has, never a download; links between file systems fail.
export UV_PYTHON_DOWNLOADS := never
export UV_LINK_MODE := copy
WORKERS ?= 2
# Options for `make run`, such as ARGS=--once.
ARGS ?=
MINUTES ?= 10

.PHONY: help install run browser screenshots test check lint bench soak seeded reset lock contracts clean
.DEFAULT_GOAL := help

help: ## Show this list.
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1	\2/p' $(MAKEFILE_LIST) | expand -t 12

install: $(VENV)/installed ## Install the pinned dependencies into .venv.

$(STATE)/uv/bin/uv:
	python3 -m venv $(STATE)/uv
	$(STATE)/uv/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

$(VENV)/installed: requirements.lock pyproject.toml $(if $(findstring /,$(UV)),$(UV))
	test -x $(BIN)/python || $(UV) venv --quiet --python python3 $(VENV)
	$(UV) pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --editable .
	touch $@

run: install ## Start everything on this machine, play the main job, stay up.
	@$(BIN)/kontor up --demo $(ARGS)

browser: ## Install Chromium for the browser tests, where that may be done here.
	@command -v chromium >/dev/null || if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; \
		then apt-get update -qq && apt-get install -qq -y --no-install-recommends chromium; \
		else false; fi || echo "No Chromium here (apt-get install chromium): browser tests are skipped."

screenshots: install browser ## Take pictures of every page into docs/screenshots.
	@$(BIN)/python -m tests.e2e.screenshots

test: lint browser ## Lint, types, import rules, and all tests.
	$(BIN)/pytest --numprocesses $(WORKERS) --dist loadfile

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

check: lint ## Lint, types, import rules, and the tests that need no servers.
	KONTOR_TEST_SERVERS=none $(BIN)/pytest tests/unit tests/contracts

contracts: install ## Write the OpenAPI and AsyncAPI documents anew.
	$(BIN)/python -m deploy.contracts

lock: install ## Pin the newest allowed versions of all dependencies.
	$(UV) pip compile --quiet --upgrade pyproject.toml --group dev --group local \
		--universal --python-version 3.11 --generate-hashes --output-file requirements.lock
	$(UV) pip compile --quiet pyproject.toml --constraint requirements.lock \
		--universal --python-version 3.11 --generate-hashes --output-file deploy/requirements.lock

reset: install ## Delete the data of the embedded stack.
	$(BIN)/kontor reset

bench: install ## Measure against hand-written floors; QUICK=1 is shorter, ONLY=name picks.
	@$(BIN)/python -m tests.benchmarks

soak: install ## Load, deaths and restarts for MINUTES, then check everything.
	@$(BIN)/python -m tests.faults.soak $(MINUTES)

seeded: install ## Break a copy of the tree on purpose and see each fault test fail.
	@$(BIN)/python -m tests.faults.seeded $(ARGS)

clean: ## Delete everything that was installed or stored.
	rm -rf $(VENV) $(STATE)
