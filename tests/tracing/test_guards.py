"""What one run would freeze is kept symbolic or guarded: never silently wrong, and not needlessly refused."""

from __future__ import annotations

import copy
import functools
import itertools
import logging
import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import handle_torch_function, has_torch_function_unary

from graphnas.codegen.build import build
from graphnas.codegen.emit import emit
from graphnas.errors import TraceError, TraceWarning
from graphnas.ir.choice import Apply
from graphnas.ir.graph import Graph
from graphnas.ir.node import GUARD, Call, Device, Ref
from graphnas.tracing.tracer import Tracer, trace
from tests.tracing.comparison import same
from tests.tracing.interpreter import GuardError, Interpreter


def module(forward: Callable[..., Any]) -> nn.Module:
    """A module with that forward."""
    return type("Module", (nn.Module,), {"forward": lambda self, x: forward(x)})()


def guards(graph: Graph) -> list[Any]:
    """The guards of a graph."""
    return [node for node in graph.nodes if isinstance(node.op, Call) and node.op.target == GUARD]


def loop(x: Tensor) -> Tensor:
    for _ in range(x.shape[0]):
        x = x + 1
    return x


def iterate(x: Tensor) -> Tensor:
    return sum(row * place for place, row in enumerate(x))  # type: ignore[return-value]


def unpack(x: Tensor) -> Tensor:
    first, second = x.split(3, dim=1)
    return first + second


def tell(x: Tensor) -> Tensor:
    torch._assert(True, f"expected (batch, features), got {x.shape} and {x.shape[0]:>4}")
    logging.getLogger(__name__).debug("given %s", x.shape[0])
    logger.debug(f"{x.size(0)} rows: {x.shape[0]!s}, {x}")
    return x + 1


def tell_all(x: Tensor) -> Tensor:
    print(x, x.shape[0], int(x.shape[0]), f"{x.mean():.2f}", x.sum().item(), x.tolist(), x.numpy().max())
    print("many rows" if x.shape[0] > 2 else "few rows", len(x), round(x.mean().item(), 2))
    message = f"{x} and {x.shape[0]}"
    sys.stdout.write(message)
    logging.getLogger(__name__).warning("%s of %d rows, %s", x, x.shape[0], x.shape)
    return x + 1


def tell_and_use(x: Tensor) -> Tensor:
    text = f"{x.shape[0]}"
    print(text)
    return x * len(text * int(text))


def hand_out() -> Callable[[Tensor], Tensor]:
    text = ""

    def forward(x: Tensor) -> Tensor:
        nonlocal text
        text = f"{x.shape[0]}"
        print(text)
        return x * used()

    def used() -> int:
        return len(text * int(text))

    return forward


