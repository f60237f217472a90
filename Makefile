# `make demo` and `make test` need only Python 3.11 or newer, with its venv module, and make.
PYTHON ?= python3
BIN := .venv/bin
# The environment holds a CUDA build of PyTorch; while it unpacks, its archives need room too.
NEEDED_GB := 12

.PHONY: help install test lint demo clean
help:
	@echo "make demo     install into .venv and run the main job on real data"
	@echo "make test     install into .venv and run the linters and the tests"
	@echo "make install  the step that both share"
	@echo "make clean    remove .venv and what the tools left behind"

install: .venv/installed

.venv/installed: pyproject.toml
	@command -v $(PYTHON) >/dev/null || { \
	  echo "No $(PYTHON) on the PATH. Install Python 3.11 or newer (Debian: apt-get install python3 python3-venv),"; \
	  echo "or name one: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "$(PYTHON) is $$($(PYTHON) --version), and Sennit needs Python 3.11 or newer."; \
	  echo "Name another: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "$(PYTHON) has no venv module (Debian: apt-get install python3-venv)."; exit 1; }
	@[ -d .venv ] || $(PYTHON) -c 'import shutil, sys; free = shutil.disk_usage(".").free / 2**30; \
	  sys.exit(free < $(NEEDED_GB) and f"Only {free:.1f} GiB free here; the install needs $(NEEDED_GB). Make room, or use another disk.")'
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv .venv
	@echo "Installing into .venv (some minutes the first time) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[all,dev]'
	@touch $@

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	rm -rf .types && $(BIN)/python -m tests.type_links
	$(BIN)/mypy
	cd .types && ../$(BIN)/lint-imports --config ../pyproject.toml

# One thread each: two processes with two threads on two cores wait for one another.
test: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

demo: install
	$(BIN)/sennit demo

clean:
	rm -rf .venv .types build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
