# One virtual environment, two commands: `make run` and `make test`.
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: run test lint proof faults docs commands cells example examples gpu-check clean

run: $(VENV)/installed
	$(BIN)/harness run --cells all

test: $(VENV)/installed lint
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Proves the harness on itself: false alarms, power, coverage, repeatability. Slow; it wants a machine of its own.
proof: $(VENV)/installed
	env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE $(BIN)/python -m pytest proof --ignore proof/test_commands.py --write docs/method.md

# Lets the disk fail in every way at every place: nothing that was acknowledged may be lost. The tests try a sample.
faults: $(VENV)/installed
	$(BIN)/python -m pytest faults -s

# The documentation as a site in .site, readable without a network; warnings are errors.
docs: $(VENV)/installed cells
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

# Types every command of the documentation as it stands there: half an hour.
commands: $(VENV)/installed
	$(BIN)/python -m pytest proof/test_commands.py -s

# Writes what docs/cells.md says of the cells from the cells themselves.
cells: $(VENV)/installed
	$(BIN)/python plugins/harness_cells/page.py

# Makes the run shown in the README: what `make run` does, from nothing, kept in docs/example.
example: $(VENV)/installed
	rm -rf $(VENV)/example
	env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE $(BIN)/harness run --cells all --results $(VENV)/example
	rm -rf docs/example
	mkdir docs/example
	cp -r $(VENV)/example/runs/*/figures $(VENV)/example/runs/*/tables docs/example/
	cp $(VENV)/example/runs/*/report.md $(VENV)/example/runs/*/report.html $(VENV)/example/runs/*/findings.txt $(VENV)/example/runs/*/run.json docs/example/

# Draws the cells' examples anew from their independent sources (torch.nn and ONNX).
examples: $(VENV)/installed
	$(PIP) install --quiet --constraint constraints.txt onnx
	$(BIN)/python plugins/harness_cells/examples/draw.py

# Checks and times the CUDA kernels with this machine's own Python: it needs torch, NumPy and cuda.core, and a GPU; with
# ARGUMENTS=--rehearse it needs none. Results in $OUT, else in gpu-check.
PYTHON := python3
gpu-check:
	$(PYTHON) -m harness.gpu_check $(ARGUMENTS)

$(VENV)/installed: pyproject.toml constraints.txt
	python3 -m venv $(VENV)
	$(PIP) install --quiet --upgrade 'pip>=25.1'
	$(PIP) install --quiet --constraint constraints.txt --editable '.[g2p,parquet]' --group dev
	touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
