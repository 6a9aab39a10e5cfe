"""What `Inputs` lets a site read, and what it passes over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from graphnas.codegen.emit import emit
from graphnas.errors import GraphError
from graphnas.ir.sampling import enumerate_archs
from graphnas.ir.specialize import specialize
from graphnas.mutations.depth import Depth
from graphnas.mutations.inputs import Inputs
from graphnas.mutations.mutate import mutate
from graphnas.mutations.skip import Skip
from graphnas.mutations.swap import Swap
from graphnas.mutations.value import Value
from graphnas.tracing.tracer import trace
from tests.models.resnet import resnet18
from tests.mutations.networks import Net
from tests.mutations.spaces import lawful, output_under, x


def options(*rules: Any) -> dict[str, tuple[Any, ...]]:
    space = mutate(trace(Net(), x(3, 6)), *rules)
    return {label: choice.options for label, choice in space.choices.items()}


def test_options_are_named_by_their_sources() -> None:
    assert options(Inputs("head", "*")) == {"head.input": ("original", "stem", "a", "b")}
    assert options(Inputs("head", nn.Linear)) == {"head.input": ("original", "stem", "a.0", "a.2", "b.0", "b@1.0")}
    assert options(Inputs("a.2", "*")) == {"a.2.input": ("original", "stem", "a.0")}


def test_child_computes_what_a_person_would_write() -> None:
    torch.manual_seed(0)
    model, given = Net().eval(), x(3, 6)
    space = lawful(model, given, Inputs("head", "[as]*"), Inputs("a.2", "stem"))
    stem = model.stem(given)
    first = model.a[0](stem)
    for arch in enumerate_archs(space):
        second = model.a[2](stem if arch.get("a.2.input") == "stem" else torch.relu(first))
        expected = {"original": model.b(model.b(second)), "stem": stem, "a": second}
        assert torch.equal(output_under(space, model, given, arch), model.head(expected[arch["head.input"]])), arch


def test_source_that_is_overwritten_is_read_as_it_was() -> None:
    torch.manual_seed(0)
    model, given = Net().eval(), x(3, 6)
    space = lawful(model, given, Inputs("head", "a.0"))
    found = output_under(space, model, given, {"head.input": "a.0"})
    assert torch.equal(found, model.head(model.a[0](model.stem(given))))


def test_any_subset_is_joined() -> None:
    torch.manual_seed(0)
    model, given = Net().eval(), x(3, 6)
    stem = model.stem(given)
    a = model.a(stem)
    for merge, joined in {"sum": stem + a, "mean": (stem + a) / 2}.items():
        space = lawful(model, given, Inputs("head", "[as]*", take=None, merge=merge))
        assert space.choices["head.input"].default == ("original",)
        assert space.size() == 7
        found = output_under(space, model, given, {"head.input": ("stem", "a")})
        torch.testing.assert_close(found, model.head(joined))


class Pooling(Net):
    """The head takes any number of channels."""

    def forward(self, x: Tensor) -> Tensor:
        return self.b(self.a(self.stem(x))).mean(1)


def test_values_side_by_side_where_the_network_takes_them() -> None:
    space = lawful(Pooling(), x(3, 6), Inputs("b.1", "a", take=None, merge="concat"))
    assert space.size() == 3
    with pytest.raises(
        GraphError, match=r"cannot take values side by side; join them by 'sum', or take one: (.|\n)*head"
    ):
        mutate(trace(Net(), x(3, 6)), Inputs("head", "a", take=None, merge="concat"))


def test_values_side_by_side_that_change_the_output() -> None:
    class Whole(Net):
        def forward(self, x: Tensor) -> Tensor:
            return torch.tanh(self.a(self.stem(x)))

    with pytest.raises(GraphError, match=r"changes the network's output from \(3, 6\) to \(3, 12\)"):
        mutate(trace(Whole(), x(3, 6)), Inputs(torch.tanh, "stem", take=None, merge="concat"))


def test_mean_of_whole_numbers_is_refused() -> None:
    class Whole(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            y = x.long()
            return torch.abs(torch.neg(y))

    graph = trace(Whole(), x(3, 6))
    assert mutate(graph, Inputs(torch.abs, torch.Tensor.long, take=None)).size() == 3
    with pytest.raises(GraphError, match="mean"):
        mutate(graph, Inputs(torch.abs, torch.Tensor.long, take=None, merge="mean"))


def test_site_in_a_module_that_is_called_twice() -> None:
    space = lawful(Net(), x(3, 6), Inputs("b.1", "stem"))
    assert space.size() == 2
    with pytest.raises(GraphError, match=r"label 'b\.input' is shared by block b (.|\n)*take by where only sites"):
        mutate(trace(Net(), x(3, 6)), Inputs("b", "*"))


def test_source_inside_of_another_module_of_a_real_network() -> None:
    model = resnet18(4, 10)
    given = x(2, 3, 32, 32)
    space = lawful(model, given, Inputs("layer2.1.conv2", "layer2.0*"), Inputs("layer1.1", "*relu*"))
    assert {label: choice.options for label, choice in space.choices.items()} == {
        "layer1.1.input": ("original", "layer1.0.relu"), "layer2.1.conv2.input": ("original", "layer2.0"),
    }  # fmt: skip


# ---------------------------------------------------------------- beside other rules
@pytest.mark.parametrize("rules", [
    (Inputs("b.1", "stem"), Swap("b.1", {"relu": nn.ReLU})),
    (Swap("b.1", {"relu": nn.ReLU(inplace=True)}), Inputs("b.1", "stem")),
    (Inputs("head", "stem"), Swap("stem", {"tanh": nn.Tanh})),
    (Swap("[as]*", {"tanh": nn.Tanh}), Inputs("head", "[as]*")),
    (Skip("a"), Inputs("head", "[as]*", take=None)),
    (Inputs("a.2", "stem"), Skip("a.2")),
    (Skip("a.2"), Inputs("a.2", "stem")),
    (Value("a.0", "bias", (False,)), Inputs("head", "a.0")),
    (Depth("a"), Inputs("head", "a*")),
    (Inputs("a.1", "stem"), Depth("a")),
    (Inputs("head", "a"), Inputs("head", "stem", label="further")),
])  # fmt: skip
def test_laws_hold_beside_other_rules(rules: tuple[Any, ...]) -> None:
    torch.manual_seed(0)
    assert lawful(Net(), x(3, 6), *rules).size() > 2


def test_shortcut_and_alternatives_read_what_is_chosen_in_either_order() -> None:
    torch.manual_seed(0)
    model, given = Net().eval(), x(3, 6)
    first = lawful(model, given, Inputs("a.2", "stem"), Skip("a.2"), Swap("a.2", {"tanh": nn.Tanh}))
    second = lawful(model, given, Swap("a.2", {"tanh": nn.Tanh}), Skip("a.2"), Inputs("a.2", "stem"))
    assert first.size() == second.size() == 8
    for arch in enumerate_archs(first):
        assert torch.equal(output_under(first, model, given, arch), output_under(second, model, given, arch)), arch


# ---------------------------------------------------------------- what is passed over
class Kept(nn.Module):
    """A value that is assigned to, one that runs under a condition, one of another dtype, and two results."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 6)
        self.out = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        y = self.first(x)
        y[:, 0] = 0
        if x.sum() > 0:
            y = self.second(y)
        z = self.third(y) + y.double().float()
        return self.out(z)


