"""Whatever happens during a trace, the model and torch are afterwards as they were before."""

from __future__ import annotations

import builtins
import collections
import math
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graphnas.errors import TraceError, TraceWarning
from graphnas.tracing.tracer import Tracer, trace
from tests.tracing import networks
from tests.tracing.comparison import assert_equal, emitted


class Busy(nn.Module):
    """Changes itself in every way that a forward can, and raises if told to."""

    def __init__(self, raises: bool) -> None:
        super().__init__()
        self.raises = raises
        self.fc = nn.Linear(6, 6)
        self.norm = nn.BatchNorm1d(6)
        self.register_buffer("count", torch.tensor(0))
        self.seen: list[Tensor] = []
        self.cache: dict[str, Any] = {"nested": [1]}
        self.size = None

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            x = x + torch.rand_like(x)
        self.size = x.shape[0]
        self.seen.append(x)
        self.cache["x"] = x
        self.cache["nested"].append(2)
        self.count += 1
        with torch.no_grad():
            self.fc.weight.mul_(2)
            self.fc.bias.data.add_(1)
        self.fc.weight.requires_grad_(False)
        x = x.mul_(2)
        torch.set_grad_enabled(True)
        if self.raises:
            torch.set_grad_enabled(False)
            return self.fc(x[:, :3])
        return self.norm(self.fc(x))


def photograph(model: nn.Module) -> Any:
    """Everything about a model that can be seen."""
    attributes = {
        path: {
            name: (id(value), list(value) if isinstance(value, list | dict | set) else None)
            for name, value in module.__dict__.items()
            if name != "training"
        }
        for path, module in model.named_modules()
    }
    modes = [module.training for module in model.modules()]
    state = {key: (id(value), value.tolist()) for key, value in model.state_dict(keep_vars=True).items()}
    flags = [(p.requires_grad, p.grad) for p in model.parameters()]
    return attributes, modes, state, flags


def surroundings() -> Any:
    """What a trace replaces in torch and Python, and the generators."""
    return (
        nn.Module.__dict__.get("__call__"),
        "training" in nn.Module.__dict__,
        torch.compiler.is_compiling,
        torch.compiler.is_exporting,
        torch.autograd.Function.__dict__.get("apply"),
        torch.autocast.__enter__,
        torch.from_numpy,
        torch.manual_seed,
        torch.set_rng_state,
        torch.random.set_rng_state,
        torch.set_default_dtype,
        torch.inference_mode.__enter__,
        "set_" in torch.Tensor.__dict__,
        torch.utils.swap_tensors,
        torch.broadcast_shapes,
        nn.Module.__setattr__,
        builtins.range,
        [getattr(math, name) for name in dir(math)],
        torch.is_grad_enabled(),
        torch.get_rng_state().tolist(),
        random.getstate(),
    )


@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("raises", [True, False])
def test_model_is_as_it_was(raises: bool, training: bool, grad: bool) -> None:
    model = Busy(raises).train(training)
    model.norm.train(not training)
    x = torch.randn(4, 6)
    kept = x.clone()
    with torch.set_grad_enabled(grad):
        before = photograph(model), surroundings()
        if raises:
            with pytest.raises(TraceError):
                trace(model, x)
        else:
            with pytest.warns(TraceWarning, match="'cache' of Busy changes in every call"):
                trace(model, x)
        assert (photograph(model), surroundings()) == before
    assert torch.equal(x, kept)


def test_tensor_held_without_registering_keeps_its_value() -> None:
    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.held = torch.zeros(2)

        def forward(self, x: Tensor) -> Tensor:
            self.held.add_(1)
            return F.relu(self.held[:1], inplace=True) + x

    model = Counting()
    held = model.held
    graph = trace(model, torch.randn(2))
    assert model.held is held
    assert held.tolist() == [0.0, 0.0]
    assert graph.entries["held"].config["value"].items == (0.0, 0.0)


def test_replaced_buffer_is_put_back() -> None:
    model = networks.Rebound()
    mean = model.mean
    trace(model, torch.randn(2, 6))
    assert model.mean is mean
    assert mean.tolist() == [1.0] * 6


