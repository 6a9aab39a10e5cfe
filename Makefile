PYTHON ?= python3
BIN := .venv/bin
export OMP_NUM_THREADS = 1
export MKL_NUM_THREADS = 1

.PHONY: demo test check zoo bench

# The mark is newer than what it was made from, or the environment is made anew.
.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e '.[test]'
	touch $@

demo: .venv/ready
	$(BIN)/python -m examples.digits

test: .venv/ready
	$(BIN)/python -m pytest -q -n 2 -m 'not slow'

slow: .venv/ready
	$(BIN)/python -m pytest -q -n 2 -m slow

check: .venv/ready
	$(BIN)/ruff check graphnas tests benchmarks examples
	$(BIN)/mypy -p graphnas
	$(BIN)/python -m pytest -q tests/test_house.py tests/test_tiny.py

bench: .venv/ready
	$(BIN)/python -m benchmarks --all --write
