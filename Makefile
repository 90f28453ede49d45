# `make demo` and `make test` need Python 3.11 or newer, and nothing else.

PYTHON ?= python3
VENV   := .venv
HERMES := .venv-hermes
OLDEST := .venv-oldest
BIN    := $(VENV)/bin
ARGS   ?=

.PHONY: demo test test-hermes test-oldest environments check format bench faults soak clean

$(VENV)/.demo: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Patter needs Python 3.11 or newer; set PYTHON=")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Setting up $(VENV) (once) ..." >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[demo]'
	@touch $@

$(VENV)/.dev: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Patter needs Python 3.11 or newer; set PYTHON=")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Setting up $(VENV) with what tests and checks need (once) ..." >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@ $(VENV)/.demo

# Hermes Agent pins some twenty packages to versions that no other framework takes.
$(HERMES)/.made: pyproject.toml
	@test -x $(HERMES)/bin/python || $(PYTHON) -m venv $(HERMES)
	@echo "Setting up $(HERMES) with Hermes Agent (once) ..." >&2
	@$(HERMES)/bin/python -m pip install --quiet --disable-pip-version-check -e '.[hermes,testing]' \
		'hermes-agent>=0.19,<0.20' 'pytest-asyncio>=1.2' 'pytest-timeout>=2.4'
	@touch $@

# The lowest versions that pyproject.toml allows of what it names, as far as they go together; uv,
# unlike pip, can be asked for them.
$(OLDEST)/.made: pyproject.toml
	@test -x $(OLDEST)/bin/python || $(PYTHON) -m venv $(OLDEST)
	@echo "Setting up $(OLDEST) with the oldest versions (once) ..." >&2
	@$(OLDEST)/bin/python -m pip install --quiet --disable-pip-version-check uv
	@$(OLDEST)/bin/uv pip install --quiet --python $(OLDEST)/bin/python --resolution lowest-direct \
		-e '.[demo,llama_index,openai_agents,pydantic_ai,anthropic,mcp,testing]' \
		'langchain-tests>=1.1,<2' 'pytest-asyncio>=1.2' 'pytest-timeout>=2.4'
	@touch $@

environments: $(VENV)/.dev $(HERMES)/.made $(OLDEST)/.made

demo: $(VENV)/.demo
	@$(BIN)/patter demo $(ARGS)

test: $(VENV)/.dev
	$(BIN)/python -m pytest $(ARGS)

test-hermes: $(HERMES)/.made
	$(HERMES)/bin/python -m pytest tests/hermes $(ARGS)

test-oldest: $(OLDEST)/.made
	$(OLDEST)/bin/python -m pytest tests/adapters tests/integrations $(ARGS)

check: $(VENV)/.dev
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/lint-imports

format: $(VENV)/.dev
	$(BIN)/ruff check --fix-only --quiet
	$(BIN)/ruff format

bench: $(VENV)/.dev
	@for script in benchmarks/bench_*.py; do echo "== $$script"; $(BIN)/python $$script; done

faults: $(VENV)/.dev
	@$(BIN)/python benchmarks/faults.py $(ARGS)

soak: $(VENV)/.dev
	@$(BIN)/python benchmarks/soak.py $(or $(MINUTES),10)

clean:
	rm -rf $(VENV) $(HERMES) $(OLDEST) build dist patter-demo .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