logger = logging.getLogger(__name__)
FREE = {  # traced at (2, 6): equal at every batch size, and no guard
    "shape arithmetic": lambda x: x.reshape(x.shape[0] * 2, x.shape[1] // 2) / x.size(0),
    "numel": lambda x: x / x.numel(),
    "texts of messages": tell,
    "prints": tell_all,
    "square root": lambda x: x / math.sqrt(x.shape[0]),
    "ceil": lambda x: x * math.ceil(x.shape[0] / 4),
    "chunks by name": lambda x: torch.chunk(dim=1, input=x, chunks=2)[1],
    "number of sections": lambda x: x.tensor_split(3)[2],
    "float before": lambda x: x * (0.5 * x.shape[0]) + 1.0 / x.size(0) - (2.5 - x.shape[0]) ** 2.0 // x.shape[1],
    "float of numpy before": lambda x: x * (np.float64(0.5) * x.shape[0]),
    "float in a container before": lambda x: x * (SETTINGS["ratio"] * x.shape[0]) + math.sqrt(2.0) * x.shape[0],
    "stride": lambda x: x.t().contiguous().as_strided((6, x.shape[0]), x.t().contiguous().stride()),
    "floor": lambda x: x * math.floor(x.shape[0] / 4),
    "negative": lambda x: x * -x.shape[0],
    "slice": lambda x: x[: x.shape[0] // 2 + 1],
    "length": lambda x: x * len(x),
    "index": lambda x: x.chunk(2, dim=1)[1],
    "copy": lambda x: copy.deepcopy(x) * 2,
    "item": lambda x: x * x.sum().item(),
    "same size": lambda x: x + 1 if x.shape[0] == x.shape[0] else x,
    "size of a new tensor": lambda x: torch.arange(x.shape[0] + 1),
    "interpolate": lambda x: F.interpolate(x[None], scale_factor=2.0),
    "default sizes": lambda x: F.interpolate(x[None], size=x.shape[0] * 3),
}
GUARDED = {  # traced at (2, 6): equal where admitted, refused at (3, 6)
    "loop": loop,
    "iterate": iterate,
    "integer": lambda x: x * int(x.shape[0] * 1.5),
    "comparison of a float": lambda x: x * 2 if x.shape[0] < 2.5 else x,
    "comparison": lambda x: x * 2 if x.shape[0] < 3 else x,
    "truth": lambda x: x * 2 if x.shape[0] - 3 else x,
    "repetition": lambda x: torch.cat([x] * x.shape[0]),
    "parts": lambda x: torch.stack([part.sum() for part in x.split(1)]),
    "parts counted": lambda x: x * len(x.unbind()),
    "last part": lambda x: x.unbind()[-1],
    "data": lambda x: x * 2 if x.shape[0] * x.sum() * 0 + x.shape[0] < 2.5 else x,
    "truth as an item": lambda x: x * 2 if (x.sum() * 0 + x.shape[0] < 2.5).item() else x,
    "truths in a list": lambda x: x * 2 if (x[0] * 0 + x.shape[0] < 2.5).tolist()[0] else x,
    "number": lambda x: x * int(x.sum() * 0 + x.shape[0]),
    "list": lambda x: torch.tensor([len(x[:, 0].tolist())]),
    "bits": lambda x: x * (x.shape[0] & 2),
    "largest": lambda x: x * max(x.shape[0], 3),
    "index into a list": lambda x: x * [1, 2, 3, 4][x.shape[0]],
    "slice of a tuple": lambda x: x * sum((1, 2, 3, 4)[: x.shape[0]]),
    "key that is not there": lambda x: x * {3: 1.5}.get(x.shape[0], 2.0),
    "member that is not there": lambda x: x if x.shape[0] in {3, 5} else -x,
    "text": lambda x: x * len(f"{x.shape[0]}" + str(x.shape[0]) + f"{x.shape}"),
    "cached": lambda x: x * doubled(x.shape[0]),
    "iterator": lambda x: x * len(list(itertools.repeat(1, x.shape[0]))),
    "bit length": lambda x: x * x.shape[0].bit_length(),
    "remainder": lambda x: x * pow(x.shape[0], 2, 7),
    "complex": lambda x: (x * (1j * x.shape[0])).imag,
    "whole": lambda x: x if (x.shape[0] / 2).is_integer() else -x,
    "part of a number": lambda x: x * (x.shape[0] / 2).real,
    "text that is told and used": tell_and_use,
    "text that is told and used elsewhere": hand_out(),
    "text of a number": lambda x: x * len("%.1f" % (x.shape[0] * 0.5)),
    "numpy": lambda x: x * float(np.sqrt(x.shape[0]) + np.arange(x.shape[0]).sum() + np.int64(2) * x.shape[0]),
    "elements of a shape": lambda x: x * x.shape.numel(),
    "broadcast": lambda x: x + torch.zeros(torch.broadcast_shapes(x.shape, (1, 6))),
    "sections": lambda x: torch.stack([part.sum() for part in x.tensor_split(x.shape[0])]),
    "sections by name": lambda x: torch.stack([part.sum() for part in torch.split(tensor=x, split_size_or_sections=1)]),
    "same size": lambda x: x if x.is_same_size(torch.zeros(2, 6)) else -x,
    "rows": lambda x: torch.stack([part.sum() for part in x.vsplit(x.shape[0])]),
    "unsafe parts": lambda x: torch.stack([part.sum() for part in x.unsafe_split(1)]),
}
SETTINGS = {"ratio": 0.5}


@functools.cache
def doubled(size: int) -> int:
    """What is kept for a size."""
    return size * 2


@pytest.mark.parametrize("name", FREE)
def test_size_stays_symbolic(name: str) -> None:
    model = module(FREE[name])
    graph = trace(model, torch.ones(2, 6))
    assert not guards(graph)
    for batch in (2, 3, 5):
        x = torch.arange(batch * 6.0).reshape(batch, 6)
        assert same(Interpreter(graph, model)(x), model(x))


@pytest.mark.parametrize("name", GUARDED)
def test_decision_is_guarded(name: str) -> None:
    model = module(GUARDED[name])
    graph = trace(model, torch.ones(2, 6))
    x = torch.arange(12.0).reshape(2, 6)
    assert same(Interpreter(graph, model)(x), model(x))
    with pytest.raises(GuardError, match=r"test_guards\.py:\d+"):
        Interpreter(graph, model)(torch.ones(3, 6))


def rows(x: Tensor) -> Tensor:
    first, second = x
    return first + second


def columns(x: Tensor) -> Tensor:
    first, _ = x.chunk(2, dim=-1)
    return first


@pytest.mark.parametrize(("forward", "other"), [(unpack, (2, 9)), (rows, (3, 6)), (columns, (2, 1))])
def test_unpacking_more_or_fewer_parts_is_refused_as_python_refuses_it(
    forward: Callable[[Tensor], Tensor], other: tuple[int, int]
) -> None:
    model = module(forward)
    graph = trace(model, torch.ones(2, 6))
    assert len(guards(graph)) == 1
    source = emit(graph)
    assert "_guard" not in source
    assert "*_" not in source
    network = build(graph)
    assert same(network(torch.ones(2, 6)), model(torch.ones(2, 6)))
    with pytest.raises(ValueError, match="values to unpack") as expected:
        model(torch.ones(other))
    with pytest.raises(ValueError, match="values to unpack") as found:
        network(torch.ones(other))
    assert str(found.value) == str(expected.value)
    with pytest.raises(GuardError, match=r"test_guards\.py:\d+"):
        Interpreter(graph, model)(torch.ones(other))


def test_guard_that_is_not_about_the_number_of_parts_stays() -> None:
    def forward(x: Tensor) -> Tensor:
        parts = x.unbind(0)
        assert x.shape[1] == 6
        return parts[0] + parts[1]

    assert "_guard(x.shape[1] == 6" in emit(trace(module(forward), torch.ones(2, 6)))


def test_layout_in_memory_is_guarded() -> None:
    model = module(lambda x: x + 1 if x.is_contiguous() else x - 1)
    graph = trace(model, torch.ones(2, 6))
    assert same(Interpreter(graph, model)(torch.ones(3, 6)), torch.full((3, 6), 2.0))
    with pytest.raises(GuardError):
        Interpreter(graph, model)(torch.ones(6, 2).t())


def test_rank_is_guarded() -> None:
    model = module(lambda x: x[None] if x.dim() == 2 else x)
    graph = trace(model, torch.ones(2, 6))
    assert [guard.args[0].fn for guard in guards(graph)] == ["=="]
    with pytest.raises(GuardError):
        Interpreter(graph, model)(torch.ones(1, 2, 6))


def test_guard_is_recorded_once_a_line() -> None:
    def forward(x: Tensor) -> Tensor:
        for _ in (1, 2, 3):
            if x.shape[0] > 1:
                pass
        return x + 1

    assert len(guards(trace(module(forward), torch.ones(2, 6)))) == 1


def test_outcome_false_is_recorded_as_not() -> None:
    graph = trace(module(lambda x: x + 1 if x.shape[0] > 5 else x - 1), torch.ones(2, 6))
    (guard,) = guards(graph)
    assert isinstance(guard.args[0], Apply)
    assert guard.args[0].fn == "not"


def test_libraries_are_told_that_they_are_compiled_unless_exact() -> None:
    def forward(x: Tensor) -> Tensor:
        return x + 1 if torch.compiler.is_compiling() else x - 1

    targets = [
        [node.op.target for node in tracer.trace(module(forward), torch.ones(2)).nodes]  # type: ignore[union-attr]
        for tracer in (Tracer(), Tracer(exact=True))
    ]
    assert targets == [["torch.Tensor.__add__"], ["torch.Tensor.__sub__"]]


def test_fixed_parameters_are_told() -> None:
    class Optional(nn.Module):
        def forward(self, x: Tensor, mask: Tensor | None = None, steps: int = 2, *, scale: float) -> Tensor:
            return x * steps * scale

    graph = trace(Optional(), torch.ones(2), scale=0.5)
    found = {p.name: (p.kind, p.required, p.fixed, p.value) for p in graph.signature}
    assert found == {
        "x": ("positional", True, False, None),
        "mask": ("positional", False, True, None),
        "steps": ("positional", False, True, 2),
        "scale": ("keyword", True, True, 0.5),
    }


def test_integer_part_of_a_size_is_what_is_guarded() -> None:
    model = module(lambda x: x * int(x.shape[0] * 0.5))
    graph = trace(model, torch.ones(2, 6))
    for batch in (2, 3):  # 1 and 1.5, of which Python makes 1
        assert same(Interpreter(graph, model)(torch.ones(batch, 6)), model(torch.ones(batch, 6)))
    with pytest.raises(GuardError):
        Interpreter(graph, model)(torch.ones(4, 6))


def test_device_is_that_of_the_tensor_it_was_read_off() -> None:
    def forward(x: Tensor) -> Tensor:
        device = x.device
        return x + torch.arange(x.shape[1], device=device) + torch.zeros(1, device=torch.device("cpu"))

    graph = trace(module(forward), torch.ones(2, 6))
    given = {node.name: node.kwargs["device"] for node in graph.nodes if "device" in node.kwargs}
    assert given == {"arange": Ref("device"), "zeros": Device("cpu")}
    assert [node.op.target for node in graph.nodes].count("torch.Tensor.device") == 1  # type: ignore[union-attr]


def test_function_that_dispatches_for_itself_is_refused() -> None:
    """What it calls inside is hidden from the tracer, and must not become a constant."""

    def doubled(x: Tensor) -> Tensor:
        if has_torch_function_unary(x):
            return handle_torch_function(doubled, (x,), x)  # type: ignore[no-any-return]
        return x * 2

    with pytest.raises(TraceError, match=r"doubled is called, which a graph cannot name\n  at .*test_guards\.py:\d+"):
        trace(module(lambda x: doubled(x) - 1), torch.ones(2, 6))


@pytest.mark.parametrize(
    "attempt",
    [lambda x: x[2], lambda x: F.linear(x, torch.ones(7, 7)), lambda x: torch.from_numpy(ARRAY)],
    ids=range(3),
)
def test_going_on_after_an_error_is_refused(attempt: Callable[[Tensor], Tensor]) -> None:
    """Whether it is raised depends on the input, or it is the tracer's own."""

    def forward(x: Tensor) -> Tensor:
        try:
            return attempt(x)
        except (RuntimeError, IndexError, TraceError):
            return x * 2

    with pytest.raises(TraceError, match=r"(goes on after|numpy array)[^\n]*\n  at .*test_guards\.py:\d+"):
        trace(module(forward), torch.ones(2, 6))


ARRAY = np.ones(6)
WEIGHT = 1.5


class Ratio(nn.Module):
    """Multiplies a float that it holds with a size."""

    def __init__(self) -> None:
        super().__init__()
        self.ratio = 0.5

    @property
    def half(self) -> Callable[[int], float]:
        return lambda size: 0.25 * size

    def forward(self, x: Tensor) -> Tensor:
        return x * (self.ratio * x.shape[0]) + self.half(x.shape[0]) + scaled(x.shape[0]) + WEIGHT * x.shape[0]


def scaled(size: int) -> float:
    """A float times a size, beside the class."""
    return 0.75 * size


def test_float_before_a_size_leaves_it_symbolic() -> None:
    model = Ratio()
    graph = trace(model, torch.ones(2, 6))
    assert not guards(graph)
    for batch in (2, 3):
        assert same(Interpreter(graph, model)(torch.ones(batch, 6)), model(torch.ones(batch, 6)))


def test_number_that_a_trace_leaves_behind_is_plain() -> None:
    """What the user's own code keeps works in the next trace and in torch."""
    kept: list[Any] = []

    def forward(x: Tensor) -> Tensor:
        kept.append(x.shape[0])
        return x * kept[0] + torch.zeros(kept[0], 1)

    trace(module(forward), torch.ones(2, 6))
    assert torch.zeros(kept[0], 3).shape == (2, 3)
    assert (torch.ones(1) * kept[0]).item() == kept[0] + 0 == 2
    assert type(kept[0] * 2) is int
    assert not guards(trace(module(forward), torch.ones(2, 6)))


@pytest.mark.parametrize(
    "make",
    [torch.Tensor, lambda size: torch.LongTensor([size]), lambda size: torch.FloatTensor([size / 2])],
    ids=range(3),
)
def test_size_given_where_torch_does_not_show_the_call_is_refused(make: Callable[[int], Tensor]) -> None:
    with pytest.raises(TraceError, match="that the tracer cannot see"):
        trace(module(lambda x: x * make(x.shape[0]).sum()), torch.ones(2, 6))


class Detector(nn.Module):
    """Wants targets in training."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(6, 3)

    def forward(self, x: Tensor, targets: Tensor | None = None) -> Tensor:
        if self.training and targets is None:
            raise ValueError("targets are needed in training")
        return self.head(x)


def test_model_that_raises_in_training_holds_in_evaluation() -> None:
    model = Detector()
    with pytest.warns(TraceWarning, match=r"targets are needed in training at .*guards\.py:\d+: the graph holds"):
        graph = trace(model, torch.randn(2, 6))
    network = build(graph, model.state_dict())
    x = torch.randn(3, 6)
    assert torch.equal(network.eval()(x), model.eval()(x))
    with pytest.raises(ValueError, match="Detector raised in training when it was traced"):
        network.train()(x)


class Flagged(nn.Module):
    """Two numbers and a flag, all of which may be left out."""

    def forward(self, x: Tensor, factor: float = 2.0, flag: bool = False, last: int = 1) -> Tensor:
        return (x * factor if flag else -x) + last


def test_value_other_than_the_default_must_be_given() -> None:
    model, x = Flagged(), torch.randn(2, 6)
    network = build(trace(model, x, flag=True))
    assert torch.equal(network(x, flag=True), model(x, flag=True))
    assert torch.equal(network(x, 2.0, True), model(x, 2.0, True))
    with pytest.raises(ValueError, match="flag was traced as True"):
        network(x)
    alone = build(trace(model, x, 3.0))
    assert torch.equal(alone(x, 3.0), model(x, 3.0))
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'factor'"):
        alone(x)
