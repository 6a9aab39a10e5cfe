"""Several examples of one model: what they decide otherwise is a condition, what none of them took is refused."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import graphnas as gn
from graphnas.errors import TraceError
from graphnas.tracing.examples import Example
from tests.laws.networks import Run, assert_same, run
from tests.models.text import TextEncoder, texts
from tests.models.windows import Positions, WindowNetwork

Calls = list[Example]


class Decider(nn.Module):
    """Two layers and a forward given as a function of (module, x, ...)."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)
        self.register_buffer("count", torch.zeros(1))
        self.inner = nn.Module()


def decider(forward: Callable[..., Any]) -> Callable[[], nn.Module]:
    """A factory of modules with that forward."""
    return lambda: type("Decider", (Decider,), {"forward": forward})()


def rows(batch: int, scale: float = 1.0) -> Tensor:
    """A batch of values that are not all of one sign."""
    return scale * torch.randn(batch, 4, generator=torch.Generator().manual_seed(batch))


def image(batch: int, height: int, width: int | None = None) -> Example:
    """A batch of images."""
    generator = torch.Generator().manual_seed(batch + height)
    return gn.example(torch.randn(batch, 3, height, width or height, generator=generator))


def text(batch: int, length: int, padding: int = 0, masked: bool = True) -> Example:
    """A batch of texts, the mask by keyword."""
    ids, mask = texts(batch, length, padding)
    return gn.example(ids, mask=mask) if masked else gn.example(ids)


def single(self: Any, x: Tensor) -> Tensor:
    if x.shape[0] == 1:
        return self.a(x)  # type: ignore[no-any-return]
    x = x - x.mean(0)
    return self.b(x)  # type: ignore[no-any-return]


def early(self: Any, x: Tensor) -> tuple[Tensor, Tensor | None]:
    x = self.a(x)
    if x.abs().max().item() < 10:
        return x, None
    return self.b(x), x


def modes(self: Any, x: Tensor) -> Tensor:
    if self.training and x.shape[0] == 1:
        x = self.a(x)
    x = F.dropout(x, 0.5, self.training)
    if x.shape[0] > 1 and self.training:
        self.count += 1
        x = x - x.mean(0)
    return self.b(x) + self.count  # type: ignore[no-any-return]


def loop(self: Any, x: Tensor) -> Tensor:
    for _ in range(x.shape[0]):
        x = self.a(x)
    return x.sum(0) / len(x)


def flags(self: Any, x: Tensor, causal: bool = False, steps: int | None = None) -> Tensor:
    if causal:
        x = self.a(x)
    for _ in range(steps or 0):
        x = self.b(x)
    return x * 2 if steps is None else x


def spent(self: Any, x: Tensor) -> Tensor:
    """The decision is taken on what is overwritten afterwards."""
    positive = x.sum(1) > 0
    if positive.any():
        positive.zero_()
        x = self.a(x)
    return self.b(x) + positive[:, None]  # type: ignore[no-any-return]


def switched(self: Any, x: Tensor) -> Tensor:
    with torch.set_grad_enabled(x.shape[0] > 2):
        y = self.a(x)
    return self.b(y) + x  # type: ignore[no-any-return]


def optional(self: Any, x: Tensor, scale: Tensor | None = None, shift: Tensor | None = None) -> Tensor:
    x = self.a(x)
    if scale is not None:
        x = x * scale
    if shift is not None:
        x = self.b(x) + shift
    return x


def resumed(self: Any, x: Tensor, state: tuple[Tensor, dict[str, Tensor]] | None = None) -> Tensor:
    """Begins at zero, or where it has left off, as people write recurrent networks."""
    if state is None:
        state = (x.new_zeros(x.shape[0], 4), {"scale": torch.ones_like(x)})
    total, held = state
    return self.a(x * held["scale"]) + total


def paired(self: Any, pair: list[Tensor]) -> Tensor:
    """One of two inputs is made longer."""
    x, y = pair
    if y.shape[0] == 1:
        y = y.expand(x.shape[0], 4)
    return self.a(x) + y


