"""Emitted files: equal to the models they come from, readable, standalone; supernets equal to their children."""

from __future__ import annotations

import copy
import errno
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import graphnas as gn
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.node import Ref
from tests.models.gpt import gpt_small
from tests.models.mobilenet_v3 import mobilenet_v3_small
from tests.models.resnet import resnet18, resnet50
from tests.models.vit import vit_small

Inputs = Callable[[int], tuple[Tensor, ...]]


def images(batch: int) -> tuple[Tensor, ...]:
    """Images of 32 px."""
    return (torch.randn(batch, 3, 32, 32, generator=torch.Generator().manual_seed(batch)),)


def tokens(batch: int) -> tuple[Tensor, ...]:
    """Token numbers."""
    return (torch.arange(batch * 7).reshape(batch, 7) % 50,)


MODELS = [
    (resnet18, images),
    (resnet50, images),
    (mobilenet_v3_small, images),
    (vit_small, images),
    (gpt_small, tokens),
]


class Separable(nn.Module):
    """A depthwise and a pointwise convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.pointwise = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Both in turn."""
        return self.pointwise(torch.relu(self.depthwise(x)))


def run(network: nn.Module, inputs: tuple[Tensor, ...], training: bool, **kwargs: object) -> tuple[nn.Module, Tensor]:
    """A copy of the network after one call in a mode, and the output; random draws are the same at each run."""
    network = copy.deepcopy(network).train(training)
    torch.manual_seed(1)
    return network, network(*inputs, **kwargs)


@pytest.mark.parametrize(("make", "inputs"), MODELS)
def test_build_equals_the_model_bit_for_bit(make: Callable[[], nn.Module], inputs: Inputs) -> None:
    torch.manual_seed(0)
    model = make()
    network = gn.build(gn.trace(model, *inputs(2)), model.state_dict())
    assert list(network.state_dict()) == list(model.state_dict())
    for training in (False, True):
        for batch in (2, 3):
            after, expected = run(model, inputs(batch), training)
            other, found = run(network, inputs(batch), training)
            assert torch.equal(found, expected)
            assert all(torch.equal(a, b) for a, b in zip(after.state_dict().values(), other.state_dict().values()))
            expected.sum().backward()
            found.sum().backward()
            for (name, left), right in zip(after.named_parameters(), other.parameters()):
                assert left.grad is None or torch.equal(left.grad, right.grad), name


@pytest.mark.parametrize(("make", "inputs"), MODELS)
def test_build_with_other_weights_gives_another_output(make: Callable[[], nn.Module], inputs: Inputs) -> None:
    model = make().eval()
    graph = gn.trace(model, *inputs(2))
    state = {name: value + 0.1 if value.is_floating_point() else value for name, value in model.state_dict().items()}
    assert not torch.equal(gn.build(graph, state).eval()(*inputs(2)), model(*inputs(2)))


