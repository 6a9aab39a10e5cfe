"""What is written down while a model is built: how each tensor starts, and nothing of it changes the model."""

from __future__ import annotations

import ast
import copy
import gc
import inspect
import math
import threading
import warnings
import weakref
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import graphnas as gn
from graphnas.ir.graph import Graph
from graphnas.ir.initial import is_recorded
from graphnas.tracing import recording as recorder
from tests.models.gpt import gpt_small
from tests.models.mobilenet_v3 import mobilenet_v3_small
from tests.models.resnet import resnet18
from tests.models.vit import vit_small


class Net(nn.Module):
    """Whatever a function registers on it; its output needs every parameter and buffer."""

    def __init__(self, register: Callable[[nn.Module], object]) -> None:
        super().__init__()
        register(self)

    def forward(self, x: Tensor) -> Tensor:
        return x + sum(tensor.sum() for tensor in (*self.parameters(), *self.buffers()))


class Layers(nn.Module):
    """Layers one after the other."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


def traced(register: Callable[[nn.Module], object]) -> Graph:
    """The graph of a recorded network."""
    with gn.recording():
        model = Net(register)
    graph = gn.trace(model, torch.zeros(1))
    gn.verify(graph)
    return graph


def ways(graph: Graph) -> list[str]:
    """The printed ways in which tensors start, each with the tensors, on one line."""
    section = str(graph).partition("initialization\n")[2].partition("choices\n")[0]
    return section.strip().replace("\n    ", " ").split("\n  ") if section else []


def parameter(make: Callable[[], Tensor]) -> str:
    """How a parameter starts that a function makes."""
    (way,) = ways(traced(lambda net: net.register_parameter("p", nn.Parameter(make()))))
    return way.removesuffix(": p")


def filled(*fills: Callable[[Tensor], object]) -> str:
    """How a parameter starts that functions fill."""

    def make() -> Tensor:
        tensor = nn.Parameter(torch.empty(6, 4))
        with torch.no_grad():
            for fill in fills:
                fill(tensor)
        return tensor

    return parameter(make)


# ---------------------------------------------------------------- many ways
FILLS: list[tuple[str, Callable[[Tensor], object]]] = [
    ("init.zeros_(tensor)", nn.init.zeros_),
    ("init.ones_(tensor)", nn.init.ones_),
    ("init.ones_(tensor)", lambda t: nn.init.constant_(t, 1)),
    ("init.constant_(tensor, 0.5)", lambda t: nn.init.constant_(t, 0.5)),
    ("init.uniform_(tensor)", nn.init.uniform_),
    ("init.uniform_(tensor, a=-0.1, b=0.1)", lambda t: nn.init.uniform_(t, -0.1, 0.1)),
    ("init.normal_(tensor, std=0.02)", lambda t: nn.init.normal_(t, 0.0, 0.02)),
    ("init.normal_(tensor, mean=1.0)", lambda t: nn.init.normal_(t, mean=1.0)),
    ("init.trunc_normal_(tensor, std=0.02)", lambda t: nn.init.trunc_normal_(t, std=0.02)),
    ("init.xavier_uniform_(tensor)", nn.init.xavier_uniform_),
    ("init.xavier_normal_(tensor, gain=2.0)", lambda t: nn.init.xavier_normal_(t, gain=2.0)),
    ("init.kaiming_uniform_(tensor, a=1)", lambda t: nn.init.kaiming_uniform_(t, a=1)),
    (
        "init.kaiming_normal_(tensor, mode='fan_out', nonlinearity='relu')",
        lambda t: nn.init.kaiming_normal_(t, mode="fan_out", nonlinearity="relu"),
    ),
    ("init.orthogonal_(tensor, gain=0.5)", lambda t: nn.init.orthogonal_(t, 0.5)),
    ("init.sparse_(tensor, 0.5)", lambda t: nn.init.sparse_(t, 0.5)),
    ("init.eye_(tensor)", nn.init.eye_),
    ("init.normal_(tensor, std=0.1)", lambda t: nn.init.normal_(t, std=0.1, generator=torch.Generator())),
    ("init.zeros_(tensor)", lambda t: t.data.zero_()),
    ("init.zeros_(tensor)", lambda t: t.fill_(0.0)),
    ("init.constant_(tensor, 3)", lambda t: t.data.fill_(3)),
    ("init.normal_(tensor, std=0.02)", lambda t: t.data.normal_(0, 0.02)),
    ("init.normal_(tensor, mean=1.0, std=2.0)", lambda t: t.data.normal_(mean=1.0, std=2.0)),
    ("init.uniform_(tensor, a=-1)", lambda t: t.uniform_(-1, 1)),
    ("Tensor.exponential_(tensor)", lambda t: t.exponential_()),
    ("init.normal_(tensor, std=0.5)", lambda t: t.normal_().mul_(0.5)),
    ("init.normal_(tensor, std=0.25)", lambda t: t.normal_().div_(4)),
    ("init.kaiming_normal_(tensor, nonlinearity='relu')", lambda t: t.normal_(0, math.sqrt(2 / 4))),
    ("init.kaiming_normal_(tensor, mode='fan_out', nonlinearity='linear')", lambda t: t.normal_(0, 6**-0.5)),
    ("init.uniform_(tensor); Tensor.add_(tensor, 1)", lambda t: t.uniform_().add_(1)),
    ("init.zeros_(tensor); v1 = tensor[0]; init.ones_(v1)", lambda t: (t.zero_(), t[0].fill_(1))),
    ("v0 = tensor[:3]; init.xavier_uniform_(v0)", lambda t: nn.init.xavier_uniform_(t[:3])),
    ("v0 = torch.arange(4); tensor[2] = v0", lambda t: t.__setitem__(2, torch.arange(4))),
    ("tensor[1] = 0.5", lambda t: t.__setitem__(1, 0.5)),
    ("v0 = torch.eye(4); v1 = tensor[:4]; Tensor.copy_(v1, v0)", lambda t: t[:4].copy_(torch.eye(4))),
]  # fmt: skip
MADE: list[tuple[str, Callable[[], Tensor]]] = [
    ("init.zeros_(tensor)", lambda: torch.zeros(3, 2)),
    ("init.zeros_(tensor)", lambda: torch.zeros((3, 2))),
    ("init.zeros_(tensor)", lambda: torch.zeros_like(torch.ones(3, 2))),
    ("init.ones_(tensor)", lambda: torch.ones(5, dtype=torch.float32)),
    ("init.ones_(tensor)", lambda: torch.ones(5).clone()),
    ("init.constant_(tensor, 0.1)", lambda: torch.full((2, 3), 0.1)),
    ("init.constant_(tensor, 1e-06)", lambda: 1e-6 * torch.ones(4)),
    ("init.normal_(tensor)", lambda: torch.randn(1, 5, 8)),
    ("init.normal_(tensor, std=0.02)", lambda: torch.randn(1, 5, 8) * 0.02),
    ("init.normal_(tensor, std=0.5)", lambda: torch.randn(5, 8) / 2),
    ("init.normal_(tensor, std=0.02)", lambda: torch.empty(5, 8).normal_(std=0.02)),
    ("init.normal_(tensor, mean=1.0, std=0.2)", lambda: torch.normal(1.0, 0.2, size=(3, 4))),
    ("init.uniform_(tensor)", lambda: torch.rand(4)),
    ("init.normal_(tensor)", lambda: torch.Tensor(3, 4).normal_()),
    ("v0 = torch.arange(6); v1 = Tensor.float(v0); v2 = Tensor.view(v1, 2, 3); Tensor.copy_(tensor, v2)",
     lambda: torch.arange(6).float().view(2, 3)),
    ("v0 = torch.tensor([1.0, 2.0]); Tensor.copy_(tensor, v0)", lambda: torch.tensor([1.0, 2.0])),
    ("v0 = torch.rand(6, 2); v1 = v0[:3]; Tensor.copy_(tensor, v1)", lambda: torch.rand(6, 2)[:3]),
    ("v0 = torch.rand(4); v1 = torch.log(v0); v2 = -v1; Tensor.copy_(tensor, v2)", lambda: -torch.log(torch.rand(4))),
]  # fmt: skip


@pytest.mark.parametrize(("way", "fill"), FILLS, ids=range(len(FILLS)))
def test_filled_parameter_is_recorded(way: str, fill: Callable[[Tensor], object]) -> None:
    assert filled(fill) == way


@pytest.mark.parametrize(("way", "make"), MADE, ids=range(len(MADE)))
def test_made_parameter_is_recorded(way: str, make: Callable[[], Tensor]) -> None:
    assert parameter(make) == way


def test_only_what_follows_the_last_filling_counts() -> None:
    assert filled(nn.init.kaiming_normal_, nn.init.ones_, nn.init.zeros_) == "init.zeros_(tensor)"
    assert filled(lambda t: t[0].zero_(), nn.init.ones_) == "init.ones_(tensor)"
    assert filled(nn.init.ones_, lambda t: t.t().zero_()) == "v0 = Tensor.t(tensor); init.zeros_(v0)"


def test_values_made_of_earlier_values_of_the_tensor_keep_them() -> None:
    way = filled(nn.init.normal_, lambda t: t.copy_(t.exp()))
    assert way == "init.normal_(tensor); v1 = Tensor.exp(tensor); Tensor.copy_(tensor, v1)"
    given = torch.tensor([[2.0] * 3, [4.0] * 3])
    graph = traced(lambda net: net.register_parameter("p", nn.Parameter(torch.ones(2, 3).add_(1).cumsum(0))))
    assert torch.equal(gn.build(graph).p, given)  # type: ignore[arg-type]


def test_table_of_sines_and_cosines_is_computed_again() -> None:
    def table() -> Tensor:
        position = torch.arange(8).unsqueeze(1)
        rate = torch.exp(torch.arange(0, 6, 2) * (-math.log(10000.0) / 6))
        found = torch.zeros(8, 6)
        found[:, 0::2] = torch.sin(position * rate)
        found[:, 1::2] = torch.cos(position * rate)
        return found.unsqueeze(0)

    class Positions(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Parameter(table(), requires_grad=False)
            self.register_buffer("copy", table())

        def forward(self, x: Tensor) -> Tensor:
            return x + self.table + self.copy

    with gn.recording():
        model = Positions()
    built = gn.build(gn.trace(model, torch.zeros(8, 6)))
    assert torch.equal(built.table, model.table)
    assert torch.equal(built.copy, model.copy)  # type: ignore[arg-type]


def test_truncation_written_out_is_recognized() -> None:
    def truncated(tensor: Tensor, mean: float, std: float, low: float, high: float) -> None:
        first, last = ((1 + math.erf((bound - mean) / std / math.sqrt(2))) / 2 for bound in (low, high))
        tensor.uniform_(2 * first - 1, 2 * last - 1)
        tensor.erfinv_()
        tensor.mul_(std * math.sqrt(2.0))
        tensor.add_(mean)
        tensor.clamp_(min=low, max=high)

    assert filled(lambda t: truncated(t, 0.0, 0.02, -2, 2)) == "init.trunc_normal_(tensor, std=0.02)"
    assert filled(lambda t: truncated(t, 0.5, 1.0, -1.0, 1.5)) == "init.trunc_normal_(tensor, mean=0.5, a=-1.0, b=1.5)"
    clamped = filled(lambda t: t.uniform_(-1, 1).erfinv_().mul_(0.5).add_(0.0).clamp_(min=-0.1, max=0.1))
    assert "erfinv_" in clamped  # its bounds are not those of a truncation


def test_functions_of_init_keep_their_arguments() -> None:
    """What a frame holds is what the function was called with."""
    for function in recorder._INITIALIZERS.values():
        (tree,) = ast.parse(inspect.getsource(function)).body
        assert isinstance(tree, ast.FunctionDef)
        names = {item.arg for item in (*tree.args.args, *tree.args.kwonlyargs)}
        bound = {item.id for item in ast.walk(tree) if isinstance(item, ast.Name) and isinstance(item.ctx, ast.Store)}
        assert not names & bound, function


# ---------------------------------------------------------------- layers of torch
def layers(*make: Callable[[], nn.Module], change: Callable[[nn.ModuleList], object] = lambda _: None) -> list[str]:
    """How the tensors of layers start that do not start by themselves."""
    with gn.recording():
        model = Layers(*(build() for build in make))
        change(model.layers)
    example = torch.zeros(3, dtype=torch.long) if isinstance(model.layers[0], nn.Embedding) else torch.zeros(3, 4)
    return ways(gn.trace(model, example))


def test_layers_that_start_by_themselves_need_nothing() -> None:
    make = (lambda: nn.Linear(4, 4), lambda: nn.LayerNorm(4), lambda: nn.BatchNorm1d(4), lambda: nn.PReLU(4))
    assert not layers(*make)
    assert not layers(lambda: nn.Embedding(5, 4, padding_idx=1))
    assert not layers(lambda: nn.TransformerEncoderLayer(4, 2))


def test_layer_started_as_it_starts_anyway_needs_nothing() -> None:
    assert not layers(lambda: nn.LayerNorm(4), change=lambda found: nn.init.constant_(found[0].weight, 1.0))
    assert not layers(lambda: nn.Linear(4, 4), change=lambda found: found[0].reset_parameters())


def test_layer_started_anew_is_recorded() -> None:
    way = layers(lambda: nn.Linear(4, 4), change=lambda found: nn.init.zeros_(found[0].bias))
    assert way == ["init.zeros_(tensor): layers.0.bias"]
    way = layers(lambda: nn.BatchNorm1d(4), change=lambda found: found[0].running_var.fill_(0.5))
    assert way == ["init.constant_(tensor, 0.5): layers.0.running_var"]


def test_own_start_that_is_changed_afterwards_is_recorded_whole() -> None:
    way = layers(lambda: nn.Linear(4, 4), change=lambda found: found[0].weight.data.mul_(0.5))
    assert way == ["init.kaiming_uniform_(tensor, a=2.23606797749979); Tensor.mul_(tensor, 0.5): layers.0.weight"]
    way = layers(lambda: nn.Embedding(5, 4, padding_idx=1), change=lambda found: nn.init.normal_(found[0].weight))
    assert way == ["init.normal_(tensor): layers.0.weight"]


def test_transformer_that_starts_the_layers_of_others_is_recorded() -> None:
    with gn.recording():
        model = nn.Transformer(4, 2, 1, 1, 8)
    assert any(
        way.startswith("init.xavier_uniform_")
        for way in ways(gn.trace(model, torch.zeros(3, 2, 4), torch.zeros(3, 2, 4)))
    )


def test_copies_of_layers_start_by_themselves() -> None:
    def encoder() -> nn.Module:
        return nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8), 3, enable_nested_tensor=False)

    with gn.recording():
        model = encoder()
    gc.collect()
    assert not ways(gn.trace(model, torch.zeros(3, 2, 4)))
    way = layers(lambda: nn.Linear(4, 4), change=lambda found: found.append(copy.deepcopy(found[0])))
    assert not way


def test_layer_in_another_type_starts_alike() -> None:
    with gn.recording():
        model = nn.Sequential(nn.Linear(4, 4)).double()
        nn.init.zeros_(model[0].bias)
    graph = gn.trace(model, torch.zeros(2, 4, dtype=torch.float64))
    assert ways(graph) == ["init.zeros_(tensor): 0.bias"]


def test_model_that_is_moved_afterwards_keeps_its_starts() -> None:
    with gn.recording():
        model = nn.Sequential(nn.Linear(4, 4))
        nn.init.zeros_(model[0].weight)
    model.double()  # its parameters live in other memories now
    graph = gn.trace(model, torch.zeros(2, 4, dtype=torch.float64))
    assert ways(graph) == ["init.zeros_(tensor): 0.weight"]


def test_tied_tensors_start_as_the_one_that_they_are() -> None:
    with gn.recording():
        model = gpt_small()
    starts = {row.path: row.initial for row in gn.trace(model, torch.zeros(2, 7, dtype=torch.long)).modules}
    assert starts["wte"]["weight"] == starts["lm_head"]["weight"]


# ---------------------------------------------------------------- what cannot be recorded
def random_look(net: nn.Module) -> None:
    """Whether values are drawn again depends on what was drawn."""
    net.p = nn.Parameter(torch.randn(4))
    if (net.p > 100).any():
        raise ValueError
    net.q = nn.Parameter(torch.randn(4))


def from_numbers(net: nn.Module) -> None:
    """A number that was drawn becomes a constant."""
    net.p = nn.Parameter(torch.full((4,), torch.rand(1).item()))


def shared(net: nn.Module) -> None:
    """Two parameters with the same random values."""
    net.p = nn.Parameter(torch.randn(4))
    net.q = nn.Parameter(net.p.detach().clone())


def written_by_numpy(net: nn.Module) -> None:
    """Values that torch never sees."""
    net.p = nn.Parameter(torch.zeros(4))
    net.p.detach().numpy()[:] = np.arange(4)


def of(make: Callable[[], Tensor]) -> Callable[[nn.Module], object]:
    """Registers what a function makes."""
    return lambda net: net.register_parameter("p", nn.Parameter(make()))


UNRECORDED: list[tuple[Callable[[nn.Module], object], str, str]] = [
    (of(lambda: torch.from_numpy(np.ones(4, "float32"))), "p", "numpy or a file"),
    (of(lambda: torch.as_tensor(np.ones(4, "float32"))), "p", "a ndarray"),
    (of(lambda: torch.empty(4)), "p", "never given values"),
    (of(lambda: torch.tensor([0.5] * 5000)), "p", "more than 4096 numbers"),
    (random_look, "q", "Python looked at random values"),
    (from_numbers, "p", "Python looked at random values"),
    (shared, "q", "shares random values with p"),
    (written_by_numpy, "p", "handed out by numpy"),
]  # fmt: skip


@pytest.mark.parametrize(("register", "name", "reason"), UNRECORDED, ids=range(len(UNRECORDED)))
def test_what_cannot_be_recorded_is_said_and_refused(
    register: Callable[[nn.Module], object], name: str, reason: str
) -> None:
    with gn.recording():
        model = Net(register)
    graph = gn.trace(model, torch.zeros(1))
    (steps,) = graph.entries[name].initial.values()
    assert not is_recorded(steps)
    assert reason in steps[0].args[0]
    assert steps[0].args[1].startswith("tests/tracing/test_recording.py:")
    with pytest.raises(
        gn.EmitError, match=rf"how '{name}' starts is not recorded: .*\n  at tests/.*\.py:\d+\. Give weights"
    ):
        gn.build(graph)
    built = gn.build(graph, weights=model.state_dict())
    assert torch.equal(built.state_dict()[name], model.state_dict()[name])
    assert f"# {name} has no start of its own and must be loaded" in gn.emit(graph)


def test_weights_loaded_into_layers_are_not_another_start(tmp_path: object) -> None:
    file = f"{tmp_path}/weights.pt"
    torch.save(nn.Linear(4, 4).state_dict(), file)
    with gn.recording():
        model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
        model[0].load_state_dict(torch.load(file))
    graph = gn.trace(model, torch.zeros(2, 4))
    assert [row.path for row in graph.modules if row.initial] == ["0"]
    with pytest.raises(gn.EmitError, match=r"how '0\.weight' starts is not recorded"):
        gn.build(graph)


def test_looking_at_numbers_that_are_not_random_changes_nothing() -> None:
    def register(net: nn.Module) -> None:
        rates = [rate.item() for rate in torch.linspace(0, 0.1, 3)]
        net.p = nn.Parameter(torch.full((4,), rates[2]))

    assert ways(traced(register))[0].startswith("init.constant_(tensor, 0.1")


# ---------------------------------------------------------------- the recording itself
@pytest.mark.parametrize("factory", [resnet18, mobilenet_v3_small, vit_small, gpt_small])
def test_recorded_model_is_the_same_model(factory: Callable[[], nn.Module]) -> None:
    torch.manual_seed(0)
    expected, after = factory().state_dict(), torch.rand(3)
    torch.manual_seed(0)
    with gn.recording():
        found = factory().state_dict()
    assert list(found) == list(expected)
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    assert torch.equal(torch.rand(3), after)


def test_nothing_is_left_behind_even_by_a_factory_that_fails() -> None:
    before = {name: getattr(nn.init, name) for name in dir(nn.init)}
    with pytest.raises(RuntimeError), gn.recording():
        nn.Linear(2, 2)(torch.zeros(3))
    assert {name: getattr(nn.init, name) for name in dir(nn.init)} == before
    assert torch._C._len_torch_function_stack() == 0
    assert not recorder._LOCAL.active
    model = Net(lambda net: net.register_parameter("p", nn.Parameter(torch.zeros(2))))
    assert not ways(gn.trace(model, torch.zeros(1)))


def test_model_may_be_traced_inside_or_later_and_recordings_nest() -> None:
    with gn.recording(), gn.recording():
        model = vit_small().train()
        inside = gn.trace(model, torch.zeros(2, 3, 32, 32))
        again = gn.trace(model, torch.zeros(2, 3, 32, 32))
    assert inside == again == gn.trace(model, torch.zeros(2, 3, 32, 32))
    assert ways(inside)


def test_running_a_model_inside_is_no_start() -> None:
    with gn.recording():
        model = nn.Sequential(nn.BatchNorm1d(4)).train()
        graph = gn.trace(model, torch.randn(3, 4))
    assert not ways(graph)


def test_other_threads_are_not_recorded() -> None:
    found: list[nn.Module] = []
    with gn.recording():
        thread = threading.Thread(target=lambda: found.append(vit_small()))
        thread.start()
        thread.join()
    assert not ways(gn.trace(found[0], torch.zeros(2, 3, 32, 32)))


def test_recording_keeps_no_memory_alive() -> None:
    with gn.recording():
        model = vit_small()
        alive = weakref.ref(model.head.weight)
    del model
    gc.collect()
    assert alive() is None
    with gn.recording():
        count = len(recorder.HISTORY._cells)
    assert count < 1000


def test_lazy_and_sparse_tensors_do_not_disturb() -> None:
    with warnings.catch_warnings(), gn.recording():
        warnings.simplefilter("ignore")
        lazy = nn.LazyLinear(3)
        torch.sparse_coo_tensor([[0]], [1.0], (2,)) + 1 * torch.sparse_coo_tensor([[0]], [1.0], (2,))
        lazy(torch.zeros(2, 4))
    assert not ways(gn.trace(nn.Sequential(lazy), torch.zeros(2, 4)))


# ---------------------------------------------------------------- factories by name
def test_factory_named_is_recorded() -> None:
    example = torch.zeros(2, 3, 32, 32)
    by_name = gn.trace("tests.models.vit:vit_small", example)
    with gn.recording():
        model = vit_small()
    assert by_name == gn.trace(model, example)
    assert ways(by_name)
    assert gn.Tracer(exact=True).trace("tests.models.vit:vit_small", example) == by_name


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("vit_small", "names no function"),
        ("tests.models.vit:", "names no function"),
        ("tests.models.nothing:f", "cannot be found"),
        ("tests.models.vit:nothing", "cannot be found"),
        ("tests.models.mobilenet_v3:SMALL", "is no function"),
        ("builtins:dict", "must give a torch.nn.Module"),
    ],
)
def test_bad_factory_is_refused(name: str, message: str) -> None:
    with pytest.raises(gn.TraceError, match=message):
        gn.trace(name, torch.zeros(1))
