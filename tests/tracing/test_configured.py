"""A module kept whole is built anew from its config, an object of plain values."""

from __future__ import annotations

import argparse
import enum
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from graphnas.codegen import foreign
from graphnas.codegen.build import build
from graphnas.codegen.emit import emit
from graphnas.codegen.export import export
from graphnas.errors import EmitError, GraphError, OpaqueWarning
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.graph import Graph
from graphnas.ir.node import Built
from graphnas.ir.storing import from_json, to_json
from graphnas.ir.verify import verify
from graphnas.tracing.tracer import trace
from tests.tracing import configured, whole
from tests.tracing.configured import Block, Config, Forgetting, Holder, Loose, Mapped, Scaled, Scaling, namespace

HERE = ("tests.tracing.configured",)
MODULES: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "data class": (lambda: Block(Config(6)), "Block(Config(width=6))"),
    "fields": (
        lambda: Scaled(Config(6, False, Scaling(0.5), (3,), {1: "b"}, torch.float64)),
        'Config(width=6, bias=False, scaling=Scaling(factor=0.5), shape=(3,), names={1: "b"}, dtype=torch.float64)',
    ),
    "sign of zero": (lambda: Scaled(Config(6, scaling=Scaling(-0.0))), "Scaling(factor=-0.0)"),
    "SimpleNamespace": (
        lambda: Scaled(namespace(SimpleNamespace)),
        "types.SimpleNamespace(width=6, bias=False, scaling=types.SimpleNamespace(factor=0.5), rates=[0.1, -0.0])",
    ),
    "Namespace": (lambda: Scaled(namespace(argparse.Namespace)), "argparse.Namespace(width=6, bias=False"),
    "dict": (lambda: Mapped({"width": 6, "scaling": Scaling(2.0)}), '{"width": 6, "scaling": Scaling(factor=2.0)}'),
    "slots": (lambda: Block(configured.Slotted(6, True)), "Slotted(width=6, bias=True)"),
    "around": (
        lambda: Holder(nn.Sequential(nn.Tanh(), Forgetting(Config(6, False))), Config(6, False)),
        "Forgetting(Config(width=6, bias=False))",
    ),
    "nearest": (
        lambda: Holder(Holder(Forgetting(Config(6)), Config(6)), Config(6, scaling=Scaling(3.0))),
        "Forgetting(Config(width=6))",
    ),
}


def rows(batch: int) -> Tensor:
    """A batch of features."""
    return torch.randn(batch, 6, generator=torch.Generator().manual_seed(batch))


def traced(model: nn.Module) -> Graph:
    """The graph of a model, with the warnings that it must give."""
    with pytest.warns(OpaqueWarning):
        return trace(model, rows(4))


@pytest.mark.parametrize("name", MODULES)
def test_file_makes_the_config_anew(name: str, tmp_path: Path) -> None:
    make, written = MODULES[name]
    model = whole.Net(make()).eval()
    graph = traced(model)
    verify(graph, allow=HERE)
    assert from_json(to_json(graph), allow=HERE) == graph
    text = emit(graph)
    assert " ".join(written.split()) in " ".join(text.split()).replace("( ", "(").replace(", )", ")").replace(" )", ")")
    network = build(graph, model.state_dict()).eval()
    for batch in (4, 3):
        assert torch.equal(network(rows(batch)), model(rows(batch)))
    export(graph, tmp_path / "child.py", weights=model.state_dict())
    shown = subprocess.run([sys.executable, "-I", "child.py"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "(4, 3)" in shown.stdout


def test_config_is_imported_where_the_class_of_the_module_is(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = traced(whole.Net(Block(Config(6))))
    foreign.own_text.cache_clear()
    libraries = {"tests": "tests 1.0, MIT", "numpy": "numpy 2.0, BSD"}
    monkeypatch.setattr(foreign, "_library", lambda name: libraries.get(name.partition(".")[0], ""))
    text = emit(graph)
    foreign.own_text.cache_clear()
    assert "tests.tracing.configured.Block(tests.tracing.configured.Config(width=6))" in text
    assert "class Config" not in text
    assert "# Needs beyond torch: tests." in text


class Mode(enum.Enum):
    """A setting that a graph would make a string of."""

    FAST = "fast"


def _changed() -> Config:
    config = Config(6)
    config.total = 7
    return config


def _around() -> Any:
    return Holder(Forgetting(Config(6)), Config(6, scaling=Scaling(2.0)))


@pytest.mark.parametrize(
    ("inner", "missing"),
    [
        (lambda: Block(Loose(more=Mode.FAST)), "is given a Mode"),
        (lambda: Block(Loose(more=torch.ones(2))), "is given a Tensor"),
        (lambda: Block(Loose(more=nn.ReLU())), "is given a ReLU"),
        (lambda: Block(Loose(more=torch.Size([2]))), "is given a Size"),
        (
            lambda: Block(_changed()),
            "given a Config that its fields do not make: total differs; set it when it is made",
        ),
        (lambda: Forgetting(Config(6)), "given as 'config' is not known"),
        (_around, "another module: scale differs"),
        (lambda: Holder(Forgetting(Config(6)), "of another kind"), "given as 'config' is not known"),
    ],
)
def test_another_config_is_not_believed(inner: Callable[[], nn.Module], missing: str) -> None:
    with pytest.warns(OpaqueWarning, match=missing):
        graph = trace(whole.Net(inner()), rows(4))
    with pytest.raises(EmitError, match=missing):
        emit(graph)


def test_config_that_holds_itself_is_refused() -> None:
    config = namespace(SimpleNamespace)
    config.parent = config
    with pytest.warns(OpaqueWarning, match="SimpleNamespace|what holds itself"):
        trace(whole.Net(Block(config)), rows(4))


def test_constructor_that_writes_to_its_config_leaves_the_models_alone() -> None:
    config = Loose(6)
    model = whole.Net(configured.Changing(config))
    assert config.width == 7
    with pytest.warns(OpaqueWarning, match=r"another module: config differs"):
        trace(model, rows(4))
    assert config.width == 7


def test_graph_from_somebody_else_makes_no_object_unless_allowed() -> None:
    graph = traced(whole.Net(Block(Config(6))))
    entry = graph.entries["inner"]
    text = to_json(graph).replace("configured.Config", "elsewhere.Config")
    with pytest.raises(GraphError, match=r"'tests.tracing.elsewhere.Config' is given.*\n.*allow=\('tests.tracing.else"):
        from_json(text, allow=HERE)
    with pytest.raises(EmitError, match=r"'collections\.Counter' is not a data class"):
        emit(from_json(to_json(graph).replace(f"{HERE[0]}.Config", "collections.Counter"), (*HERE, "collections")))
    with pytest.raises(GraphError, match="is no layer of torch"):
        verify(replace(graph, output=Built("types.SimpleNamespace", FrozenDict())), allow=HERE)
    assert isinstance(entry.config["config"], Built)