def test_sources_that_cannot_be_read_and_why() -> None:
    graph = trace(Kept(), x(3, 6).abs())
    found = Inputs("out", "*").explain(graph)
    (note,) = found.notes
    assert "first" not in dict(found.decisions)["out.input"]
    with pytest.raises(GraphError, match=r"it can read none of its sources: first, since node .* changes it in place"):
        mutate(graph, Inputs("out", "first"))
    with pytest.raises(GraphError, match=r"since it gives \(3, 6\) float64, but the own input is \(3, 6\)"):
        mutate(graph, Inputs("out", torch.Tensor.double))
    with pytest.raises(GraphError, match=r"since its result is the own input"):
        mutate(graph, Inputs("out", "add"))
    assert "of its sources" in note


class Branching(Net):
    def forward(self, x: Tensor) -> Tensor:
        y = self.stem(x)
        if x.sum() > 0:
            y = self.a(y)
        return self.head(self.b(y))


class Assigning(Net):
    def forward(self, x: Tensor) -> Tensor:
        stem = self.stem(x)
        y = self.a(stem)
        y[:, 0] = stem[:, 0]
        return self.head(y)


@pytest.mark.parametrize(("rule", "message"), [
    (Inputs("heat", "a"), r"the rule matches nothing: it looked for names like 'heat'\. Did you mean 'head'"),
    (Inputs("head", "steam"), r"nothing is like its sources, names like 'steam'\. Did you mean 'stem'"),
    (Inputs("stem", "a"), r"no earlier site is among its sources, names like 'a'"),
])  # fmt: skip
def test_rule_that_finds_nothing(rule: Inputs, message: str) -> None:
    with pytest.raises(GraphError, match=message):
        mutate(trace(Net(), x(3, 6)), rule)


def test_rule_that_is_applied_twice() -> None:
    rule = Inputs("head", "a")
    with pytest.raises(GraphError, match=r"label 'head\.input' decides what it reads already; apply the rule once"):
        mutate(trace(Net(), x(3, 6)), rule, rule)


@pytest.mark.parametrize(("make", "error", "message"), [
    (lambda: Inputs("x", 3), TypeError, "where must be a glob"),
    (lambda: Inputs("x", "y", take=2), ValueError, "take must be 1, or None for any subset"),
    (lambda: Inputs("x", "y", take=True), ValueError, "take must be 1, or None for any subset"),
    (lambda: Inputs("x", "y", merge="product"), ValueError, "merge must be one of sum, mean, concat"),
    (lambda: Inputs("x", "y", label="{source}"), ValueError, "may hold the placeholders {node}"),
])  # fmt: skip
def test_arguments_that_make_no_rule(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


# ---------------------------------------------------------------- as source
def test_emitted_supernet_and_child_read_well(golden: Callable[[str, str], None]) -> None:
    torch.manual_seed(0)
    space = lawful(Net(), x(3, 6), Inputs("a.2", "stem"), Inputs("head", "a.0", take=None))
    golden("supernets/inputs.py", emit(space))
    golden("children/inputs.py", emit(specialize(space, {"a.2.input": "stem", "head.input": ("original", "a.0")})))