SEPARABLE = gn.Swap("layer2.*.conv2", {"separable": lambda site: Separable(site.input_shape[1])})
RULES = [
    (resnet18, images, (gn.Swap(nn.ReLU, {"silu": nn.SiLU, "gelu": nn.GELU}),)),
    (mobilenet_v3_small, images, (gn.Swap(nn.ReLU, {"silu": nn.SiLU}), gn.Swap(nn.Hardswish, {"gelu": nn.GELU}))),
    (resnet18, images, (gn.Skip("layer1.*.conv2"), SEPARABLE)),
    (resnet18, images, (gn.Value("layer[12].*.conv2", "kernel_size", (5,), also={"padding": lambda k: k // 2}),)),
    (vit_small, images, (gn.Swap(nn.GELU, {"relu": nn.ReLU}),)),
    (gpt_small, tokens, (gn.Swap(nn.GELU, {"relu": nn.ReLU}),)),
]  # fmt: skip


@pytest.mark.parametrize(("make", "inputs", "rules"), RULES)
def test_supernet_equals_its_children(make: Callable[[], nn.Module], inputs: Inputs, rules: tuple[object, ...]) -> None:
    torch.manual_seed(0)
    model = make()
    graph = gn.trace(model, *inputs(2))
    space = gn.mutate(graph, *rules)
    assert gn.specialize(space, gn.default(space)) == graph
    supernet = gn.build(space, model.state_dict())
    weights = supernet.state_dict()
    for seed in range(4):
        arch = gn.sample(space, seed)
        child = gn.build(gn.specialize(space, arch), weights)
        for training in (False, True):
            for batch in (2, 3):
                after, expected = run(child, inputs(batch), training)
                whole, found = run(supernet, inputs(batch), training, plan=arch)
                assert torch.equal(found, expected)
                state = whole.state_dict()
                same = {name: value for name, value in after.state_dict().items() if value.shape == state[name].shape}
                assert all(torch.equal(value, state[name]) for name, value in same.items())


SIZES = [(resnet50, images, 100, 3), (vit_small, images, 100, 4), (mobilenet_v3_small, images, 150, 9)]


@pytest.mark.parametrize(("make", "inputs", "lines", "classes"), SIZES)
def test_source_is_short(make: Callable[[], nn.Module], inputs: Inputs, lines: int, classes: int) -> None:
    text = gn.emit(gn.trace(make(), *inputs(2)))
    assert len(text.splitlines()) <= lines
    assert text.count("\nclass ") <= classes


def test_random_children_of_activation_choices_are_at_most_twice_as_long() -> None:
    for make in (resnet18, resnet50, mobilenet_v3_small):
        space = gn.mutate(gn.trace(make(), *images(2)), gn.Swap(nn.ReLU, {"silu": nn.SiLU}))
        plain = len(gn.emit(gn.specialize(space, gn.default(space))).splitlines())
        for seed in range(5):
            assert len(gn.emit(gn.specialize(space, gn.sample(space, seed))).splitlines()) <= 2 * plain


@pytest.mark.parametrize(("make", "inputs"), MODELS)
def test_source_is_linted_narrow_and_stable(make: Callable[[], nn.Module], inputs: Inputs, tmp_path: Path) -> None:
    graph = gn.trace(make(), *inputs(2))
    space = gn.mutate(graph, gn.Swap(lambda site: site.type in ("torch.nn.ReLU", "torch.nn.GELU"), {"silu": nn.SiLU}))
    for name, each in (("child.py", graph), ("supernet.py", space)):
        text = gn.emit(each)
        assert text == gn.emit(gn.from_json(gn.to_json(each)))
        assert max(map(len, text.splitlines())) <= 99
        (tmp_path / name).write_text(text)
    checked = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--isolated", "--select=E,F,W", "--line-length=99", str(tmp_path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout


BLOCKED = "import sys; sys.modules['graphnas'] = None; import runpy; runpy.run_path(sys.argv[1], run_name='__main__')"


def test_exported_child_runs_where_graphnas_is_not(tmp_path: Path) -> None:
    model = resnet18().eval()
    gn.export(gn.trace(model, *images(2)), tmp_path / "child.py", model.state_dict())
    done = subprocess.run(
        [sys.executable, "-I", "-c", BLOCKED, str(tmp_path / "child.py")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "parameters: 11,689,512" in done.stdout
    assert "output: (2, 1000)" in done.stdout
    assert sorted(file.name for file in tmp_path.iterdir()) == ["child.py", "child.safetensors"]


def test_export_on_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = nn.Sequential(nn.Linear(4, 4))
    graph = gn.trace(model, torch.randn(2, 4))
    gn.export(graph, tmp_path / "child.py", model.state_dict())
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("graphnas.codegen.export.save_file", full)
    with pytest.raises(gn.EmitError, match="No space left"):
        gn.export(graph, tmp_path / "child.py", {name: value + 1 for name, value in model.state_dict().items()})
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_a_bare_parameter_without_weights_is_refused() -> None:
    with pytest.raises(gn.EmitError, match="class_token"):
        gn.build(gn.trace(vit_small(), *images(2)))


class Stale(nn.Module):
    """Reads a value after an activation has written into it."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """The sum of what was written into and what was written."""
        x = self.linear(x)
        y = self.activation(x)
        return torch.tanh(x) + y


def test_a_call_with_an_order_of_its_own_inside_can_stand_in_an_arm() -> None:
    model = nn.Sequential(Stale(), Stale(), nn.Linear(6, 2))
    inputs = (torch.randn(3, 6),)
    space = gn.mutate(
        gn.trace(model, *inputs),
        gn.Swap(nn.ReLU, {"silu": nn.SiLU}),
        gn.Swap(Stale, {"linear": lambda _: nn.Linear(6, 6)}),
    )
    supernet = gn.build(space, model.state_dict())
    for arch in gn.enumerate_archs(space):
        child = gn.build(gn.specialize(space, arch), supernet.state_dict())
        assert torch.equal(supernet(*inputs, plan=arch), child(*inputs))


class Scaled(nn.Module):
    """Parameters in a list."""

    def __init__(self) -> None:
        super().__init__()
        self.terms = nn.ParameterList([nn.Parameter(torch.randn(4)) for _ in range(2)])

    def forward(self, x: Tensor) -> Tensor:
        """A multiple and an offset."""
        return x * self.terms[0] + self.terms[1]


def shared_layer() -> nn.Module:
    """A Sequential that holds one layer at two places."""
    layer = nn.Linear(4, 4)
    return nn.Sequential(layer, nn.ReLU(), layer, nn.Linear(4, 2))


@pytest.mark.parametrize("make", [Scaled, shared_layer])
def test_names_that_are_no_identifiers_are_registered(make: Callable[[], nn.Module]) -> None:
    model, x = make(), torch.randn(3, 4)
    network = gn.build(gn.trace(model, x), model.state_dict())
    assert torch.equal(network(x), model(x))
    assert list(network.state_dict()) == list(model.state_dict())
    assert len(list(network.parameters())) == len(list(model.parameters()))


def test_results_keep_their_order_whatever_was_emitted_before() -> None:
    graph = gn.trace(nn.Sequential(nn.Linear(4, 4), nn.ReLU()), torch.randn(3, 4))
    linear, act = Ref(graph.nodes[0].name), Ref(graph.nodes[1].name)
    for pairs in ({"a": linear, "b": act}, {"b": act, "a": linear}, {1: linear, 2: act}, {True: linear, 2: act}):
        network = gn.build(replace(graph, output=FrozenDict(pairs)))
        assert [*map(repr, network(torch.randn(3, 4)))] == [*map(repr, pairs)]


def test_copies_of_a_graph_remember_nothing_of_where_the_first_one_lies() -> None:
    graph = gn.trace(nn.Sequential(nn.Sequential(nn.Linear(4, 4), nn.ReLU()), nn.Tanh()), torch.randn(3, 4))
    text = gn.emit(graph)
    twin = copy.deepcopy(graph)
    for node, other in zip(graph.nodes, twin.nodes, strict=True):
        assert not any(str(id(part)) in repr(vars(other)) for part in (node, node.op, node.kwargs, node.source))
    assert gn.emit(twin) == text


def test_normalization_without_a_scale_is_told_of_no_shift() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4, affine=False), nn.LayerNorm(8, bias=False))
    text = gn.emit(gn.trace(model, torch.zeros(2, 3, 8, 8)))
    assert "nn.BatchNorm2d(4, affine=False)" in text
    assert "nn.LayerNorm(8, bias=False)" in text