def test_containers_are_refilled_in_order() -> None:
    class Popping(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.items = {"a": 1, "b": 2}

        def forward(self, x: Tensor) -> Tensor:
            self.items["a"] = self.items.pop("a")
            return x + 1

    model = Popping()
    trace(model, torch.zeros(1))
    assert list(model.items) == ["a", "b"]


# ---------------------------------------------------------------- errors
class Raising(nn.Module):
    """Raises in an inner module."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = networks.Block()

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x)


class Double(torch.autograd.Function):
    """A function with a backward of its own."""

    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:
        return x * 2

    @staticmethod
    def backward(context: Any, grad: Tensor) -> Tensor:
        return grad * 3


def failing(forward: Callable[[nn.Module, Tensor], Any]) -> nn.Module:
    """A module with that forward."""
    return type("Failing", (nn.Module,), {"forward": forward})()


class Subclass(Tensor):
    """A tensor of the user's own kind."""


class Replacing(nn.Module):
    """Puts another tensor in the place of its own, and reads the old one afterwards."""

    def __init__(self, what: str = "weight") -> None:
        super().__init__()
        self.what = what
        self.weight = nn.Parameter(torch.ones(6))
        self.register_buffer("buffer", torch.ones(6))

    def forward(self, x: Tensor) -> Tensor:
        old = getattr(self, self.what)
        if self.what == "weight":
            self.weight = nn.Parameter(torch.zeros(6))
        else:
            self.buffer = x * 2
        return x * old


class Setting(nn.Module):
    """Changes one of its layers in `forward`, or when its mode is set."""

    def __init__(self, change: Callable[[Any], Any] | None = None) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(6)
        self.fc = nn.Linear(6, 6)
        self.dropout = nn.Dropout(0.5)
        self.change = change

    def train(self, mode: bool = True) -> Setting:
        super().train(mode)
        if self.change is None:
            self.norm.eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        if self.change is not None:
            self.change(self)
        return self.dropout(self.fc(self.norm(x)))


def called(function: Callable[[Tensor], Any]) -> nn.Module:
    """A module that calls a function of its input and returns twice the input."""
    return failing(lambda self, x: (function(x), x * 2)[1])


def keep(gradient: Tensor) -> Tensor:
    """A hook that does nothing."""
    return gradient


ROWS: dict[str, tuple[nn.Module, tuple[Any, ...], tuple[str, ...]]] = {
    "wrong shape": (
        Raising(),
        (torch.zeros(2, 5),),
        ("'inner.fc' (Linear)", "networks.py:", "float32[2, 5]", "RuntimeError"),
    ),
    "too many inputs": (Raising(), (1, 2, 3), ("do not fit", "Raising.forward(", "too many positional")),
    "no inputs": (Raising(), (), ("do not fit", "missing a required argument: 'x'")),
    "own backward": (
        failing(lambda self, x: Double.apply(x)),
        (torch.zeros(2),),
        ("backward of its own", "test_untouched.py:", "plain torch functions"),
    ),
    "numpy": (failing(lambda self, x: torch.tensor(x.numpy())), (torch.zeros(2),), ("numpy", "test_untouched.py:")),
    "from numpy": (
        failing(lambda self, x: x + torch.from_numpy(ARRAY)),
        (torch.zeros(2),),
        ("numpy", "test_untouched.py:"),
    ),
    "python random": (
        failing(lambda self, x: x * random.random()),
        (torch.zeros(2),),
        ("Python's random", "torch.rand"),
    ),
    "numpy's random": (
        failing(lambda self, x: x * float(np.random.rand())),
        (torch.zeros(2),),
        ("numpy's random", "torch.rand"),
    ),
    "generator of a file": (
        failing(lambda self, x: x * float(GENERATOR.random())),
        (torch.zeros(2),),
        ("test_untouched.GENERATOR", "torch.rand"),
    ),
    "seed": (
        failing(lambda self, x: (torch.manual_seed(1), x + torch.rand(2))[1]),
        (torch.zeros(2),),
        ("seeded inside", "test_untouched.py:"),
    ),
    "new parameter": (
        failing(lambda self, x: x + nn.Parameter(x * 2)),
        (torch.zeros(2),),
        ("made from an earlier one", "test_untouched.py:"),
    ),
    "subclass": (
        failing(lambda self, x: x.as_subclass(Subclass) * 2),
        (torch.zeros(2),),
        ("made from an earlier one", "test_untouched.py:"),
    ),
    "transform": (
        failing(lambda self, x: torch.vmap(lambda row: row * 2)(x)),
        (torch.zeros(2, 2),),
        ("torch.func", "test_untouched.py:"),
    ),
    "scripted": (
        nn.Sequential(torch.jit.script(nn.ReLU())),
        (torch.zeros(2),),
        ("module '0' is scripted", "made from"),
    ),
    "wrapped": (nn.DataParallel(nn.ReLU()), (torch.zeros(2),), ("DataParallel wraps the model", "`model.module`")),
    "compiled": (
        torch.compile(nn.ReLU()),
        (torch.zeros(2),),
        ("OptimizedModule wraps the model", "`model._orig_mod`"),
    ),
    "replaced parameter": (Replacing(), (torch.zeros(6),), ("parameter 'weight' is replaced", "test_untouched.py:")),
    "replaced buffer read": (Replacing("buffer"), (torch.zeros(6),), ("put in its place", "test_untouched.py:")),
    "output": (failing(lambda self, x: object()), (torch.zeros(2),), ("returns a object", "data classes")),
    "beside a tensor": (failing(lambda self, x: x[0]), ([torch.zeros(2), 3],), ("has 3 beside tensors",)),
    "no module": (torch.relu, (torch.zeros(2),), ("cannot be traced",)),  # type: ignore[dict-item]
    "mode of a layer": (
        Setting(lambda model: model.norm.eval()),
        (torch.zeros(2, 6),),
        ("mode of BatchNorm1d is set", "test_untouched.py:"),
    ),
    "setting of a layer": (
        Setting(lambda model: setattr(model.dropout, "p", 0.1)),
        (torch.zeros(2, 6),),
        ("attribute 'p' of the layer 'dropout'", "test_untouched.py:"),
    ),
    "weight of a layer": (
        Setting(lambda model: model.fc._parameters.update(weight=model.fc.weight * 2)),
        (torch.zeros(2, 6),),
        ("put into 'fc'", "test_untouched.py:"),
    ),
    "mode that is kept": (Setting(), (torch.zeros(2, 6),), ("'norm' stays in evaluation", "training loop")),
    "result given": (
        called(lambda x: torch.mul(x, 2, out=torch.empty(3))),
        (torch.zeros(2),),
        ("out=", "test_untouched.py:"),
    ),
    "hook": (called(lambda x: (x * 1).register_hook(keep)), (torch.zeros(2),), ("hook is put", "test_untouched.py:")),
    "text": (called(lambda x: f"{x.sum():.3f}"), (torch.zeros(2),), ("as text", "test_untouched.py:")),
    "bytes": (called(lambda x: x.nbytes), (torch.zeros(2),), ("nbytes", "test_untouched.py:")),
    "memory": (called(lambda x: x.clone().set_(x)), (torch.zeros(2),), ("memory of another", "test_untouched.py:")),
    "swapped": (
        called(lambda x: torch.utils.swap_tensors(x, torch.zeros(2))),
        (torch.zeros(2),),
        ("swapped", "test_untouched.py:"),
    ),
    "default dtype": (
        called(lambda x: torch.set_default_dtype(torch.float64)),
        (torch.zeros(2),),
        ("default dtype", "test_untouched.py:"),
    ),
    "generator state": (
        called(lambda x: torch.set_rng_state(torch.get_rng_state())),
        (torch.zeros(2),),
        ("seeded inside", "test_untouched.py:"),
    ),
    "inference mode": (
        called(lambda x: torch.inference_mode().__enter__()),
        (torch.zeros(2),),
        ("inference mode", "test_untouched.py:"),
    ),
    "hooks of the backward pass": (
        called(lambda x: torch.autograd.graph.saved_tensors_hooks(keep, keep).__enter__()),
        (torch.zeros(2),),
        ("backward pass", "test_untouched.py:"),
    ),
    "memory shared by dlpack": (
        called(lambda x: torch.utils.dlpack.from_dlpack(torch.utils.dlpack.to_dlpack(x.detach())) * 2),
        (torch.zeros(2),),
        ("made from an earlier one", "test_untouched.py:"),
    ),
    "gradients left off": (
        failing(lambda self, x: (torch.set_grad_enabled(False), x + 1)[1]),
        (torch.zeros(2),),
        ("gradients switched", "no_grad"),
    ),
}
ARRAY = torch.zeros(2).numpy()


@pytest.mark.parametrize("row", ROWS)
def test_error_says_what_where_and_what_to_do(row: str) -> None:
    model, args, parts = ROWS[row]
    before = surroundings()
    with pytest.raises(TraceError) as caught:
        Tracer(opaque="error").trace(model, *args)
    for part in parts:
        assert part in str(caught.value), str(caught.value)
    assert surroundings() == before


def test_error_keeps_its_cause() -> None:
    with pytest.raises(TraceError) as caught:
        trace(Raising(), torch.zeros(2, 5))
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_autocast_inside_is_refused() -> None:
    def forward(self: nn.Module, x: Tensor) -> Tensor:
        with torch.autocast("cpu"):
            return x @ x

    with pytest.raises(TraceError, match="autocast"):
        trace(failing(forward), torch.zeros(2, 2))


class Buffered(nn.Module):
    """Puts another tensor in the place of a buffer without assigning it."""

    def __init__(self, put: Callable[[Any, Tensor], None]) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 6)
        self.register_buffer("mean", torch.ones(6))
        self.register_buffer("spare", torch.ones(6))
        self.put = put

    def forward(self, x: Tensor) -> Tensor:
        x = self.fc(x)
        before = x + self.mean
        self.put(self, x.detach().mean(0))
        return before * self.mean