def rank(self: Any, x: Tensor) -> Tensor:
    if x.dim() == 2:
        x = x[None]
    return self.a(x).mean(0)  # type: ignore[no-any-return]


ONE = torch.ones(1)
# Name, model, traced examples, calls that must be right besides, calls that must be refused.
CASES: list[tuple[str, Callable[[], nn.Module], Calls, Calls, Calls]] = [
    (
        "padding, fast path",
        TextEncoder,
        [text(2, 6), text(3, 7, 2)],
        [text(4, 9, 3), text(1, 12), text(2, 1)],
        [text(2, 6, masked=False)],
    ),
    (
        "mask or none, causal",
        lambda: TextEncoder(causal=True),
        [text(2, 6, masked=False), text(2, 6), text(3, 7, 2)],
        [text(3, 9, masked=False), text(4, 5, 1), text(1, 12)],
        [text(2, 1), text(2, 1, masked=False)],
    ),
    (
        "trimmed to the longest",
        lambda: TextEncoder(trimmed=True, pooled=False),
        [text(2, 6, 2), text(1, 5)],
        [text(3, 8, 3), text(1, 12)],
        [],
    ),
    (
        "windows",
        WindowNetwork,
        [image(2, 16), image(2, 22), image(1, 8), image(1, 6)],
        [image(3, 32), image(1, 26), image(2, 18, 24), image(3, 8)],
        [image(2, 16, 18), image(1, 8, 16)],
    ),
    (
        "positions",
        Positions,
        [image(2, 16), image(2, 24)],
        [image(1, 16), image(3, 32), image(2, 16, 24)],
        [image(1, 8, 32)],
    ),
    ("batch of one", decider(single), [gn.example(rows(2)), gn.example(rows(1))], [gn.example(rows(5))], []),
    ("early exit", decider(early), [gn.example(rows(2)), gn.example(rows(2, 99.0))], [gn.example(rows(3, 99.0))], []),
    ("both modes", decider(modes), [gn.example(rows(2)), gn.example(rows(1))], [gn.example(rows(4))], []),
    (
        "loop",
        decider(loop),
        [gn.example(rows(batch)) for batch in (2, 4, 1)],
        [],
        [gn.example(rows(3)), gn.example(rows(5))],
    ),
    (
        "flags",
        decider(flags),
        [
            gn.example(rows(2)),
            gn.example(rows(2), causal=True),
            gn.example(rows(2), True, 3),
            gn.example(rows(2), True, 2),
        ],
        [gn.example(rows(3), steps=None), gn.example(rows(4), True, 3)],
        [
            gn.example(rows(2), True, 1),
            gn.example(rows(2), False, 3),
            gn.example(rows(2), 5),
            gn.example(rows(2), None),
        ],
    ),
    (
        "overwritten decision",
        decider(spent),
        [gn.example(torch.ones(2, 4)), gn.example(-torch.ones(2, 4))],
        [gn.example(rows(3)), gn.example(-torch.ones(3, 4))],
        [],
    ),
    ("gradients", decider(switched), [gn.example(rows(2)), gn.example(rows(3))], [gn.example(rows(1))], []),
    (
        "optional inputs",
        decider(optional),
        [gn.example(rows(2)), gn.example(rows(2), ONE), gn.example(rows(2), ONE, ONE), gn.example(rows(2), shift=ONE)],
        [gn.example(rows(3)), gn.example(rows(3), shift=ONE), gn.example(rows(3), None, ONE)],
        [],
    ),
    (
        "one of four combinations left out",
        decider(optional),
        [gn.example(rows(2)), gn.example(rows(2), ONE), gn.example(rows(2), ONE, ONE)],
        [gn.example(rows(3))],
        [gn.example(rows(2), shift=ONE)],
    ),
    (
        "optional container",
        decider(resumed),
        [gn.example(rows(2)), gn.example(rows(2), (rows(2), {"scale": rows(2)}))],
        [gn.example(rows(3)), gn.example(rows(3), (rows(3), {"scale": rows(3, 2.0)})), gn.example(rows(1), None)],
        [],
    ),
    (
        "container that is always given",
        decider(resumed),
        [gn.example(rows(2), (rows(2), {"scale": rows(2)}))],
        [gn.example(rows(3), (rows(3), {"scale": rows(3, 2.0)}))],
        [gn.example(rows(2))],
    ),
    (
        "decision on one of a list",
        decider(paired),
        [gn.example([rows(2), rows(2)]), gn.example([rows(2), rows(1)])],
        [gn.example([rows(3), rows(1)]), gn.example([rows(3), rows(3)])],
        [],
    ),
    ("rank", decider(rank), [gn.example(rows(2)), gn.example(rows(2)[None])], [gn.example(rows(3))], []),
]


