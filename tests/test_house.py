"""The order of the house: imports go one way and in no circle, some rooms know no torch, files are small."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.house import Import, cycles, forbidden, functions, imports, read

PACKAGE = Path(__file__).parent.parent / "graphnas"
SOURCES = read(PACKAGE)
IMPORTS = imports(SOURCES)

# Room → the rooms that it may import; a room may also import whatever those may.
EDGES: dict[str, tuple[str, ...]] = {
    "errors": (),
    "version": (),
    "ir": ("errors", "version"),
    "tracing": ("ir",),
    "analysis": ("ir",),
    "nn": ("tracing",),
    "mutations": ("tracing", "analysis"),
    "spaces": ("nn", "mutations"),
    "codegen": ("analysis",),
    "oneshot": ("codegen",),
    "latency": ("codegen",),
    "strategies": ("ir",),
    "trials": ("codegen", "strategies"),
    "__init__": ("errors", "version"),
}
ROOMS = tuple(EDGES)
EDGES |= {"board": ROOMS, "cli": (*ROOMS, "board"), "__main__": ("cli",)}

NO_TORCH = ("__init__", "errors", "version", "ir", "strategies")
HEAVY = ("torch", "numpy", "scipy", "networkx", "onnx", "tensorboard", "safetensors")
# What only some calls need: imported inside the functions that need it, and nothing else is.
OPTIONAL = {
    *("onnx", "onnxruntime", "onnxscript", "openvino", "optuna", "ray", "matplotlib", "PIL", "sklearn"),
    *("networkx", "scipy", "tensorboard", "safetensors", "rich"),
}
LOCAL = {  # files whose functions import torch or our own rooms that import it, so that the file itself stays light
    "cli": "`graphnas --help` must not wait for torch",
    "trials": "the loop and the store run without torch until a child is written",
}
FILE_LINES, FUNCTION_LINES = 350, 60
TABLES = {"ir/targets.py"}  # a list of names, however long


def test_every_room_is_known() -> None:
    assert {item.room for item in IMPORTS} <= EDGES.keys()


def test_imports_go_one_way() -> None:
    assert not list(map(str, forbidden(IMPORTS, EDGES)))


def test_imports_run_in_no_circle_even_through_functions() -> None:
    assert not cycles(IMPORTS)


def test_imports_are_absolute() -> None:
    assert not [str(item) for item in IMPORTS if item.level]


def test_functions_import_only_what_is_optional_or_heavy() -> None:
    ours = {room for room in EDGES if room not in NO_TORCH}
    excused = [item for item in IMPORTS if item.local and (item.target.split(".")[0] in OPTIONAL or item.room == "cli")]
    excused += [
        item
        for item in IMPORTS
        if item.local and item.room in LOCAL and (item.target.split(".")[0] == "torch" or item.imported_room in ours)
    ]
    assert not [str(item) for item in IMPORTS if item.local and item not in excused]


def test_light_rooms_import_nothing_heavy() -> None:
    found = [item for item in IMPORTS if item.room in NO_TORCH and item.target.split(".")[0] in HEAVY]
    assert not list(map(str, found))


def test_only_tracing_imports_torch_fx() -> None:
    fx = [item for item in IMPORTS if item.target.startswith("torch.fx")]
    assert {item.room for item in fx} <= {"tracing"}, list(map(str, fx))


@pytest.mark.parametrize("module", ["graphnas", "graphnas.ir.storing", "graphnas.strategies.table", "graphnas.cli"])
def test_module_loads_without_torch(module: str) -> None:
    code = f"import {module}, sys; print(*sorted({{name.split('.')[0] for name in sys.modules}} & {set(HEAVY)!r}))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not shown.stdout.strip()


def test_files_are_small() -> None:
    lengths = {file: len(text.splitlines()) for file, text in SOURCES.items() if file not in TABLES}
    assert not {file: lines for file, lines in lengths.items() if lines > FILE_LINES}


def test_functions_are_small() -> None:
    assert not [row for row in functions(SOURCES) if row[2] > FUNCTION_LINES]


# ---------------------------------------------------------------- the tests above see what they are there for
WRONG = {
    "from graphnas.tracing import tracer": "an import upwards",
    "import graphnas.tracing.tracer": "the same as a statement of its own",
    "def f():\n    from graphnas.mutations.swap import Swap": "an import upwards inside a function",
    "from graphnas import mutations": "a room taken from the package",
    "class C:\n    import graphnas.trials.search": "one inside a class",
    "try:\n    import graphnas.cli\nexcept ImportError:\n    pass": "one that may fail",
    "from graphnas.cli import main": "the top of the house",
}


@pytest.mark.parametrize("statement", WRONG, ids=list(WRONG.values()))
def test_wrong_import_is_found(statement: str) -> None:
    rooms = {"mutations/__init__.py": "", "tracing/__init__.py": ""}
    found = imports({**rooms, "ir/wrong.py": f"import torch\n{statement}\n"})
    assert len(forbidden(found, EDGES)) == 1
    assert str(forbidden(found, EDGES)[0]).startswith("graphnas/ir/wrong.py:")


@pytest.mark.parametrize(
    "statement",
    [
        "from graphnas.ir.node import Node",
        "import graphnas.errors",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from graphnas.trials.search import search",
    ],
)
def test_right_import_passes(statement: str) -> None:
    assert not forbidden(imports({"strategies/right.py": statement}), EDGES)


def test_circle_is_found_when_half_of_it_is_inside_a_function() -> None:
    sources = {
        "ir/first.py": "from graphnas.ir.second import b",
        "ir/second.py": "def b():\n    from graphnas.ir import first",
        "ir/third.py": "from graphnas.ir.first import a",
    }
    assert cycles(imports(sources)) == [("graphnas.ir.first", "graphnas.ir.second")]


def test_relative_and_local_imports_are_seen() -> None:
    found = imports({"ir/wrong.py": "from .node import Node\ndef f():\n    import torch\n"})
    assert found == [Import("ir/wrong.py", 1, "node", 1), Import("ir/wrong.py", 3, "torch", 0, True)]
