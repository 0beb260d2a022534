# Every target makes its own virtual environment; nothing needs root.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help demo docs test test-full test-deps release-check coverage lint format bench-accuracy bench-training bench-training-cost bench-mechanism bench-cell bench-buses bench-systolic bench-boards bench-roofline bench-link bench-verification bench-answers bench-prediction bench-neighbours clean

help:
	@echo "make demo       train, export, generate, simulate, synthesise; ends with a table"
	@echo "make test       linters, types and tests"
	@echo "make test-full  the long checks too"
	@echo "make coverage   lines and branches of hw, s3train and bitstreams that make test runs"
	@echo "make test-deps  quick tests with the lowest and the latest dependencies that are allowed"
	@echo "make docs       the documentation as a site in build/site, warnings are errors"
	@echo "make release-check   the wheel, installed into an empty environment, runs the digits demo"
	@echo "make bench-accuracy  accuracy over five seeds beside the float twin"
	@echo "make bench-training  every weight method beside its float twin (hours; can be stopped and called again)"
	@echo "make bench-training-cost  time and memory of a training step against a float one"
	@echo "make bench-mechanism sign freezing and the start, as pictures"
	@echo "make bench-systolic  the engine on boards beside its rivals (an hour and more; goes on where it stopped)"
	@echo "make bench-boards    every board through to a bitstream (an hour; goes on where it stopped)"
	@echo "make bench-roofline  where every clock of ResNet-8 goes, as a table and a picture"
	@echo "make bench-link      how busy the line to a board is while images stream, in simulation"
	@echo "make bench-verification  equality levels, proofs, mutants, hostile input, kills (hours; ARGS='--only proofs' for one part)"
	@echo "make bench-prediction  predicted against built sizes over a sweep of engines; fits the cell model (an hour; goes on where it stopped)"
	@echo "make bench-neighbours  AddressNet, polyphase sampling, attention beside ResNet-8 (wants bench-training's short runs)"
	@echo "make bench-answers   how long check, plan, report and --help take"
	@echo "make bench-cell      logic cells of one cell of the array"
	@echo "make bench-buses     what AXI and Wishbone add to the engine on an ECP5"

$(STAMP): constraints.txt pyproject.toml
	@for tool in $(PYTHON) g++; do command -v $$tool >/dev/null || { echo "$$tool is missing: shiftforge needs Python 3.11 or newer, g++ and make"; exit 1; }; done
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed, $(PYTHON) is $$($(PYTHON) --version)"; exit 1; }
	@echo "== making the virtual environment $(VENV) and installing the pinned packages"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e '.[test,bench,docs]'
	@touch $(STAMP)

demo: $(STAMP)
	@$(BIN)/shiftforge demo

lint: $(STAMP)
	@echo "== ruff, mypy"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(STAMP)
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

test: lint
	@echo "== pytest"
	@$(BIN)/python -m pytest -n 2 --dist worksteal -m 'not full'

test-full: lint
	@echo "== pytest, long checks too"
	@$(BIN)/python -m pytest -n 2 --dist worksteal

# Not the full disk, which coverage's own files would meet.
coverage: $(STAMP)
	@$(BIN)/python -m pytest -n 2 -m 'not full' --ignore tests/hostile/test_full_disk.py --cov --cov-report term --cov-report html:build/coverage

test-deps: $(STAMP)
	@PYTHON=$(abspath $(BIN)/python) tests/dependencies.sh

docs: $(STAMP)
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict
	@echo "the site is in build/site"

release-check:
	@PYTHON=$(PYTHON) tests/release.sh

bench-accuracy: $(STAMP)
	@$(BIN)/python -m bench.accuracy

bench-training: $(STAMP)
	@$(BIN)/python -m bench.training $(ARGS)

bench-training-cost: $(STAMP)
	@$(BIN)/python -m bench.training_cost

bench-mechanism: $(STAMP)
	@$(BIN)/python -m bench.mechanism

bench-systolic: $(STAMP)
	@$(BIN)/python -m bench.systolic $(ARGS)

bench-boards: $(STAMP)
	@$(BIN)/python -m bench.boards $(ARGS)

bench-roofline: $(STAMP)
	@$(BIN)/python -m bench.roofline

bench-link: $(STAMP)
	@$(BIN)/python -m bench.link $(ARGS)

bench-verification: $(STAMP)
	@$(BIN)/python -m bench.verification $(ARGS)

bench-answers: $(STAMP)
	@$(BIN)/python -m bench.answers

bench-prediction: $(STAMP)
	@$(BIN)/python -m bench.prediction $(ARGS)

bench-neighbours: $(STAMP)
	@$(BIN)/python -m bench.neighbours $(ARGS)

bench-cell: $(STAMP)
	@$(BIN)/python -m bench.cell

bench-buses: $(STAMP)
	@$(BIN)/python -m bench.buses

clean:
	rm -rf build .pytest_cache .mypy_cache .ruff_cache