def put_twice(model: Any, value: Tensor) -> None:
    model.mean = value
    model._buffers["mean"] = value + 1


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    "put",
    [
        lambda model, value: model.register_buffer("mean", value),
        lambda model, value: model._buffers.update(mean=value),
        put_twice,
    ],
)
def test_buffer_that_another_is_put_in_the_place_of_is_written(put: Any, training: bool) -> None:
    model = nn.Sequential(Buffered(put), nn.ReLU())
    graph, x = trace(model, torch.randn(2, 6)), torch.randn(3, 6)
    assert_equal(model, lambda twin: emitted(graph, twin), ((x,), {}), training)


def test_buffer_that_is_taken_out_is_refused() -> None:
    model = Buffered(lambda model, value: model._buffers.pop("spare"))
    with pytest.raises(TraceError, match="'spare' is taken out of its module in forward"):
        trace(model, torch.randn(2, 6))
    assert list(model._buffers) == ["mean", "spare"]


class Settings:
    """A plain object that a module holds."""

    def __init__(self) -> None:
        self.calls = 0
        self.mean: Tensor | None = None
        self.steps = [0]


CALLS = [0]
GENERATOR = np.random.default_rng(0)


class Remembering(nn.Module):
    """Keeps something from call to call."""

    all = 0

    def __init__(self, keep: Callable[[Any, Tensor], Tensor]) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 6)
        self.keys: list[Tensor] = []
        self.named: dict[str, list[Tensor]] = {"keys": []}
        self.key: Any = None
        self.mask: Tensor | None = None
        self.calls = 0
        self.seen: collections.Counter[str] = collections.Counter()
        self.settings = Settings()
        self.keep = keep

    def forward(self, x: Tensor) -> Tensor:
        return self.keep(self, self.fc(x))


