"""Options and fixtures that all tests share: golden files, hypothesis profiles."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from examples.cifar_training import IMAGES, WEIGHTS, images
from tests import cifar
from tests.data import data_file

GOLDEN = Path(__file__).parent / "golden"

# `--hypothesis-profile=deep` looks twenty times as far.
_QUIET = (HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large)
settings.register_profile(
    "ci", max_examples=50, derandomize=True, deadline=None, database=None, suppress_health_check=_QUIET
)
settings.register_profile("deep", max_examples=1000, deadline=None, suppress_health_check=_QUIET)
settings.load_profile("ci")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds `--update-golden`, which writes the golden files anew instead of comparing; read the diff afterwards."""
    parser.addoption("--update-golden", action="store_true", help="rewrite the golden files")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str | Path, str], None]:
    """A function that compares a text with a golden file, or with `--update-golden` writes the file.

    The file is named relative to `tests/golden`, or by an absolute path.
    """
    update = request.config.getoption("--update-golden")

    def compare(file: str | Path, text: str) -> None:
        path = GOLDEN / file
        if update:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.exists(), f"{path} is missing; `pytest --update-golden` writes it"
        assert text == path.read_text(encoding="utf-8"), f"{path} differs; `pytest --update-golden` rewrites it"

    return compare


@pytest.fixture
def data() -> Callable[[str], Path]:
    """A function that gives a file of the public data by its name; where that is absent, the test is skipped."""

    def required(name: str) -> Path:
        path = data_file(name)
        if not path.exists():
            pytest.skip(f"{path} is absent; GRAPHNAS_DATA names the folder that has it")
        return path

    return required


@pytest.fixture
def cifar10(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The data of the example of ResNet-20: that which there is, else generated images and weights not trained."""
    if not all(data_file(name).exists() for name in (IMAGES, WEIGHTS)):
        folder = tmp_path_factory.mktemp("cifar10")
        cifar.write(folder)
        monkeypatch.setenv("GRAPHNAS_DATA", str(folder))
    images.cache_clear()
    yield
    images.cache_clear()
