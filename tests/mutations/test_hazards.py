"""Rules at places where a naive rewrite is silently wrong: every child equals the supernet under the same architecture.

What is compared is built from the generated files, in evaluation and training, at a traced and an untraced batch size,
with the state that a call leaves behind.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import graphnas as gn
from graphnas.analysis.names import resolve
from graphnas.codegen.build import build
from graphnas.ir.choice import Arch
from graphnas.ir.graph import Graph
from graphnas.ir.sampling import enumerate_archs
from graphnas.ir.specialize import default, specialize
from graphnas.mutations.mutate import Rule, mutate
from graphnas.mutations.sites import Site
from graphnas.mutations.skip import Skip
from graphnas.mutations.swap import Swap
from graphnas.mutations.value import Value
from graphnas.tracing.tracer import trace
from tests.tracing import networks
from tests.tracing.comparison import same

State = dict[str, Tensor]


class Drop(nn.Module):
    """A candidate that draws random numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 6)
        self.drop = nn.Dropout(0.3)
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.drop(self.fc(x)))


class Norm(networks.Norm):
    """A candidate that writes to its buffers in training only."""

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(x)[0]


class Trailing(nn.Module):
    """A block whose result is not what it computes last: it counts its calls afterwards."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 6)
        self.register_buffer("seen", torch.zeros(6))

    def forward(self, x: Tensor) -> Tensor:
        y = self.fc(x)
        self.seen.add_(y.detach().mean(0))
        return y


class Attention(nn.Module):
    """A block with trailing effects, called twice, and a layer whose result is a part of what it gives."""

    def __init__(self) -> None:
        super().__init__()
        self.block = Trailing()
        self.attention = nn.MultiheadAttention(6, 2, batch_first=True)
        self.out = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        y = self.block(self.block(x)).unsqueeze(1)
        z, _ = self.attention(y, y, y)
        return self.out(z + y)


def images(batch: int) -> Tensor:
    return torch.randn(batch, 6, generator=torch.Generator().manual_seed(batch))


def tokens(batch: int) -> Tensor:
    return torch.arange(batch * 5).reshape(batch, 5) % 20


def norm(site: Site) -> nn.Module:
    return Norm(6)


def silu(inplace: bool) -> Callable[[object], nn.Module]:
    return lambda site: nn.SiLU(inplace)


class Sums(nn.Module):
    """A candidate for several values, which writes into what it is given and draws random numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 6)
        self.drop = nn.Dropout(0.3)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = self.drop(self.fc(x.mul_(2)))
        return y, (y + x).relu_()


class Product(nn.Module):
    """A candidate for a function of two values, which writes into both."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x.mul_(2) * y.add_(1)


class Woven(nn.Module):
    """Two subgraphs whose operations alternate, a value that is read again behind them, and writes in between."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(6, 6), nn.Linear(6, 6)
        self.act = nn.ReLU(inplace=True)
        self.norm = nn.LayerNorm(6)
        self.out = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        y = self.a(x)
        z = self.b(x)
        y = self.act(y)
        z = self.norm(z).tanh()
        y += z
        return self.out(y * z + x)


RELU = nn.ReLU
linear, relu = gn.op(nn.Linear), gn.op(nn.ReLU)


def activated(x: Any) -> Any:
    """A layer and its activation, of which both are read."""
    y = linear(x)
    return y, relu(y)


def pattern(function: Callable[..., Any], alternative: Any, **more: Any) -> Rule:
    return gn.Pattern(function, {"other": alternative}, **more)


CASES: dict[str, tuple[Callable[[], nn.Module], Callable[[int], Tensor], tuple[Rule, ...]]] = {
    "stale reader, swapped in place": (networks.StaleReader, images, (Swap(RELU, {"silu": silu(True)}),)),
    "stale reader, swapped out of place": (networks.StaleReader, images, (Swap(RELU, {"silu": silu(False)}),)),
    "block called twice": (networks.Twice, images, (Swap(RELU, {"silu": silu(True)}),)),
    "block called twice, with weights": (
        networks.Twice, images, (Swap("block.fc", {"free": lambda site: nn.Linear(6, 6, bias=False)}),),
    ),
    "block called twice, a module": (networks.Twice, images, (Swap(RELU, {"norm": norm}),)),
    "block called twice, swapped whole": (
        networks.Twice, images, (Swap("block", {"drop": Drop, "other": networks.Block}),),
    ),
    "block called twice, skipped": (networks.Twice, images, (Skip("block"),)),
    "in-place layers skipped": (networks.Deep, images, (Skip(RELU, "act"),)),
    "random candidate": (networks.Deep, images, (Swap(RELU, {"drop": Drop}, "act"),)),
    "candidate with writes in training only": (networks.Deep, images, (Swap(RELU, {"norm": norm}, "act"),)),
    "tied layer": (
        networks.Odd, tokens, (Swap("out", {"free": lambda site: nn.Linear(8, 20)}),),
    ),
    "owner of a tie": (
        networks.Odd, tokens, (Swap("emb", {"big": lambda site: nn.Embedding(20, 8, scale_grad_by_freq=True)}),),
    ),
    "within a training-only region": (
        networks.Auxiliary, images, (Swap(RELU, {"silu": silu(True), "norm": norm}), Skip("aux")),
    ),
    "dropout probability": (networks.Odd, tokens, (Value("dropout", "p", (0.1, 0.4)),)),
    "bias of a layer called twice": (networks.Twice, images, (Value("block.fc", "bias", (False,)),)),
    "results that are not whole or not last": (
        Attention, images,
        (
            Skip("block"),
            Swap("block", {"other": networks.Block}),
            Swap("attention", {"fc": lambda site: nn.Linear(6, 6)}),
        ),
    ),
    "region swapped and skipped": (
        networks.Deep, images,
        (Swap(gn.region("blocks.*.fc", "blocks.*.act"), {"drop": Drop}), Skip(gn.region("blocks.0.fc", "blocks.1"))),
    ),
    "region called twice, with rules inside": (
        networks.Twice, images,
        (
            Swap("block.act", {"silu": silu(True)}),
            Swap(gn.region("block.fc", "block.act"), {"norm": norm}),
            Skip(gn.region("block.fc", "block.act")),
        ),
    ),
    "pattern in a block called twice": (
        networks.Twice, images, (pattern(lambda x: relu(linear(x)), norm), Skip("block")),
    ),
    "patterns of one value, of several, and woven ones": (
        Woven, images,
        (
            pattern(lambda x: gn.op(nn.Tanh)(gn.op(nn.LayerNorm)(linear(x))), Drop, label="second"),
            pattern(lambda x: relu(linear(x)), norm, label="first"),
            pattern(lambda x, y: x * y, Product, label="product"),
        ),
    ),
    "pattern that gives several values": (
        networks.StaleReader, images, (pattern(activated, Sums),),
    ),
    "pattern that writes into what others read": (
        Woven, images, (pattern(lambda x, y: x * y, Product), pattern(lambda x, y: x + y, Product, where="add_1")),
    ),
    "rules upon rules": (
        networks.Deep, images,
        (
            Swap("blocks.0", {"drop": Drop}),
            Skip("blocks.[12]"),
            Swap(RELU, {"silu": nn.SiLU}, "act"),
            Value(nn.Linear, "bias", (False,), "bias"),
        ),
    ),
}  # fmt: skip