def append(model: Any, x: Tensor) -> Tensor:
    model.keys.append(x)
    return torch.cat(model.keys)


def append_nested(model: Any, x: Tensor) -> Tensor:
    model.named["keys"].append(x)
    return torch.stack(model.named["keys"]).sum(0)


def concatenate(model: Any, x: Tensor) -> Tensor:
    model.key = x if model.key is None else torch.cat([model.key, x])
    return model.key  # type: ignore[no-any-return]


def count(model: Any, x: Tensor) -> Tensor:
    model.calls += 1
    return x * model.calls


def alternate(model: Any, x: Tensor) -> Tensor:
    model.calls += 1
    return -x if model.calls % 2 else x


def count_in_settings(model: Any, x: Tensor) -> Tensor:
    model.settings.calls += 1
    return x * model.settings.calls


def count_in_a_list(model: Any, x: Tensor) -> Tensor:
    model.settings.steps[0] += 1
    return x * model.settings.steps[0]


def count_in_the_file(model: Any, x: Tensor) -> Tensor:
    CALLS[0] += 1
    return x * CALLS[0]


def keep_the_first(model: Any, x: Tensor) -> Tensor:
    if model.settings.mean is None:
        model.settings.mean = x.mean()
    return x * model.settings.mean


def keep_mask(model: Any, x: Tensor) -> Tensor:
    if model.mask is None:
        model.mask = torch.ones(x.shape[1], x.shape[1]).tril()
    return x @ model.mask


def keep_last(model: Any, x: Tensor) -> Tensor:
    model.key = x
    model.keys.append(x)
    return x


def keep_sizes(model: Any, x: Tensor) -> Tensor:
    if model.key != x.shape:
        model.key, model.mask = x.shape, torch.ones(x.shape[1], x.shape[1]).tril()
    return (x @ model.mask).view(model.key)


def keep_flag(model: Any, x: Tensor) -> Tensor:
    model.called = True
    return x


def keep_width(model: Any, x: Tensor) -> Tensor:
    if model.key is None:
        model.key = x.shape[0]
    return x[:, : model.key] / model.key


def count_rows(model: Any, x: Tensor) -> Tensor:
    model.calls += x.shape[0]
    return x * model.calls


def average(model: Any, x: Tensor) -> Tensor:
    model.calls = 0.9 * model.calls + 0.1 * x.mean().item()
    return x * model.calls


def turn(model: Any, x: Tensor) -> Tensor:
    model.key = not model.key
    return x if model.key else -x


