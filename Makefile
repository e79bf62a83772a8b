# SPDX-License-Identifier: Apache-2.0
# Every target creates .venv first if it is missing. README.md describes `make render` and `make test`.

PYTHON ?= python3.11
SHARDS ?= 0-1
CONFIG ?= configs/demo.yaml
OUT ?= data/$(basename $(notdir $(CONFIG)))
WORKERS ?=
VENV := .venv
RUN := $(VENV)/bin
INSTALL := $(RUN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: docs gallery setup render test lint wheel test-wheel bench bench-cores bench-estimate bench-render search-render bench-solvers bench-integration bench-loader bench-light-basis bench-backbone eval-solvers bundled-data bundled-model study-paradigm study-quality clean

# Two stamp files, since rendering needs neither torch nor the test tools.
$(VENV)/.render: pyproject.toml constraints.txt
	test -x $(RUN)/python || $(PYTHON) -m venv $(VENV)
	$(INSTALL) --editable .
	touch $@

$(VENV)/.all: $(VENV)/.render
	$(INSTALL) --editable '.[train,infer,export,fetch,photos,pretrained,test]'
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
	$(RUN)/lint-imports --no-logo
	$(RUN)/pylint --jobs 2 multishade
	$(RUN)/python docs/build_api.py --check
	$(RUN)/python docs/build_settings.py --check

# Write docs/api.md from the docstrings of the public functions; docs/settings.md and configs/schema/ from the settings.
docs: $(VENV)/.all
	$(RUN)/python docs/build_api.py
	$(RUN)/python docs/build_settings.py

# Make the pictures of README.md by its commands, in data/ (about ten minutes).
gallery: $(VENV)/.all
	$(RUN)/python docs/build_gallery.py --data data

# Build dist/*.whl with recipes, manifests and the bundled model; list and check its content.
wheel: $(VENV)/.render
	rm -rf build dist
	$(RUN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .
	rm -rf build
	$(RUN)/python .ci/check_wheel.py dist/*.whl

# Install the wheel into a fresh environment and run its commands in an empty folder (about two minutes).
test-wheel: $(VENV)/.all wheel
	$(RUN)/python -m pytest -m slow tests/test_wheel.py

bench: $(VENV)/.all
	$(RUN)/python -m benchmarks.pipeline

# Measure seconds per view at equal quality against other renderers; compare settings (docs/performance.md).
bench-render: $(VENV)/.all
	$(RUN)/python -m benchmarks.rendering

search-render: $(VENV)/.all
	$(RUN)/python -m benchmarks.rendering.schedule

# Compare one Blender process on all cores with one per core.
bench-cores: $(VENV)/.all
	$(RUN)/python -m benchmarks.cores

# Compare what `multishade plan` estimates with what `multishade render` takes, on three recipes (about 10 minutes).
bench-estimate: $(VENV)/.render
	$(RUN)/python -m benchmarks.estimate

bench-solvers: $(VENV)/.all
	$(RUN)/python -m benchmarks.solvers

bench-integration: $(VENV)/.all
	$(RUN)/python -m benchmarks.integration

bench-loader: $(VENV)/.all
	$(RUN)/python -m benchmarks.loader

# Measure what a light basis costs and saves: the tables of docs/light-basis.md.
bench-light-basis: $(VENV)/.all
	$(RUN)/python -m benchmarks.light_basis

# Evaluate the solvers on rendered shards of unseen objects and materials, in each mode of shading: docs/evaluation.md.
EVALUATED := --shards 0 --set split=test --set shards.groups=12 --set views.count=1 --set camera.width=128 \
  --set camera.height=128 --set lights.parallel.count=1 --set shading.count=24 --set render.samples.shading=64
eval-solvers: $(VENV)/.render
	for mode in lambert cast photometric; do \
	  $(RUN)/multishade render configs/photometric.yaml $(EVALUATED) --set shading.mode=$$mode \
	    -o data/eval/$$mode $(if $(WORKERS),--workers $(WORKERS)) && \
	  $(RUN)/multishade evaluate solvers --on shards:data/eval/$$mode -o out/eval/$$mode || exit 1; \
	done

# Compare pretrained encoders with other networks at equal processor time: 35 minutes of a core a run, 18 runs.
bench-backbone: bundled-data $(VENV)/.all
	$(RUN)/python -m benchmarks.backbone

# Make the bundled model again: data (about an hour on two cores), training (half an hour on one), export.
BUNDLED := configs/bundled.yaml $(if $(WORKERS),--workers $(WORKERS))
bundled-data: $(VENV)/.render
	$(RUN)/multishade assets builtin -o data/bundled-assets --objects-per-family 128 --materials-per-family 48
	$(RUN)/multishade render $(BUNDLED) --shards 0-34 -o data/bundled
	for split in val test; do \
	  $(RUN)/multishade render $(BUNDLED) --set split=$$split --set shards.groups=24 --set shards.count=1 --shards 0 \
	    -o data/bundled-$$split || exit 1; \
	done

bundled-model: bundled-data $(VENV)/.all
	for half in bundled-coarse bundled; do \
	  OMP_NUM_THREADS=1 $(RUN)/multishade train configs/train/$$half.yaml \
	    $$(test -d out/$$half/checkpoints && echo --resume) || exit 1; \
	done
	$(RUN)/python -m multishade.training.export out/bundled --curves docs/images/bundled-curves.png

# Make the tables of docs/study-paradigm.md, about 40 processor minutes; MULTISHADE_DILIGENT=FOLDER adds real objects.
study-paradigm: bundled-data $(VENV)/.all
	$(RUN)/python -m benchmarks.study_paradigm $(if $(WORKERS),--workers $(WORKERS))

# Make the tables of docs/study-quality.md: renders and trains for hours, and continues where it was stopped.
study-quality: $(VENV)/.all
	$(RUN)/multishade assets builtin -o data/bundled-assets --objects-per-family 128 --materials-per-family 48
	$(RUN)/python -m benchmarks.study_quality $(if $(WORKERS),--workers $(WORKERS))

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