@pytest.fixture(params=CASES.values(), ids=CASES.keys())
def space(request: pytest.FixtureRequest) -> tuple[Graph, Graph, Callable[[int], Tensor]]:
    make, inputs, rules = request.param
    torch.manual_seed(0)
    graph = trace(make(), inputs(2))
    return graph, mutate(graph, *rules), inputs


def archs(space: Graph, most: int = 12) -> list[Arch]:
    return list(itertools.islice(enumerate_archs(space), most))


def test_default_is_the_original(space: tuple[Graph, Graph, Callable[[int], Tensor]]) -> None:
    graph, wider, _ = space
    assert specialize(wider, default(wider)) == graph


def test_child_equals_supernet(space: tuple[Graph, Graph, Callable[[int], Tensor]]) -> None:
    _, wider, inputs = space
    supernet = build(wider, weights=bare(wider))
    supernet.load_state_dict({name: drawn(value, i) for i, (name, value) in enumerate(supernet.state_dict().items())})
    weights = {name: value.clone() for name, value in supernet.state_dict().items()}  # tied ones are equal now
    for arch in archs(wider):
        child = build(specialize(wider, arch), weights=weights)
        kept = list(child.state_dict())
        assert kept == [name for name in weights if name in child.state_dict()]
        for training, batch in itertools.product((False, True), (2, 3)):
            supernet.load_state_dict(weights)
            child.load_state_dict({name: sliced(weights[name], value) for name, value in child.state_dict().items()})
            ours = run(child, training, inputs(batch))
            theirs = run(supernet, training, inputs(batch), plan=arch)
            assert same(ours, theirs), (arch, training, batch)
            state = supernet.state_dict()
            for name, value in child.state_dict().items():
                assert torch.equal(value, sliced(state[name], value)), (arch, training, batch, name)


@pytest.mark.parametrize("inplace", [True, False])
def test_child_equals_the_source_edited_by_hand(inplace: bool) -> None:
    model = networks.StaleReader()
    space = mutate(trace(model, images(2)), Swap(RELU, {"silu": silu(inplace)}))
    child = build(specialize(space, {"act": "silu"}), weights=model.state_dict())
    model.act = nn.SiLU(inplace)
    for training in (False, True):
        assert same(run(child, training, images(3)), run(model, training, images(3)))


def test_shortcut_adds_what_its_own_call_was_given() -> None:
    class Edited(Attention):
        def forward(self, x: Tensor) -> Tensor:
            y = self.block(x) + x
            y = (self.block(y) + y).unsqueeze(1)
            z, _ = self.attention(y, y, y)
            return self.out(z + y)

    model, edited = Attention(), Edited()
    edited.load_state_dict(model.state_dict())
    space = mutate(trace(model, images(2)), Skip("block"))
    child = build(specialize(space, {"block.skip": True}), weights=model.state_dict())
    assert same(run(child, False, images(3)), run(edited, False, images(3)))


def bare(graph: Graph) -> State:
    """Values for the parameters and buffers that belong to no layer."""
    return {
        entry.path: torch.zeros(entry.config["shape"], dtype=resolve(entry.config["dtype"].name))
        for entry in graph.modules
        if entry.kind in ("parameter", "buffer")
    }


def drawn(value: Tensor, seed: int) -> Tensor:
    if not value.is_floating_point():
        return value.clone()
    return torch.randn(value.shape, generator=torch.Generator().manual_seed(seed)) * 0.3


def sliced(value: Tensor, like: Tensor) -> Tensor:
    return value[tuple(slice(0, size) for size in like.shape)].clone()


def run(net: nn.Module, training: bool, x: Tensor, **plan: Arch) -> object:
    net.train(training)
    torch.manual_seed(5)
    with torch.no_grad():
        return net(x, **plan)
