"""A module that cannot be recorded stays one layer, and costs nothing of the rest."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from graphnas.codegen import foreign
from graphnas.codegen.build import build
from graphnas.codegen.emit import emit
from graphnas.codegen.export import export
from graphnas.codegen.report import report
from graphnas.errors import EmitError, GraphError, OpaqueWarning, TraceError
from graphnas.ir.graph import Graph
from graphnas.ir.node import Layer
from graphnas.ir.sampling import enumerate_archs
from graphnas.ir.specialize import specialize
from graphnas.ir.storing import digest, from_json, to_json
from graphnas.ir.verify import verify
from graphnas.mutations.mutate import mutate
from graphnas.mutations.skip import Skip
from graphnas.mutations.swap import Swap
from graphnas.tracing.examples import example
from graphnas.tracing.tracer import Tracer, trace
from tests.tracing import whole
from tests.tracing.comparison import assert_equal

MODULES: dict[str, tuple[Callable[[], nn.Module], str, str]] = {
    "numpy": (lambda: whole.Net(whole.Numpy(6, 3.0)), "inner", "numpy"),
    "own backward": (lambda: whole.Net(whole.OwnBackward()), "inner", "a backward of its own"),
    "counting": (lambda: whole.Net(whole.Counting()), "inner", "keeps what one call computes"),
    "stepping": (lambda: whole.Net(whole.Stepping()), "inner", "keeps what one call computes"),
    "several": (lambda: whole.Net(whole.Reading()), "inner.several", "numpy"),
    "writing": (lambda: whole.Net(whole.Around()), "inner", "writes to what it does not hold"),
    "tied": (whole.Tied, "inner", "numpy"),
    "under two names": (lambda: whole.Net(nn.Sequential(*[whole.Numpy(6)] * 2)), "inner.0", "numpy"),
    "tied to an earlier one": (whole.Sharing, "inner", "numpy"),
    "layer drop": (lambda: whole.Net(nn.Sequential(whole.LayerDrop(), nn.Tanh())), "inner.0", "Python's random"),
    "plain numbers": (lambda: whole.Net(whole.Given()), "inner.choosy", "only while it is recorded"),
}


def rows(batch: int) -> Tensor:
    """A batch of features."""
    return torch.randn(batch, 6, generator=torch.Generator().manual_seed(batch))


def traced(model: nn.Module, **options: Any) -> Graph:
    """The graph of a model, with the warnings that it must give."""
    with pytest.warns(OpaqueWarning):
        return Tracer(**options).trace(model, rows(4))


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("name", MODULES)
def test_the_rest_is_traced_and_all_is_equal(name: str, training: bool) -> None:
    make, path, reason = MODULES[name]
    model = make()
    with pytest.warns(OpaqueWarning, match=rf"module '{path}' .* stays one layer") as caught:
        graph = trace(model, rows(4))
    verify(graph, allow=("tests.tracing.whole",))
    entry = graph.entries[path]
    assert entry.opaque is not None
    assert reason in entry.opaque.reason
    assert any(reason in str(warning.message) for warning in caught)
    assert [row.path for row in graph.modules if row.opaque and not row.same_as] == [path]
    assert any(isinstance(node.op, Layer) and node.op.type.startswith("torch.nn.") for node in graph.nodes)
    for batch in (4, 3):
        assert_equal(model, lambda twin: _built(graph, twin), ((rows(batch),), {}), training)


def _built(graph: Graph, twin: nn.Module) -> Callable[..., Any]:
    """The built network, which then shares the twin's tensors, so that its state and gradients are seen there."""
    network = build(graph, twin.state_dict()).train(twin.training)
    assert list(network.state_dict()) == list(twin.state_dict())
    for path, module in network.named_modules():
        theirs = twin.get_submodule(path)
        for name in module._parameters:
            module._parameters[name] = theirs._parameters[name]
        for name in module._buffers:
            module._buffers[name] = theirs._buffers[name]
    return network


