# Every verb works on a fresh clone: what it needs is set up first, once.
.DEFAULT_GOAL := help
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
DEMO_STATE := .cache/demo

.PHONY: help setup demo test check docs bench soak clean

help:  ## list the verbs
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

setup: $(STAMP)  ## make .venv with everything (uv where there is one, else pip)

$(STAMP): pyproject.toml constraints.txt
	@if command -v uv >/dev/null 2>&1 && uv --version >/dev/null 2>&1; then \
	  { [ -x $(BIN)/python ] || uv venv -q --python $(PYTHON) $(VENV); } && \
	  uv pip install -q --python $(BIN)/python -c constraints.txt -e '.[dev]'; \
	else \
	  { [ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV); } && \
	  $(BIN)/python -m pip install -q -c constraints.txt -e '.[dev]'; \
	fi
	@touch $(STAMP)

demo: $(STAMP)  ## train, register, deploy and score on this machine (no Docker, no credentials)
	@$(BIN)/rehearse down --state $(DEMO_STATE) >/dev/null 2>&1 || true
	@trap '$(BIN)/rehearse down --state $(DEMO_STATE)' EXIT; \
	$(BIN)/rehearse up --detach --ports auto --state $(DEMO_STATE) && \
	$(BIN)/rehearse run online-endpoint --state $(DEMO_STATE)

test: check  ## everything but soak: static checks, then every test
	@$(BIN)/python -m pytest -n auto --dist loadfile $(PYTEST_ARGS)

check: $(STAMP)  ## all static checks: ruff, types, import contracts
	@$(BIN)/ruff check -q .
	@$(BIN)/ruff format -q --check .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo >/dev/null || $(BIN)/lint-imports

docs: $(STAMP)  ## rewrite the generated parts of the documentation
	@$(BIN)/python -m tests.docs.generate

bench: $(STAMP)  ## all benchmarks, as ratios; rewrites docs/performance.md
	@$(BIN)/python -m benchmarks

soak: $(STAMP)  ## long fuzzing and kill -9 runs
	@$(BIN)/python -m pytest -m soak $(PYTEST_ARGS)

clean:  ## remove what the verbs made, but for caches outside the tree
	@rm -rf $(VENV) .cache .rehearsal .pytest_cache .mypy_cache .ruff_cache .hypothesis
