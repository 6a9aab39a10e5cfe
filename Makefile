PYTHON ?= python3
BIN := .venv/bin
# One thread a process: two workers on two cores, and figures that can be compared.
export OMP_NUM_THREADS = 1
export MKL_NUM_THREADS = 1

.PHONY: demo test slow check bench zoo

demo: .venv/ready
	$(BIN)/python -m examples.digits

test: .venv/ready
	$(BIN)/python -m pytest -q -n 2

slow: .venv/ready
	$(BIN)/python -m pytest -q -n 2 tests/laws --hypothesis-profile=deep --timeout=1500

check: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_house.py tests/test_tiny.py

bench: .venv/ready
	$(BIN)/python -m benchmarks --all --write

# Published models come with a torch of their own choice: they get an environment of their own.
zoo: .venv-zoo/ready
	.venv-zoo/bin/python -m tests.zoo

# Made anew when what it was made from is newer.
.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e '.[test]'
	touch $@

.venv-zoo/ready: pyproject.toml tests/zoo/constraints.txt
	$(PYTHON) -m venv .venv-zoo
	.venv-zoo/bin/pip install -q --disable-pip-version-check -c tests/zoo/constraints.txt -e '.[zoo]'
	touch $@
