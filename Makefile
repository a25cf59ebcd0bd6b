# Every target works on a fresh clone: it makes .venv when it is missing or older than what it is
# made from, and goes on. Needs python3 >= 3.11 with venv; a C compiler makes runs faster.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 2

MADE_FROM := pyproject.toml setup.py emu/_native.c $(wildcard emu/_*.h) toykernel/explore/_differing.c
RUNTIME := $(VENV)/.runtime
DEVELOP := $(VENV)/.develop

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test lint bench bench-compare docs worked man site package faults fuzz mutants timing-check x87-check \
  compilers clean

help:
	@echo "make run    the classic fork sample, with what its copy-on-write cost"
	@echo "make test   lint, types and all tests"
	@echo "make lint   ruff, mypy, and the floors of the house"
	@echo "make bench  speed: tables, bench.json, fork-cost.json, docs/fork-cost.svg"
	@echo "make bench-compare OLD.json  what changed since that bench.json, in turns of the reference loop"
	@echo "make mutants put single faults into the memory code; a test must catch each"
	@echo "make mutants SAMPLE=n SEED=n  so many faults, by chance, in kernel and machine: a score by package"
	@echo "make fuzz   random programs against this machine's own Linux, broken inputs: SECONDS=60 SEED=1 KIND=cpu|processes|inputs"
	@echo "make docs   what is written from the code: the table of fork-path, man page, commands"
	@echo "make worked  four worked examples for teaching, with pictures and pages: docs/worked/"
	@echo "make site   the documents as a site: site/index.html"
	@echo "make package  source distribution and wheel in dist/, checked"
	@echo "make faults every step of fork fails in turn, for every shape of caller"
	@echo "make timing-check  the cycle model against hand-derived and measured sequences"
	@echo "make x87-check  3,000,000 random x87 instructions, and SSE ones, against this computer's processor (x86-64)"
	@echo "make clean  remove .venv and everything that was built"

run: $(RUNTIME)
	@$(BIN)/toykernel run --summary userland/fork_sample.S

test: lint
	$(BIN)/python -m pytest -n $(JOBS) -rs $(PYTEST_ARGS)

lint: $(DEVELOP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(RUNTIME)
	$(BIN)/python -m bench --json bench.json
	$(BIN)/python -m bench.fork_cost --json fork-cost.json --svg docs/fork-cost.svg

# make bench-compare OLD.json: what changed since that file was written, with bench.json as it is, or made now.
bench-compare: bench.json
	$(BIN)/python -m bench.compare $(or $(filter-out bench-compare,$(MAKECMDGOALS)),$(error make bench-compare OLD.json)) bench.json

bench.json: | $(RUNTIME)
	-$(BIN)/python -m bench --json $@

# Single faults put into the memory code, one at a time; each must be caught by a test.
# With SAMPLE, so many that chance puts anywhere into kernel and machine; with SINCE, in lines changed since then.
mutants: $(DEVELOP)
ifdef SAMPLE
	$(BIN)/python tests/mutation/mutation.py --sample $(SAMPLE) --seed $(SEED) \
	  $(if $(SINCE),--since $(SINCE)) --markdown mutants.md
else
	$(BIN)/python tests/mm/mutants.py --markdown mutants.md
endif

# Random programs here and on this machine's own Linux: make fuzz SECONDS=600 SEED=5 KIND=cpu
SECONDS ?= 60
SEED ?= 1
fuzz: $(DEVELOP)
	$(BIN)/python tests/fuzz/fuzz_command.py --seconds $(SECONDS) --seed $(SEED) $(if $(KIND),--kind $(KIND))

docs: $(RUNTIME)
	$(BIN)/python docs/fork_path.py
	$(BIN)/python docs/reference.py
	$(BIN)/python docs/worked.py

# Four worked examples for teaching, with their pictures, and the pages of their runs: docs/worked/.
worked: $(RUNTIME)
	$(BIN)/python docs/worked.py --pages

# The documents as a site, in site/: open site/index.html.
site: $(DEVELOP) worked
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet

# What is published; TOYKERNEL_URL says where the sources can be seen.
package: $(DEVELOP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[package]'
	$(BIN)/python -m build
	$(BIN)/python -m twine check --strict dist/*
	$(BIN)/python -m auditwheel show dist/*.whl
	$(BIN)/python -m pytest tests/test_package.py

man: docs

faults: $(RUNTIME)
	@$(BIN)/python -m toykernel.harness.faults

timing-check: $(RUNTIME)
	@$(BIN)/python tests/timing/microbench.py

x87-check:
	mkdir -p build
	$(CC) -O2 -Iemu -o build/x87_check tests/emu/x87_check.c
	build/x87_check 3000000 $(or $(SEED),1)
	$(CC) -O2 -Iemu -o build/sse_check tests/emu/sse_check.c
	build/sse_check 3000000 $(or $(SEED),1)

# C by zig, a download of 100 MB, and by clang, where it is installed.
compilers: $(DEVELOP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[c]'
	$(BIN)/python -m pytest -rs tests/debug/test_other_compilers.py

clean:
	rm -rf $(VENV) build dist site *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	rm -f emu/_native*.so toykernel/explore/_*.so bench.json fork-cost.json mutants.md
	rm -rf fuzz-failures
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "make: $(PYTHON) is missing or older than 3.11; set PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "make: $(PYTHON) cannot make virtual environments; on Debian: apt-get install python3-venv" >&2; \
	  exit 1; }
	$(PYTHON) -m venv $(VENV)

$(RUNTIME): $(MADE_FROM) | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(DEVELOP): $(MADE_FROM) | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,lint]'
	@touch $@ $(RUNTIME)
