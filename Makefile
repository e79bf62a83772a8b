# SPDX-License-Identifier: Apache-2.0
# Every target makes its own .venv first. `make render` and `make test` are the two commands of the README.

PYTHON ?= python3.11
SHARDS ?= 0-1
CONFIG ?= configs/demo.yaml
OUT ?= data/$(basename $(notdir $(CONFIG)))
WORKERS ?=
VENV := .venv
RUN := $(VENV)/bin
INSTALL := $(RUN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: setup render test test-slow lint bench bench-solvers clean

# Two stamps: rendering needs neither torch nor the test tools.
$(VENV)/.render: pyproject.toml constraints.txt
	test -x $(RUN)/python || $(PYTHON) -m venv $(VENV)
	$(INSTALL) --editable .
	touch $@

$(VENV)/.all: $(VENV)/.render
	$(INSTALL) --editable '.[train,test]'
	touch $@

setup: $(VENV)/.all

render: $(VENV)/.render
	$(RUN)/multishade render $(CONFIG) --shards $(SHARDS) -o $(OUT) $(if $(WORKERS),--workers $(WORKERS))

test: $(VENV)/.all
	$(RUN)/python -m pytest --numprocesses 2 --dist loadfile tests

lint: $(VENV)/.all
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy

bench: $(VENV)/.all
	$(RUN)/python -m benchmarks.pipeline

bench-solvers: $(VENV)/.all
	$(RUN)/python -m benchmarks.solvers

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
