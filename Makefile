# Two commands: `make run` starts the district, `make test` proves it. Both do their own set-up.
.DELETE_ON_ERROR:
.PHONY: run test lint types tests soak bench client wheel lock clean

VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

run: $(VENV)/run.stamp
	@exec $(BIN)/microgrid up $(ARGS)

test: lint types tests

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/dev.stamp
	$(BIN)/mypy

tests: $(VENV)/dev.stamp
	$(BIN)/pytest -n 2 --dist loadscope --durations 40 --durations-min 5 $(ARGS)

# The checks of operation at full size, and not part of `make test`; the report is var/soak/report.md.
# One of them with a seed: make soak CHECK=7 SEED=42. A quarter of the trials: SOAK=short.
SOAK ?= full
soak: $(VENV)/dev.stamp
	SOAK=$(SOAK) CHECK=$(CHECK) SEED=$(SEED) $(BIN)/pytest -m "soak or check" $(ARGS)

bench: $(VENV)/run.stamp
	$(BIN)/microgrid bench $(ARGS)

wheel: $(VENV)/dev.stamp
	$(BIN)/uv build --wheel --quiet --out-dir dist

# The client's methods follow the API's document; a test fails where they do not.
client: $(VENV)/dev.stamp
	$(BIN)/python tools/client.py

# The locks hold names, versions and hashes alone.
lock: $(VENV)/dev.stamp
	sh tools/lock.sh

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache

$(VENV)/installer.stamp: tools/setup.sh requirements/installer.lock
	@sh tools/setup.sh venv $(VENV)
	@touch $@

$(VENV)/run.stamp: $(VENV)/installer.stamp requirements/run.lock pyproject.toml
	@sh tools/setup.sh install $(VENV) run
	@touch $@

$(VENV)/dev.stamp: $(VENV)/installer.stamp requirements/dev.lock pyproject.toml
	@sh tools/setup.sh install $(VENV) dev
	@touch $@ $(VENV)/run.stamp