def made(factory: Callable[[], nn.Module]) -> tuple[nn.Module, dict[str, Tensor]]:
    """A model and its weights."""
    torch.manual_seed(0)
    model = factory()
    return model, {name: tensor.clone() for name, tensor in model.state_dict().items()}


def called(network: nn.Module, weights: dict[str, Tensor], call: Example, training: bool) -> Run:
    """What a network does with a call."""
    return run(network, weights, *call.args, training=training, **call.kwargs)


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize(
    ("factory", "traced", "admitted", "refused"), [row[1:] for row in CASES], ids=[r[0] for r in CASES]
)
def test_examples_are_merged(
    factory: Callable[[], nn.Module], traced: Calls, admitted: Calls, refused: Calls, training: bool
) -> None:
    model, weights = made(factory)
    graph = gn.trace(model, *traced)
    gn.verify(graph)
    built = gn.build(graph, weights)
    for call in (*traced, *admitted):
        assert_same(called(model, weights, call, training), called(built, weights, call, training))
    for call in refused:
        with pytest.raises(ValueError, match=r"another condition: (\S+\.py:\d+|the parameter \w+ of \w+\.forward)"):
            called(built, weights, call, training)


def test_order_of_examples_does_not_matter() -> None:
    model, weights = made(lambda: TextEncoder(causal=True))
    calls = [text(2, 6, masked=False), text(2, 6), text(3, 7, 2)]
    for order in ((0, 1, 2), (2, 1, 0), (1, 2, 0)):
        built = gn.build(gn.trace(model, *(calls[place] for place in order)), weights)
        for call in (*calls, text(4, 9, 3)):
            assert_same(called(model, weights, call, True), called(built, weights, call, True))


def test_equal_examples_add_nothing() -> None:
    model, _ = made(Positions)
    assert gn.trace(model, image(2, 16), image(3, 16)) == gn.trace(model, *image(2, 16).args)


def test_decision_on_data_is_taken_once() -> None:
    text_of = gn.emit(gn.trace(made(TextEncoder)[0], text(2, 6), text(3, 7, 2)))
    assert text_of.count(".all()") == 1
    assert "decision = bool(mask.all())" in text_of


def test_input_that_may_be_left_out_is_asked_for() -> None:
    model, _ = made(decider(optional))
    graph = gn.trace(model, gn.example(rows(2)), gn.example(rows(2), ONE))
    assert "if scale is not None:" in gn.emit(graph)
    assert "given(scale)" in str(graph)


def test_input_that_was_always_given_must_be_given() -> None:
    """Even where nothing reads it: the forward may have taken its presence for a decision."""

    def forward(self: Any, x: Tensor, mask: Tensor | None = None) -> Tensor:
        return self.a(x) if mask is not None else self.b(x)  # type: ignore[no-any-return]

    model, weights = made(decider(forward))
    built = gn.build(gn.trace(model, rows(2), mask=ONE), weights)
    with pytest.raises(ValueError, match="the parameter mask"):
        built(rows(2))


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (1, 2, 0)])
def test_default_may_be_left_out_whichever_example_did_so(order: Sequence[int]) -> None:
    def forward(self: Any, x: Tensor, scale: float = 1.0) -> Tensor:
        return self.a(x) * scale  # type: ignore[no-any-return]

    model, weights = made(decider(forward))
    calls = gn.example(rows(2)), gn.example(rows(2), 2.0), gn.example(rows(2), scale=3.0)
    built = gn.build(gn.trace(model, *(calls[place] for place in order)), weights)
    for call in calls:
        assert torch.equal(built(*call.args, **call.kwargs), model(*call.args, **call.kwargs))
    with pytest.raises(ValueError, match="the parameter scale"):
        built(rows(2), 4.0)