def test_the_line_that_did_it_is_named() -> None:
    with pytest.warns(OpaqueWarning, match=r"at tests/tracing/whole\.py:\d+, in module 'inner' \(Numpy\)"):
        graph = trace(whole.Net(whole.Numpy(6)), rows(4))
    assert "opaque tests.tracing.whole.Numpy: a tensor is handed to numpy (tests/tracing/whole.py:" in str(graph)


def test_error_is_raised_when_asked_for() -> None:
    with pytest.raises(TraceError, match="numpy"):
        Tracer(opaque="error").trace(whole.Net(whole.Numpy(6)), rows(4))
    with pytest.raises(TraceError, match="'warn' or 'error'"):
        Tracer(opaque="ignore")


def test_the_model_itself_cannot_be_kept_whole() -> None:
    with pytest.raises(TraceError, match="numpy"):
        trace(whole.Numpy(6), rows(4))


def test_modules_are_kept_whole_on_request() -> None:
    model = whole.Net(nn.Sequential(whole.Counting(), nn.ReLU()))
    graph = Tracer(leaf=("inne?.0",)).trace(model, rows(4))
    assert [row.path for row in graph.modules if row.opaque] == ["inner.0"]
    assert torch.equal(build(graph, model.state_dict())(rows(3)), model(rows(3)))
    with pytest.raises(TraceError, match=r"no module of Net is called 'iner'\. Did you mean 'inner'"):
        Tracer(leaf=("iner",)).trace(model, rows(4))
    with pytest.raises(TraceError, match="give a tuple"):
        Tracer(leaf="inner")


def test_what_counts_beside_the_modules_is_found() -> None:
    model = whole.Net(nn.Sequential(nn.Tanh(), whole.Telling()))
    with pytest.warns(OpaqueWarning, match=r"module 'inner\.1' \(Telling\) stays one layer"):
        graph = trace(model, rows(4))
    assert whole.CALLS == [0]
    assert "CALLS" in graph.entries["inner.1"].opaque.reason  # type: ignore[union-attr]


def test_hooks_are_not_lost() -> None:
    inner = whole.Numpy(6)
    inner.lin.register_forward_hook(lambda module, args, output: output * 2)
    with pytest.warns(OpaqueWarning, match=r"another module: lin\.hooks differs"):
        trace(whole.Net(inner), rows(4))


# ---------------------------------------------------------------- rules
def test_it_is_swapped_and_skipped_like_a_layer() -> None:
    model = whole.Net(whole.Numpy(6))
    graph = traced(model)
    rules = (
        Swap(whole.Numpy, {"linear": lambda site: nn.Linear(site.input_shape[-1], 6)}),
        Swap(nn.ReLU, {"counting": whole.Counting}),
        Skip("inner"),
    )
    with pytest.warns(OpaqueWarning, match="Counting"):
        space = mutate(graph, *rules)
    assert space.size() == 8
    weights = build(space, model.state_dict()).state_dict()
    for original in ("original", "linear"):
        for act in ("original", "counting"):
            arch = {"inner": original, "act": act, "inner.skip": True}
            supernet, child = build(space, weights).eval(), build(specialize(space, arch), weights).eval()
            assert torch.equal(supernet(rows(3), plan=arch), child(rows(3)))


# ---------------------------------------------------------------- operators of libraries
@torch.library.custom_op("tripling::tripled", mutates_args=())
def tripled(x: Tensor) -> Tensor:
    """An operator with a backward of its own."""
    return x * 3


@torch.library.custom_op("tripling::overwrite", mutates_args=("x",))
def overwrite(x: Tensor) -> None:
    """An operator that writes."""
    x.zero_()


tripled.register_fake(torch.empty_like)
tripled.register_autograd(lambda context, gradient: gradient * 5)


