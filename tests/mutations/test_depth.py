"""What `Depth` makes of loops over blocks, and what it passes over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from graphnas.codegen.emit import emit
from graphnas.errors import GraphError
from graphnas.ir.sampling import enumerate_archs
from graphnas.ir.specialize import default, specialize
from graphnas.mutations.depth import Depth
from graphnas.mutations.mutate import mutate
from graphnas.mutations.selectors import kind, where
from graphnas.mutations.skip import Skip
from graphnas.mutations.swap import Swap
from graphnas.mutations.value import Value
from graphnas.tracing.tracer import trace
from tests.models.resnet import resnet18, resnet50
from tests.mutations.networks import Encoder
from tests.mutations.spaces import lawful, output_under, x


class Residual(nn.Module):
    """A residual block with running statistics, that gives what it was given as a mask along with its result."""

    def __init__(self, width: int = 6) -> None:
        super().__init__()
        self.fc, self.norm, self.drop = nn.Linear(width, width), nn.BatchNorm1d(width), nn.Dropout(0.5)

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        return x + self.drop(self.norm(self.fc(x))) * mask, mask


class Loop(nn.Module):
    """A loop over three blocks, written in one of several ways."""

    kind: Callable[[int], nn.Module] = staticmethod(lambda width: nn.Linear(width, width))

    def __init__(self, depth: int = 3, width: int = 6) -> None:
        super().__init__()
        self.layers = nn.ModuleList([self.kind(width) for _ in range(depth)])
        self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in range(depth)])
        self.norm = nn.LayerNorm(width)
        self.drop = nn.Dropout(0.1)
        self.head = nn.Linear(width, 2)

    def loop(self, x: Tensor, depth: int) -> Tensor:
        for layer in self.layers[:depth]:
            x = layer(x)
        return x

    def forward(self, x: Tensor, depth: int = 3) -> Tensor:
        return self.head(self.loop(x, depth))


class Masked(Loop):
    kind = Residual

    def loop(self, x: Tensor, depth: int) -> Tensor:
        mask = torch.sigmoid(x)
        for layer in self.layers[:depth]:
            x, mask = layer(x, mask)
        return x


class Activated(Loop):
    def loop(self, x: Tensor, depth: int) -> Tensor:
        for layer in self.layers[:depth]:
            x = torch.relu(layer(x))
        return x


class Around(Loop):
    """The shortcut is the loop's, not the block's."""

    def loop(self, x: Tensor, depth: int) -> Tensor:
        for layer in self.layers[:depth]:
            x = x + layer(x)
        return x


class Before(Loop):
    """Each block is given a normalized value, and the last result is normalized once more."""

    def loop(self, x: Tensor, depth: int) -> Tensor:
        for layer, norm in zip(self.layers[:depth], self.norms, strict=False):
            x = x + self.drop(layer(norm(x)))
        return self.norm(x)


class Behind(Loop):
    """Each result is normalized by a layer of its own."""

    def loop(self, x: Tensor, depth: int) -> Tensor:
        for layer, norm in zip(self.layers[:depth], self.norms, strict=False):
            x = torch.relu(norm(layer(x)))
        return x


class Dropping(Loop):
    """Stochastic depth: what a block adds is dropped for some of the batch."""

    def loop(self, x: Tensor, depth: int) -> Tensor:
        for layer in self.layers[:depth]:
            added = layer(x)
            if self.training:
                added = added * torch.bernoulli(torch.full((x.shape[0], 1), 0.5))
            x = x + added
        return x


class Guarding(nn.Module):
    """A block that looks at the size of what it is given."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[0] > 1:
            x = self.fc(x)
        return x


class Guarded(Loop):
    kind = Guarding


class Shared(Loop):
    """One block, called three times."""

    def loop(self, x: Tensor, depth: int) -> Tensor:
        for _ in range(depth):
            x = self.layers[0](x)
        return x