def test_model_is_left_as_it_was_by_all_examples() -> None:
    model, weights = made(decider(modes))
    model.train()
    gn.trace(model, gn.example(rows(2)), gn.example(rows(1)), gn.example(rows(3)))
    assert model.training
    assert all(torch.equal(tensor, weights[name]) for name, tensor in model.state_dict().items())


def test_space_of_several_examples_runs_as_its_children_do() -> None:
    def forward(self: Any, x: Tensor) -> Tensor:
        return self.act(self.a(x)) if x.shape[0] > 2 else self.act(self.b(x) * 2)  # type: ignore[no-any-return]

    def factory() -> nn.Module:
        model = decider(forward)()
        model.act = nn.ReLU()
        return model

    model, weights = made(factory)
    graph = gn.trace(model, gn.example(rows(2)), gn.example(rows(3)))
    space = gn.mutate(graph, gn.Swap(nn.ReLU, {"silu": nn.SiLU, "gelu": nn.GELU}))
    assert gn.specialize(space, gn.default(space)) == graph
    supernet = gn.build(space, weights)
    for arch in gn.enumerate_archs(space):
        child = gn.build(gn.specialize(space, arch), weights)
        for batch in (1, 2, 3, 5):
            assert torch.equal(child(rows(batch)), supernet(rows(batch), plan=arch))


def test_rule_finds_its_sites_where_an_arm_cannot_run_on_the_traced_sizes() -> None:
    def forward(self: Any, x: Tensor) -> Tensor:
        if len(x) == 6:  # a number in the graph, which fits no other batch
            x = x.reshape(3, 2, 4).sum(1) + x.view(2, 3, 4).mean(0)
        return self.act(self.a(x))  # type: ignore[no-any-return]

    def factory() -> nn.Module:
        model = decider(forward)()
        model.act = nn.ReLU()
        return model

    model, weights = made(factory)
    space = gn.mutate(gn.trace(model, gn.example(rows(2)), gn.example(rows(6))), gn.Swap(nn.ReLU, {"silu": nn.SiLU}))
    supernet = gn.build(space, weights)
    for arch in gn.enumerate_archs(space):
        child = gn.build(gn.specialize(space, arch), weights)
        for batch in (2, 6):
            assert torch.equal(child(rows(batch)), supernet(rows(batch), plan=arch))
    assert torch.equal(gn.build(gn.specialize(space, gn.default(space)), weights)(rows(6)), model(rows(6)))


# ---------------------------------------------------------------- what cannot be merged
class Stateful(nn.Module):
    """Does something else at every call, for no reason that a graph could check."""

    turns: Iterator[int]

    def forward(self, x: Tensor) -> Tensor:
        return x + next(Stateful.turns)


class Held(nn.Module):
    """Takes a list of tensors, and a plain value."""

    def forward(self, items: list[Tensor], scale: Any = 1.0) -> Tensor:
        if scale == "bad":
            raise RuntimeError("the sensor is offline")
        return sum(items) * scale  # type: ignore[return-value]


class Named(nn.Module):
    """Goes through a dict of tensors."""

    def forward(self, items: dict[str, Tensor]) -> Tensor:
        return torch.cat([item * place for place, item in enumerate(items.values())])


