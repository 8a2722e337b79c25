# One virtual environment, two commands: `make run` and `make test`.
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: run test lint wheel examples clean

run: $(VENV)/installed
	$(BIN)/harness run --cells all

test: $(VENV)/installed lint
	$(BIN)/python -m pytest

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Draws the cells' examples anew from their independent sources (torch.nn and ONNX).
examples: $(VENV)/installed
	$(PIP) install --quiet --constraint constraints.txt onnx
	$(BIN)/python plugins/harness_cells/examples/draw.py

$(VENV)/installed: pyproject.toml constraints.txt
	python3 -m venv $(VENV)
	$(PIP) install --quiet --upgrade 'pip>=25.1'
	$(PIP) install --quiet --constraint constraints.txt --editable '.[g2p]' --group dev
	touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