def count_from_nothing(model: Any, x: Tensor) -> Tensor:
    model.key = 0 if model.key is None else model.key + 1
    return x + model.key


def count_in_a_pair(model: Any, x: Tensor) -> Tensor:
    model.key = (0, 1) if model.key is None else (model.key[0] + 1, 1)
    return x + model.key[0]


def count_in_a_counter(model: Any, x: Tensor) -> Tensor:
    model.seen["calls"] += 1
    return x * model.seen["calls"]


def count_in_the_class(model: Any, x: Tensor) -> Tensor:
    type(model).all += 1
    return x * type(model).all


def tell_the_count(model: Any, x: Tensor) -> Any:
    model.calls += 1
    return x, model.calls


def draw_once(model: Any, x: Tensor) -> Tensor:
    if model.key is None:
        model.key = torch.randn(6)
    return x + model.key


def warm_up(model: Any, x: Tensor) -> Tensor:
    model.calls += 1
    return x if model.calls < 5 else -x


def keep_scales(model: Any, x: Tensor) -> Tensor:
    if not model.keys:
        model.keys.extend([2.0**place for place in range(x.shape[1])])
    return x * torch.tensor(model.keys)


def keep_table(model: Any, x: Tensor) -> Tensor:
    if model.settings.steps == [0]:
        model.settings.steps = [float(x.shape[1]), *range(5)]
    return x * torch.tensor(model.settings.steps)


def keep_range(model: Any, x: Tensor) -> Tensor:
    if not model.keys:
        model.keys.extend([x.min().item(), x.max().item()])
    return x / (model.keys[1] - model.keys[0])


def keep_drawn(model: Any, x: Tensor) -> Tensor:
    if model.key is None:
        model.key = torch.randn(6)
    return x * model.key


def register(model: Any, x: Tensor) -> Tensor:
    if "mean" not in model._buffers:
        model.register_buffer("mean", x.mean(0))
    return x - model.mean


@pytest.mark.parametrize(
    ("keep", "name"),
    [
        *((append, r"0\.keys"), (append_nested, r"0\.named"), (concatenate, r"0\.key"), (count, r"0\.calls")),
        *((alternate, r"0\.calls"), (count_in_settings, r"settings\.calls"), (count_in_a_list, r"settings\.steps")),
        *((count_in_the_file, r"tests\.tracing\.test_untouched\.CALLS"), (keep_the_first, r"settings\.mean")),
        *((keep_range, r"0\.keys"), (keep_drawn, r"0\.key"), (register, r"0\.mean"), (keep_width, r"0\.key")),
        *((count_rows, r"0\.calls"), (average, r"0\.calls"), (turn, r"0\.key"), (count_from_nothing, r"0\.key")),
        *((count_in_a_pair, r"0\.key"), (count_in_a_counter, r"0\.seen"), (tell_the_count, r"0\.calls")),
        *((count_in_the_class, r"Remembering\.all"), (draw_once, r"0\.key")),
    ],
)
def test_memory_of_earlier_calls_is_refused(keep: Any, name: str) -> None:
    model = nn.Sequential(Remembering(keep))
    before = photograph(model)
    held = dict(vars(model[0].settings), steps=[0])
    with pytest.raises(
        TraceError, match=rf"the attribute '{name}' keeps .*\n  at tests/tracing/test_untouched\.py:\d+,"
    ):
        Tracer(opaque="error").trace(model, torch.randn(2, 6))
    assert photograph(model) == before
    assert vars(model[0].settings) == held
    assert CALLS == [0]
    assert Remembering.all == 0


def test_counter_that_may_decide_later_is_told() -> None:
    with pytest.warns(TraceWarning, match="'calls' of Remembering changes in every call"):
        trace(Remembering(warm_up), torch.randn(2, 6))


@pytest.mark.parametrize("keep", [keep_mask, keep_last, keep_sizes, keep_flag, keep_scales, keep_table])
def test_what_is_kept_but_changes_nothing_is_traced(keep: Any) -> None:
    model = Remembering(keep)
    before = photograph(model)
    assert trace(model, torch.randn(2, 6)).nodes
    assert photograph(model) == before


def test_models_are_traced_in_threads_and_run_beside() -> None:
    model, x = networks.Block(), torch.randn(2, 6)
    expected, graph = model(x), trace(model, x)
    surrounded = surroundings()

    def work(place: int) -> bool:
        for _ in range(10):
            if place % 2:
                if trace(model if place == 1 else networks.Block(), x) != graph:
                    return False
            elif not torch.equal(model(x), expected) or type(x.shape[0]) is not int:
                return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(4)))
    assert surroundings()[:10] == surrounded[:10]
