# make demo, make test: nothing but Python 3.11 or 3.12, pip and make is presupposed.
VENV ?= .venv
PYTHON ?= $(shell for p in python3.12 python3.11 python3 python; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' \
	2>/dev/null && echo $$p && break; done)
BIN := $(VENV)/bin
EXTRA ?= test
CLAIMS ?= tradeoff_penalty tradeoff_ball tradeoff_overlap tradeoff_proxy \
	tradeoff_length safety_basin elasticity_law compression_is_loss \
	elasticity_springs resistance rebound elasticity_scale elasticity_memory \
	security_vectors security_vectors_samples security_vectors_dose \
	security_vectors_rank_and_placement security_vectors_carriers security_vectors_minmin \
	security_vectors_optimizer security_vectors_generalisation unlearnability_bound \
	bridge_effective_volume arena
# One compilation cache for all tests and demos of this checkout.
export JAX_COMPILATION_CACHE_DIR ?= $(CURDIR)/.cache/xla
export JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS ?= 0.5
export XDG_CACHE_HOME ?= $(CURDIR)/.cache

UNITS := unit unit-theory unit-experiments
.PHONY: $(UNITS) help demo test lint types imports test-slow test-deep golden bench notebooks clean

help:  ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

define installed
	@test -n "$(PYTHON)" || { echo 'make: needs Python 3.11 or 3.12 (PYTHON=...)'; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '$(1)'
	@touch $@
endef

$(VENV)/ready-demo: setup.cfg pyproject.toml
	$(call installed,.)

$(VENV)/ready-%: setup.cfg pyproject.toml
	$(call installed,.[$*])

demo: $(VENV)/ready-demo  ## the first claim on this machine, some five minutes
	$(BIN)/simlab run tradeoff_penalty --preset laptop

test: lint types imports  ## everything a change must pass
	$(MAKE) --no-print-directory --jobs=2 --keep-going unit-theory unit-experiments notebooks

unit: unit-theory unit-experiments  ## all tests but those of the notebooks

lint: $(VENV)/ready-$(EXTRA)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/ready-$(EXTRA)
	$(BIN)/mypy

imports: $(VENV)/ready-$(EXTRA)
	$(BIN)/lint-imports --no-cache

# Two halves, one a core. The search through the ledger is shared by the first. Each has a
# compilation cache of its own: entries are not written atomically. The first computes
# little with what it compiles, and compiles it without optimisation; slow tests train,
# and get all of it. MOVED: tests of the second that the first has time for.
MOVED := $(wildcard tests/experiments/test_falsify*.py) tests/experiments/test_kill.py
FIRST := theory simlab tests/theory tests/bounds tests/simlab $(MOVED)
PYTEST := python -m pytest --doctest-modules --durations=15

unit-theory: $(VENV)/ready-$(EXTRA)
	JAX_COMPILATION_CACHE_DIR=$(JAX_COMPILATION_CACHE_DIR)-theory SIMLAB_TESTS_CORE=0 \
		SIMLAB_TESTS_LEVEL=0 $(BIN)/$(PYTEST) $(FIRST)

unit-experiments: $(VENV)/ready-$(EXTRA)
	SIMLAB_TESTS_CORE=1 $(BIN)/$(PYTEST) experiments tests --ignore=tests/notebooks $(FIRST:%=--ignore=%)

notebooks: $(VENV)/ready-$(EXTRA)  ## execute the notebooks
	$(BIN)/python -m pytest tests/notebooks

test-slow: $(VENV)/ready-$(EXTRA)  ## the tests that take minutes
	XLA_FLAGS= $(BIN)/python -m pytest -m slow

test-deep: $(VENV)/ready-$(EXTRA)  ## every property with 2,000 examples
	HYPOTHESIS_PROFILE=deep $(BIN)/python -m pytest -m "not slow"

golden: $(VENV)/ready-corpora  ## run the committed results again, into experiments/golden
	for claim in $(CLAIMS); do \
		$(BIN)/simlab run $$claim --preset laptop; \
		$(BIN)/python -m experiments.keep $$claim || exit 1; done

bench: $(VENV)/ready-bench  ## speed, side by side with PyTorch: BENCH="sweep --repeats 3"
	$(BIN)/python -m experiments.benchmarks $(BENCH)

clean:  ## remove what was made, results excepted
	rm -rf $(VENV) .cache build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