class Registered(nn.Module):
    """Calls an operator, and of another one an overload."""

    def forward(self, x: Tensor) -> Tensor:
        y = torch.ops.tripling.tripled(x)
        return torch.ops.tripling.tripled.default(y)


def test_operator_of_a_library_is_called_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    model = nn.Sequential(nn.Linear(6, 6), Registered())
    graph = trace(model, rows(4))
    verify(graph, allow=("torch.ops.tripling", "torch.ops.tripling.tripled"))
    assert [node.name for node in graph.nodes[1:3]] == ["1.tripled", "1.tripled_1"]
    text = emit(graph)
    assert "# Needs beyond torch: tripling." in text
    assert "import tripling  # noqa: F401" in text
    monkeypatch.setitem(sys.modules, "tripling", ModuleType("tripling"))
    assert_equal(model, lambda twin: _built(graph, twin), ((rows(3),), {}), True)


def test_operator_that_writes_is_refused() -> None:
    model = nn.Sequential(nn.Linear(6, 6), Overwriting())
    with pytest.warns(OpaqueWarning, match="tripling.* is called, which a graph cannot name"):
        trace(model, rows(4))


class Overwriting(nn.Module):
    """Calls an operator that writes."""

    def forward(self, x: Tensor) -> Tensor:
        y = x.clone()
        torch.ops.tripling.overwrite(y)
        return y + x