class Overwriting(nn.Module):
    """A block that begins by changing what it was given."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.act, self.fc = nn.ReLU(inplace=True), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.act(x))


class Assigning(Overwriting):
    """A block that assigns to a part of what it was given."""

    def forward(self, x: Tensor) -> Tensor:
        x = x * 1
        x[:, 0] = 0
        return self.fc(x)


class InPlace(Loop):
    kind = Overwriting


class InPlaceItem(Loop):
    kind = Assigning


LOOPS = (Loop, Masked, Activated, Around, Before, Behind, Dropping, Guarded, Shared, InPlace, InPlaceItem)


@pytest.mark.parametrize("net", LOOPS)
def test_child_computes_what_the_model_with_fewer_blocks_does(net: type[Loop]) -> None:
    torch.manual_seed(0)
    model = net().eval()
    given = x(4, 6)
    space = lawful(model, given, Depth("layers"))
    assert {label: choice.options for label, choice in space.choices.items()} == {"layers.depth": (3, 2, 1)}
    for kept in (1, 2, 3):
        found = output_under(space, model, given.clone(), {"layers.depth": kept})
        assert torch.equal(found, model(given.clone(), kept)), kept


@pytest.mark.parametrize("net", [Loop, Masked, Around, Before])
def test_dropped_blocks_are_gone(net: type[Loop]) -> None:
    space = mutate(trace(net().eval(), x(4, 6)), Depth("layers"))
    child = specialize(space, {"layers.depth": 1})
    assert any(path.startswith("layers.0") for path in child.entries)
    assert not [path for path in child.entries if path.startswith(("layers.1", "layers.2"))]


def test_two_blocks_with_a_loop_around_them() -> None:
    space = lawful(Around(depth=2), x(4, 6), Depth("layers"))
    assert space.choices["layers.depth"].options == (2, 1)


def test_sequential_keeps_the_block_that_changes_the_shape() -> None:
    model = resnet18(4, 10)
    graph = trace(model, x(2, 3, 32, 32))
    space = lawful(model, x(2, 3, 32, 32), Depth("layer?"))
    assert {label: choice.options for label, choice in space.choices.items()} == {
        f"layer{stage}.depth": (2, 1) for stage in (1, 2, 3, 4)
    }
    assert [site.type for site in Depth("layer?").explain(graph).matched] == ["torch.nn.Sequential"] * 4
    assert mutate(graph, Depth(where(nn.Sequential) & "layer[12]")).size() == 4


def test_least_number_of_blocks_and_one_decision_for_several_containers() -> None:
    graph = trace(resnet50(4, 10), x(2, 3, 32, 32))
    space = mutate(graph, Depth("layer[14]", least=2, label="depth"))
    assert space.choices["depth"].options == (3, 2)
    with pytest.raises(GraphError, match=r"label 'depth' is shared by block layer1 .* options \(3, 2, 1\) and block"):
        mutate(graph, Depth("layer?", label="depth"))
    with pytest.raises(GraphError, match="it has 3 blocks, and 3 are to stay"):
        mutate(graph, Depth("layer1", least=3))


def test_explain_says_which_blocks_stay() -> None:
    class Widening(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.Linear(6, 4), nn.Linear(4, 8), nn.Linear(8, 8), nn.Linear(8, 8))

        def forward(self, x: Tensor) -> Tensor:
            return self.body(x)

    graph = trace(Widening(), x(2, 6))
    found = Depth("body").explain(graph)
    assert dict(found.decisions) == {"body.depth": (4, 3, 2)}
    (note,) = found.notes
    assert note.startswith("body keeps its first 2 of 4 blocks: layer body.0 (")
    assert note.endswith("hands on (2, 4), but the last block (2, 8)")


# ---------------------------------------------------------------- what is passed over
class Listing(Loop):
    """The result of every block is read by the head."""

    def loop(self, x: Tensor, depth: int) -> Tensor:
        found = []
        for layer in self.layers[:depth]:
            x = layer(x)
            found.append(x)
        return torch.stack(found).sum(0)


class Returning(Loop):
    def forward(self, x: Tensor, depth: int = 3) -> Any:
        first = self.layers[0](x)
        second = self.layers[1](first)
        return self.head(self.layers[2](second)), second


class Parallel(Loop):
    def loop(self, x: Tensor, depth: int) -> Tensor:
        return self.layers[0](x) + self.layers[1](x) + self.layers[2](x)


class Uneven(Loop):
    def loop(self, x: Tensor, depth: int) -> Tensor:
        for layer in self.layers[:-1]:
            x = torch.relu(layer(x))
        return self.layers[-1](x)


class Irregular(Loop):
    def loop(self, x: Tensor, depth: int) -> Tensor:
        return torch.relu(self.layers[2](torch.relu(self.layers[1](torch.tanh(self.layers[0](x))))))


class Writing(Loop):
    """The loop counts in a buffer of the network what each block gives."""

    def __init__(self) -> None:
        super().__init__()
        self.total = nn.Buffer(torch.zeros(6))

    def loop(self, x: Tensor, depth: int) -> Tensor:
        for layer in self.layers[:depth]:
            x = layer(x)
            self.total.add_(x.detach().sum(0))
        return x


@pytest.mark.parametrize(("net", "reason"), [
    (Listing, r"node stack \(.*\) reads what its block 2 hands on"),
    (Returning, "the network returns what its block 2 hands on"),
    (Parallel, r"layers\.1 \(.*\) does not take over one result of the block before it"),
    (Uneven, "what runs behind its last block is not what runs between them"),
    (Irregular, "what runs between its blocks differs"),
    (Writing, r"node add_1 \(.*\) reads what its block 2 hands on"),
])  # fmt: skip
def test_loops_that_are_passed_over(net: type[Loop], reason: str) -> None:
    graph = trace(net().eval(), x(4, 6))
    with pytest.raises(GraphError, match=rf"passes over every site that it matches(.|\n)*block layers (.*)({reason})"):
        mutate(graph, Depth("layers"))


def test_blocks_from_the_one_on_whose_result_is_read_may_be_dropped() -> None:
    class Early(Loop):
        def forward(self, x: Tensor, depth: int = 3) -> Any:
            first = self.layers[0](x)
            return self.head(self.layers[2](self.layers[1](first))), self.head(first)

    graph = trace(Early().eval(), x(4, 6))
    found = Depth("layers").explain(graph)
    assert dict(found.decisions) == {"layers.depth": (3, 2)}
    assert "hands on" in found.notes[0]


@pytest.mark.parametrize(("rule", "message"), [
    (lambda: Depth("layer"), r"it looked for containers among names like 'layer'\. Did you mean .*layers"),
    (lambda: Depth("layers.0"), "the rule matches nothing: it looked for containers among names like 'layers.0'"),
    (lambda: Depth(nn.Conv2d), "the rule matches nothing"),
    (lambda: Depth(kind(nn.Linear)), "the rule matches nothing"),
])  # fmt: skip
def test_rule_that_matches_no_container(rule: Callable[[], Depth], message: str) -> None:
    with pytest.raises(GraphError, match=message):
        mutate(trace(Loop(), x(4, 6)), rule())


@pytest.mark.parametrize(("make", "error", "message"), [
    (lambda: Depth(3), TypeError, "where must be a glob"),
    (lambda: Depth("x", least=0), ValueError, "least must be 1 or more, but is 0"),
    (lambda: Depth("x", least=1.5), TypeError, "least is a number of blocks, but is 1.5"),
    (lambda: Depth("x", least=True), TypeError, "least is a number of blocks, but is True"),
    (lambda: Depth("x", label="{block}"), ValueError, "may hold the placeholders {node}"),
])  # fmt: skip
def test_arguments_that_make_no_rule(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def test_applied_twice_it_says_what_decides_already() -> None:
    graph = trace(Loop(), x(4, 6))
    with pytest.raises(GraphError, match=r"block layers \(.*\): label 'layers.depth' decides how many of its blocks"):
        mutate(graph, Depth("layers"), Depth("layers", label="other"))


# ---------------------------------------------------------------- beside other rules
@pytest.mark.parametrize("rules", [
    (Depth("layers"), Swap("layers.1", {"tanh": nn.Tanh})),
    (Swap("layers.*", {"tanh": nn.Tanh}), Depth("layers")),
    (Skip("layers.2"), Depth("layers")),
    (Depth("layers"), Skip("layers.*")),
    (Value("layers.*", "bias", (False,)), Depth("layers")),
    (Skip("layers.2"), Swap("layers.2", {"tanh": nn.Tanh}), Depth("layers", least=2)),
    (Depth("layers", least=2), Swap("layers.2", {"tanh": nn.Tanh}), Skip("layers.2")),
])  # fmt: skip
@pytest.mark.parametrize("net", [Loop, Activated, Around])
def test_laws_hold_beside_other_rules(net: type[Loop], rules: tuple[Any, ...]) -> None:
    torch.manual_seed(0)
    lawful(net(), x(4, 6), *rules)


def test_decisions_of_a_dropped_block_are_dead() -> None:
    space = mutate(trace(Loop(), x(4, 6)), Swap("layers.*", {"tanh": nn.Tanh}), Depth("layers"))
    assert space.size() == 2 + 4 + 8
    assert [sorted(arch) for arch in enumerate_archs(space) if arch["layers.depth"] == 1] == [
        ["layers.0", "layers.depth"]
    ] * 2


def test_containers_inside_of_blocks() -> None:
    class Nested(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = nn.ModuleList(
                nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4)) for _ in range(2)
            )

        def forward(self, x: Tensor) -> Tensor:
            for block in self.blocks:
                x = block(x)
            return x

    for rules in ((Depth("blocks"), Depth("blocks.?")), (Depth("blocks.?"), Depth("blocks"))):
        space = lawful(Nested(), x(3, 4), *rules)
        assert space.size() == 3 + 9


def test_container_that_is_called_twice_has_one_decision() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.list = nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4)])
            self.stack = nn.Sequential(nn.Linear(4, 4), nn.Tanh())

        def branch(self, x: Tensor) -> Tensor:
            for layer in self.list:
                x = layer(x)
            return self.stack(x)

        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return self.branch(x) * self.branch(y)

    model = Twice()
    graph = trace(model, x(3, 4), x(3, 4))
    space = mutate(graph, Depth("list"), Depth(nn.Sequential))
    assert {label: choice.options for label, choice in space.choices.items()} == {
        "list.depth": (2, 1), "stack.depth": (2, 1),
    }  # fmt: skip
    assert specialize(space, default(space)) == graph


# ---------------------------------------------------------------- as source
def test_emitted_supernet_and_child_read_well(golden: Callable[[str, str], None]) -> None:
    torch.manual_seed(0)
    space = lawful(Encoder(), x(2, 5, 4), Depth("layers", least=2))
    golden("supernets/depth.py", emit(space))
    golden("children/depth.py", emit(specialize(space, {"layers.depth": 2})))
