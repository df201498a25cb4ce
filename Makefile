# Each target does its own set-up in .venv; nothing needs to be installed first but Python 3.11+ and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PEERS := .venv-peers
FRAMEWORKS := jax keras
AXE := $(VENV)/package/axe.min.js
FIGURES := $(filter-out common,$(basename $(notdir $(wildcard analysis/*.py))))

# Tests start many processes: without bytecode on disk each would compile the package's sources again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help ready ready-pytorch lecture figures $(FIGURES) test test-slow test-peers test-pytorch test-pytorch-slow test-frameworks test-browser test-notebooks test-dask fuzz soak docs \
  bench bench-old agreement calibration doubt battery training mutants versions dist coverage check lint format clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

ready: $(VENV)/.base-ready  ## install varprop in .venv

ready-pytorch: $(VENV)/.pytorch-ready  ## the same, and PyTorch

figures: $(FIGURES)  ## make every figure in figures/, with its numbers beside it

$(FIGURES): $(VENV)/.base-ready
	$(BIN)/python analysis/$@.py

test: $(VENV)/.ready  ## run the tests
	$(BIN)/python tests/warm.py
	$(BIN)/python -m pytest --numprocesses auto --dist worksteal -m 'not slow' --ignore-glob "tests/test_pytorch*" --ignore-glob "tests/test_dask*"

test-slow: $(VENV)/.ready  ## run the tests that take long and rarely fail
	$(BIN)/python -m pytest --numprocesses auto --dist worksteal -m slow --ignore-glob "tests/test_pytorch*" --ignore-glob "tests/test_dask*"

fuzz: $(VENV)/.ready  ## ask thousands of random questions, damage files; FUZZ_EXAMPLES says how many of each kind
	FUZZ_EXAMPLES=$${FUZZ_EXAMPLES:-1000} $(BIN)/python -m pytest tests/test_fuzz.py tests/test_archive.py --numprocesses auto

soak: $(VENV)/.ready  ## kill runs with a checkpoint KILLS times (1,000), and hold what they come to; an hour on two cores
	PYTHONPATH=. $(BIN)/python tests/kills.py $${KILLS:-1000}

test-peers: $(PEERS)/.ready  ## hold the kernels of wide networks against neural-tangents
	$(PEERS)/bin/python -m pytest tests/peer_neural_tangents.py

test-pytorch: $(VENV)/.pytorch-test-ready  ## run the tests that need PyTorch
	$(BIN)/python -m pytest -m 'not slow' $(wildcard tests/test_pytorch*.py)

test-pytorch-slow: $(VENV)/.pytorch-test-ready  ## audit ResNet-50 and ViT-B/16, some two minutes
	$(BIN)/python -m pytest -m slow --durations=0 $(wildcard tests/test_pytorch*.py)

test-frameworks: $(FRAMEWORKS:%=.venv-%/.ready)  ## hold the laws of weights against JAX's, Flax's and Keras's own
	set -e; for name in $(FRAMEWORKS); do .venv-$$name/bin/python -m pytest tests/peer_$$name.py; done

test-dask: $(VENV)/.dask-ready  ## draw on a Dask cluster whose workers are killed and frozen, on MPI and loky, some two minutes
	$(BIN)/python tests/warm.py
	$(BIN)/python -m pytest tests/test_dask.py tests/test_dask_pools.py

test-browser: $(VENV)/.browser-ready docs/_build/index.html  ## open the page that teaches in Chromium, and hold its numbers against theory and simulation; the docs too
	AXE=$(AXE) $(BIN)/python -m pytest tests/browser_page.py tests/browser_docs.py

docs/_build/index.html:
	$(MAKE) docs

test-notebooks: $(VENV)/.notebooks-ready  ## run the notebooks and hold them against what they show
	$(BIN)/python -m pytest tests/run_notebooks.py

docs: $(VENV)/.docs-ready  ## build the documentation: docs/_build/index.html
	$(BIN)/python -m sphinx --quiet --fresh-env --fail-on-warning --keep-going docs docs/_build
	$(BIN)/python -m pytest tests/built_docs.py

lecture: $(VENV)/.base-ready  ## compute the README's table of the lecture's rules
	$(BIN)/python benchmarks/lecture.py

bench: $(VENV)/.bench-ready  ## time it beside NumPy, PyTorch and JAX; writes the tables of docs/speed.md
	$(BIN)/python benchmarks/bench.py

bench-old: $(VENV)/.ready  ## time it beside an older commit, in turn; OLD names it
	$(BIN)/python benchmarks/against.py $(if $(OLD),--old $(OLD))

agreement: $(VENV)/.ready  ## hold theory against simulation; writes the tables of docs/sure.md and of docs/derivations/
	$(BIN)/python benchmarks/agreement.py
	$(BIN)/python benchmarks/derivations.py

calibration: $(VENV)/.ready  ## hold the rates of false alarms against their levels; writes docs/calibration.md
	$(BIN)/python benchmarks/calibration.py

doubt: $(VENV)/.ready  ## hold what first order says it leaves out against random networks; writes docs/doubt.md
	$(BIN)/python benchmarks/doubt.py

battery: $(VENV)/.ready  ## the generator on trial, three hours of one core: dieharder, 10^10 normals; writes docs/battery.md
	@{ command -v dieharder && command -v cc; } > /dev/null || apt-get install --yes --quiet dieharder ent rng-tools5 gcc libc6-dev || \
	  { echo "make battery needs dieharder and a C compiler; on Debian: apt-get install dieharder ent rng-tools5 gcc"; exit 1; }
	$(BIN)/python benchmarks/battery.py $(if $(RESUME),--resume)

training: $(VENV)/.training-ready  ## train networks at many multipliers, half a day on two cores; goes on where it was stopped
	$(BIN)/python benchmarks/training.py
	$(BIN)/python analysis/multiplier_training.py
	$(BIN)/python analysis/multiplier_importance.py

mutants: $(VENV)/.mutants-ready  ## put faults into the code (of MODULES) and see whether tests notice; writes docs/mutants.md
	$(BIN)/python benchmarks/mutants.py $(MODULES)

versions: $(VENV)/.dist-ready  ## try the oldest and the newest versions of what it needs with each Python at hand; writes docs/versions.md
	$(BIN)/python benchmarks/versions.py

dist: $(VENV)/.dist-ready  ## build wheel and sources into dist/, check them, install each into an empty environment and use it
	$(BIN)/python benchmarks/dist.py

coverage: $(VENV)/.ready  ## run the tests with the compiler off and show which lines they miss
	NUMBA_DISABLE_JIT=1 $(BIN)/python -m pytest -m 'not slow' --ignore-glob "tests/test_pytorch*" --ignore-glob "tests/test_dask*" --cov --cov-report=term-missing

lint: $(VENV)/.lint-ready  ## check style, types and who imports whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

format: $(VENV)/.lint-ready  ## put the code in its usual shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

check: lint test  ## lint and test

clean:  ## remove the environment and caches
	rm -rf $(VENV) $(PEERS) $(FRAMEWORKS:%=.venv-%) docs/_build dist .pytest_cache .hypothesis .ruff_cache .mypy_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.base-ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "varprop needs Python 3.11 or later; name one with: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[analysis]'
	@touch $@

$(VENV)/.ready: $(VENV)/.base-ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@

# PyTorch is pinned: a newer one may bring several GB of CUDA packages.
$(VENV)/.pytorch-ready: $(VENV)/.base-ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[pytorch]'
	@touch $@

$(VENV)/.pytorch-test-ready: $(VENV)/.ready $(VENV)/.training-ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[pytorch-test]'
	@touch $@

$(VENV)/.training-ready: $(VENV)/.pytorch-ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[training]'
	@touch $@

$(VENV)/.notebooks-ready: $(VENV)/.ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[notebooks]'
	@touch $@

$(VENV)/.dask-ready: $(VENV)/.ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dask,pools]'
	@touch $@

$(VENV)/.bench-ready: $(VENV)/.ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	@touch $@

$(VENV)/.lint-ready: $(VENV)/.ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[lint]'
	@touch $@

$(VENV)/.dist-ready: $(VENV)/.ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dist]'
	@touch $@

$(VENV)/.mutants-ready: $(VENV)/.ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[mutants]'
	@touch $@

# Debian's Chromium, which Playwright drives by its path; axe-core, which finds what keeps people from a page.
$(VENV)/.browser-ready: $(VENV)/.ready
	@test -x /usr/bin/chromium || { SUDO=$$(test $$(id -u) -eq 0 || echo sudo -n); \
	  $$SUDO apt-get update -qq && $$SUDO apt-get install -y -qq chromium; } >$(VENV)/chromium.log 2>&1 || \
	  { echo "make test-browser needs Chromium, and could not install it: apt-get install chromium"; exit 1; }
	@command -v npm >/dev/null || { echo "make test-browser needs npm, for axe-core: apt-get install npm"; exit 1; }
	cd $(VENV) && npm pack --silent axe-core@4.11.0 && tar -xzf axe-core-4.11.0.tgz package/axe.min.js
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[browser]'
	@touch $@

$(VENV)/.docs-ready: $(VENV)/.pytorch-ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	@touch $@

# Apart from the rest, since neural-tangents needs an old JAX.
$(PEERS)/.ready: pyproject.toml
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[peers]'
	@touch $@

# One a framework: each brings its own versions of what they share.
$(FRAMEWORKS:%=.venv-%/.ready): .venv-%/.ready: pyproject.toml
	$(PYTHON) -m venv .venv-$*
	.venv-$*/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[$*]'
	@touch $@