WRONG: list[tuple[str, Callable[[], nn.Module], list[Any], str]] = [
    (
        "state",
        Stateful,
        [gn.example(rows(2)), gn.example(rows(2))],
        r"two examples go different ways.*\n  at .*\.py:\d+",
    ),
    (
        "length",
        Held,
        [gn.example([ONE]), gn.example([ONE, ONE])],
        r"'items' is built otherwise in example 2.*items\[1\]",
    ),
    (
        "dtype",
        Held,
        [gn.example([ONE]), gn.example([ONE.double()])],
        r"items\[0\] has the dtype torch\.float32 in the first",
    ),
    ("kind", Held, [gn.example([ONE], 2.0), gn.example([ONE], ONE)], r"'scale' is not given alike in all examples"),
    (
        "lengths behind none",
        Held,
        [gn.example(None), gn.example([ONE]), gn.example([ONE, ONE])],
        r"'items' is built otherwise in example 3 than in example 2",
    ),
    (
        "order",
        Named,
        [gn.example({"x": ONE, "y": ONE}), gn.example({"y": ONE, "x": ONE})],
        r"'items' has its keys in another order in example 2 than in the first example",
    ),
    ("list or none", Held, [gn.example(ONE), gn.example([ONE])], r"'items'"),
    ("raises", Held, [gn.example([ONE]), gn.example([ONE], "bad")], r"example 2 of 2: .*the sensor is offline\n  at "),
    ("unfit", Held, [gn.example([ONE]), gn.example()], r"example 2 of 2: the example inputs do not fit"),
    ("beside", Held, [gn.example([ONE]), [ONE]], r"examples are given beside other inputs \(list\)"),
    ("none", Held, [], r"the example inputs do not fit: missing a required argument: 'items'"),
]


@pytest.mark.parametrize(("factory", "given", "message"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_examples_that_cannot_be_merged_are_refused(
    factory: Callable[[], nn.Module], given: list[Any], message: str
) -> None:
    Stateful.turns = itertools.cycle((1, 2))
    with pytest.raises(TraceError, match=f"(?s){message}"):
        gn.trace(factory(), *given)


def test_size_that_is_changed_in_place_cannot_be_decided_by() -> None:
    def forward(self: Any, x: Tensor) -> Tensor:
        x = x + 1
        y = self.a(x) if x.shape[0] > 2 else self.b(x)
        x.unsqueeze_(0)
        return y + x  # type: ignore[no-any-return]

    with pytest.raises(TraceError, match=r"whose shape is changed in place\n  at .*test_examples\.py:\d+"):
        gn.trace(made(decider(forward))[0], gn.example(rows(2)), gn.example(rows(3)))


def test_optional_input_goes_to_fx() -> None:
    model, weights = made(decider(optional))
    module = gn.to_fx(gn.trace(model, rows(2), ONE), weights)
    assert torch.equal(module(rows(3), ONE), model(rows(3), ONE))
    with pytest.raises(RuntimeError, match="the parameter scale"):
        module(rows(3))
    with pytest.raises(gn.GraphError, match="fx cannot hold"):
        gn.to_fx(gn.trace(model, gn.example(rows(2)), gn.example(rows(2), ONE)))


def test_number_that_differs_without_a_decision_is_refused() -> None:
    sizes = iter((2, 2, 3, 3))  # what a forward reads elsewhere

    def forward(self: Any, x: Tensor) -> Tensor:
        return x * next(sizes)

    with pytest.raises(TraceError, match=r"no decision on sizes or data says why.*\n  at .*test_examples\.py:\d+"):
        gn.trace(made(decider(forward))[0], gn.example(rows(2)), gn.example(rows(3)), gn.example(rows(4)))


def test_dict_of_inputs_in_another_order_is_refused() -> None:
    model, items = Named(), {"x": rows(2), "y": rows(3)}
    network = gn.build(gn.trace(model, items))
    others = {"x": rows(4), "y": rows(5)}
    assert torch.equal(network(others), model(others))
    with pytest.raises(ValueError, match="items was traced with 'x', 'y', in this order"):
        network(dict(reversed(others.items())))
    with pytest.raises(ValueError, match="items was traced with 'x', 'y', in this order"):
        network(others | {"z": rows(2)})