# ---------------------------------------------------------------- files
def test_file_runs_where_its_authors_code_is_not(tmp_path: Path) -> None:
    model = whole.Net(whole.OwnBackward()).eval()
    graph = traced(model)
    export(graph, tmp_path / "child.py", weights=model.state_dict())
    text = (tmp_path / "child.py").read_text()
    assert "import graphnas" not in text
    assert "tests" not in text.partition("import")[2]
    shown = subprocess.run([sys.executable, "-I", "child.py"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "(4, 3)" in shown.stdout
    assert text.index("SLOPE = 0.1") < text.index("def shifted") < text.index("class OwnBackward")
    assert "import math" in text


def test_class_of_a_library_is_imported_where_it_needs_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    model = whole.Net(whole.Numpy(6))
    graph = traced(model)
    assert "class Numpy" in emit(graph)
    foreign.own_text.cache_clear()
    libraries = {"tests": "tests 1.0, MIT", "numpy": "numpy 2.0, BSD"}
    monkeypatch.setattr(foreign, "_library", lambda name: libraries.get(name.partition(".")[0], ""))
    text = emit(graph)
    foreign.own_text.cache_clear()
    assert "# Needs beyond torch: tests." in text
    assert "import tests.tracing.whole\n" in text
    assert "self.inner = tests.tracing.whole.Numpy(6)" in text


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")
@pytest.mark.parametrize(
    ("inner", "missing"),
    [
        (lambda: whole.Unknown(2), "given as 'factor' is not known"),
        (whole.local, r"local\.<locals>\.Local is not at the top of tests\.tracing\.whole; define the class there"),
        (lambda: torch.jit.script(nn.ReLU()), "a scripted module has no constructor"),
    ],
)
def test_what_cannot_be_built_anew_is_still_part_of_the_graph(inner: Callable[[], nn.Module], missing: str) -> None:
    with pytest.warns(OpaqueWarning, match=missing):
        graph = trace(whole.Net(inner()), rows(4))
    with pytest.raises(EmitError, match=f"module 'inner' .*, kept whole.*, cannot be built anew: .*{missing}"):
        emit(graph)
    swapped = mutate(graph, Skip("act"))
    assert swapped.size() == 2


@pytest.mark.parametrize("inner", [whole.Averaging, whole.Stepping, whole.Started])
def test_what_a_module_keeps_in_tensors_goes_on_from_call_to_call(inner: Callable[[], nn.Module]) -> None:
    model = whole.Net(inner())
    with pytest.warns(OpaqueWarning, match="'inner'.*keeps what one call computes"):
        graph = trace(model, rows(4))
    child = build(graph, model.state_dict())
    for batch in (4, 2, 3):
        assert torch.equal(child(rows(batch)), model(rows(batch)))
    assert list(child.state_dict()) == list(model.state_dict())
    assert all(torch.equal(tensor, model.state_dict()[name]) for name, tensor in child.state_dict().items())


def test_children_share_the_tensors_of_a_module_kept_whole() -> None:
    model = nn.Sequential(whole.Sharing(), nn.ReLU())
    space = mutate(traced(model), Swap(nn.ReLU, {"silu": nn.SiLU}))
    for arch in enumerate_archs(space):
        child = build(specialize(space, arch), model.state_dict())
        assert [name for name, _ in child.named_parameters()] == [name for name, _ in model.named_parameters()]


def test_a_module_that_only_one_example_calls_stays_a_layer() -> None:
    model = whole.Sometimes().eval()
    with pytest.warns(OpaqueWarning, match="module 'inner'"):
        graph = trace(model, example(rows(3)), example(rows(4)))
    network = build(graph, model.state_dict()).eval()
    assert all(torch.equal(network(rows(batch)), model(rows(batch))) for batch in (3, 4))


def test_an_encoder_that_puts_padding_aside_says_what_to_do() -> None:
    layer = nn.TransformerEncoderLayer(6, 2, 12, batch_first=True)
    given = {"src": torch.randn(2, 3, 6), "src_key_padding_mask": torch.zeros(2, 3, dtype=torch.bool)}
    with pytest.raises(TraceError, match="enable_nested_tensor=False"):
        Tracer(opaque="error").trace(nn.TransformerEncoder(layer, 1), **given)
    Tracer(opaque="error").trace(nn.TransformerEncoder(layer, 1, enable_nested_tensor=False), **given)


def test_a_changed_setting_is_noticed() -> None:
    inner = whole.Numpy(6)
    inner.drop.p = 0.5
    with pytest.warns(OpaqueWarning, match=r"another module: drop\.p differs"):
        trace(whole.Net(inner), rows(4))


def test_a_mark_that_others_made_is_none_of_its_settings() -> None:
    inner = whole.OwnBackward()
    inner.has_been_seen_elsewhere = True  # type: ignore[assignment]
    emit(traced(whole.Net(inner)))
    inner.shifted = 2  # type: ignore[assignment]
    with pytest.warns(OpaqueWarning, match="another module: shifted differs"):
        trace(whole.Net(inner), rows(4))


def test_graph_from_somebody_else_names_no_module_unless_allowed() -> None:
    graph = traced(whole.Net(whole.Numpy(6)))
    text = to_json(graph)
    with pytest.raises(GraphError, match=r"allow=\('tests\.tracing\.whole',\)"):
        from_json(text)
    again = from_json(text, allow=("tests.tracing.whole",))
    assert again == graph
    assert [row.opaque for row in again.modules] == [row.opaque for row in graph.modules]
    assert digest(again) == digest(graph)
    assert emit(again) == emit(graph)


# ---------------------------------------------------------------- the report
def test_report_says_what_was_recorded_and_what_a_child_needs() -> None:
    found = report(traced(whole.Net(whole.Numpy(6))))
    assert found.operations == {"layer": 4}
    (row,) = found.opaque
    assert (row.path, row.type, row.missing) == ("inner", "tests.tracing.whole.Numpy", "")
    assert row.where.startswith("tests/tracing/whole.py:")
    assert found.needs == ("numpy",)
    assert "its child needs beyond torch: numpy" in str(found)
    assert json.loads(json.dumps(found.data))["opaque"][0]["reason"] == "a tensor is handed to numpy"
    unknown = report(traced(whole.Net(whole.Unknown(2))))
    assert "given as 'factor' is not known" in str(unknown)
    assert report(trace(whole.Guarded(), rows(4))).bare[0].path == "scale"
    assert "holds only where" in str(report(trace(whole.Guarded(), rows(4))))
