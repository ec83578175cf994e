# `make help` lists the targets: a target's line ends in ## and what it does.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

# The encoding of files, whatever the system's: DVC writes the names of folders.
export PYTHONUTF8 := 1

# "anew" for a .venv whose Python is gone or whose scripts name another folder's: the project was copied or renamed.
STALE = test ! -e .venv || { $(BIN)/python -c '' && test "$$(sed -n '1,2s,^[^/]*\(/.*\)python.*,\1,p' $(BIN)/pip)" -ef $(BIN); } || echo anew

.venv/installed: pyproject.toml constraints.txt $(shell { $(STALE); } 2>/dev/null)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] < (3, 11))' || { echo "$(PYTHON) is older than 3.11: name another, as in make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing into .venv (a few minutes the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[pipeline,sweep,dev]'
	@touch $@

.PHONY: anew
anew:
	@echo ".venv was made for another folder, or its Python is gone: making it anew"
	@rm -rf .venv

.PHONY: help install run grid tuned-grid findings test test-slow test-part mutants floors lint bench ui clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# In a folder without git, as a downloaded zip is, DVC works where it is told so.
.PHONY: scm
scm:
	@git rev-parse --git-dir >/dev/null 2>&1 || for table in . grid; do \
		test -e $$table/.dvc/config.local || printf '[core]\n    no_scm = true\n' > $$table/.dvc/config.local; done

install: scm .venv/installed ## make .venv and install into it

run: install ## prepare the data, train, evaluate and compare the four architectures; writes reports/index.html
	@dvc repro
	@quartet compare --show

grid: install ## train every net on every data set, all of the same size, with three seeds; writes grid/reports/index.html
	@quartet grid grid

tuned-grid: install ## tune every net on every data set with the same number of trials (hours; goes on where it stopped)
	@quartet tune grid

findings: install ## put the article's statements to the test (hours; goes on where it stopped); writes findings/reports/index.html
	@quartet findings

test: install ## run the tests two files at once, without the slow ones and those that fetch data
	@OMP_NUM_THREADS=1 python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-slow: install ## run all tests, with real data
	@python -m pytest -m 'not floors'

test-part: install ## run a part of the slow tests, a different one after each commit (16 minutes at most)
	@python tests/slow_part.py

mutants: install ## change the code in 175 places, one at a time, to see whether its tests notice (hours); MUTANTS='--help' tells more
	@PYTHONPATH=tests OMP_NUM_THREADS=1 nice -n 15 python -m mutants $(MUTANTS)

floors: install ## train the four main experiments with three seeds and check the metrics that they must reach (hours)
	@python -m pytest -s -m floors tests/test_floors.py

lint: install ## run ruff and mypy
	@ruff check . && ruff format --check . && mypy

bench: install ## measure the documented speeds; writes reports/bench.json
	@python benchmarks/bench.py

ui: install ## serve the MLflow pages at http://127.0.0.1:5000
	@quartet ui

clean: ## delete what was made in build, data, results, reports and runs, here, in grid and in findings, and no file of yours
	@PYTHONPATH=src $(PYTHON) -m quartet_app.table.clean . grid findings
