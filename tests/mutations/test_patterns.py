"""Patterns: what they match and what not, what becomes of it, and what is refused."""

from __future__ import annotations

import operator
import re
import time
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import graphnas as gn
from graphnas.analysis.patterns import occurrences
from graphnas.errors import GraphError
from graphnas.ir.node import Choose, Ref
from graphnas.ir.specialize import default, specialize
from graphnas.mutations.mutate import mutate
from graphnas.mutations.sites import Site
from tests.models.bert import bert_base
from tests.models.resnet import resnet18, resnet50
from tests.models.vit import VisionTransformer

conv, norm, relu = gn.op(nn.Conv2d), gn.op(nn.BatchNorm2d), gn.op(nn.ReLU)
linear, sigmoid = gn.op(nn.Linear), gn.op(torch.sigmoid)


class Net(nn.Module):
    """Layers, and a function of them and the input."""

    def __init__(self, function: Callable[[Any, Tensor], Any]) -> None:
        super().__init__()
        self.a, self.b, self.c = (nn.Linear(4, 4) for _ in range(3))
        self.act = nn.ReLU()
        self.wide = nn.Linear(4, 8, bias=False)
        self.block = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
        self.function = function

    def forward(self, x: Tensor) -> Any:
        return self.function(self, x)


class Many(nn.Module):
    """An alternative that gives as many values as its site, of their shapes, whatever it is given."""

    def __init__(self, site: Site) -> None:
        super().__init__()
        self.shapes = [shape.dims for shape in site.output_shapes]  # type: ignore[union-attr]
        self.scale = nn.Linear(1, 1)

    @staticmethod
    def of(site: Site) -> Many:
        return Many(site)

    def forward(self, *given: Tensor) -> Any:
        total = self.scale(torch.stack([value.mean() for value in given]).sum().reshape(1))
        found = tuple(total.expand(shape) for shape in self.shapes)
        return found if len(found) > 1 else found[0]


def traced(function: Callable[[Any, Tensor], Any]) -> gn.Graph:
    torch.manual_seed(0)
    return gn.trace(Net(function), torch.randn(2, 4))


def rule(pattern: Callable[..., Any], **more: Any) -> Any:
    return gn.Pattern(pattern, {"other": Many.of}, **more)


def found(graph: gn.Graph, pattern: Callable[..., Any]) -> list[tuple[str, ...]]:
    """The nodes of each match, in the order of the pattern's operations."""
    explained = rule(pattern).explain(graph)
    return [tuple(part.name for part in site.parts) for site in explained.matched]


def reasons(graph: gn.Graph, pattern: Callable[..., Any]) -> list[str]:
    return [reason for _, reason in rule(pattern).explain(graph).passed]


def checked(graph: gn.Graph, *rules: Any) -> gn.Graph:
    """The space, after making sure that its default is the graph."""
    space = mutate(graph, *rules)
    assert specialize(space, default(space)) == graph
    return space


# ---------------------------------------------------------------- what is one operation
@pytest.mark.parametrize("of", [nn.ReLU, F.relu, torch.relu, torch.Tensor.relu_], ids=operator.attrgetter("__name__"))
@pytest.mark.parametrize(
    "written",
    [
        lambda net, x: net.act(net.a(x)),
        lambda net, x: F.relu(net.a(x)),
        lambda net, x: F.relu(net.a(x), inplace=True),
        lambda net, x: torch.relu(net.a(x)),
        lambda net, x: net.a(x).relu(),
        lambda net, x: net.a(x).relu_(),
        lambda net, x: torch.relu_(net.a(x)),
    ],
)
def test_activation_matches_however_it_is_written(of: Any, written: Any) -> None:
    assert len(found(traced(written), lambda x: gn.op(of)(linear(x)))) == 1


def summed_in_place(net: Any, x: Tensor) -> Tensor:
    y = net.a(x)
    y += x
    return y


@pytest.mark.parametrize("pattern", [
    lambda x, y: linear(x) + y, lambda x, y: y + linear(x), lambda x, y: gn.op(torch.add)(linear(x), y),
    lambda x, y: gn.op(torch.Tensor.add_)(y, linear(x)),
])  # fmt: skip
@pytest.mark.parametrize("written", [
    lambda net, x: net.a(x) + x, lambda net, x: x + net.a(x), lambda net, x: torch.add(x, net.a(x)),
    lambda net, x: net.a(x).add(x), lambda net, x: net.a(x).add_(x), summed_in_place,
    lambda net, x: torch.add(x, net.a(x), alpha=1), lambda net, x: operator.add(x, net.a(x)),
])  # fmt: skip
def test_sum_matches_however_it_is_written(pattern: Any, written: Any) -> None:
    (match,) = rule(pattern).explain(traced(written)).matched
    assert match.inputs == (Ref("x"), Ref("x"))


def test_inputs_are_bound_to_the_operands_that_they_stand_for() -> None:
    graph = traced(lambda net, x: torch.tanh(x) + net.a(x))
    (match,) = rule(lambda x, y: linear(x) + y).explain(graph).matched
    assert match.inputs == (Ref("x"), Ref("tanh"))
    (match,) = rule(lambda y, x: y + linear(x)).explain(graph).matched
    assert match.inputs == (Ref("tanh"), Ref("x"))
    (match,) = rule(lambda x, y: x + y).explain(graph).matched
    assert match.inputs == (Ref("tanh"), Ref("a"))


def test_what_does_not_commute_is_told_apart() -> None:
    assert found(traced(lambda net, x: net.a(x) - x), lambda x, y: linear(x) - y) == [("a", "sub")]
    assert found(traced(lambda net, x: x - net.a(x)), lambda x, y: linear(x) - y) == []
    assert found(traced(lambda net, x: x - net.a(x)), lambda x, y: y - linear(x)) == [("a", "sub")]
    assert found(traced(lambda net, x: 1 - net.a(x)), lambda x: 1 - linear(x)) == [("a", "sub")]
    assert found(traced(lambda net, x: net.a(x) - 1), lambda x: 1 - linear(x)) == []


def test_numbers_are_matched_as_such() -> None:
    graph = traced(lambda net, x: 0.5 * net.a(x) * (1 + torch.tanh(x)))
    tanh = gn.op(nn.Tanh)
    assert found(graph, lambda x, y: x * 0.5 * (tanh(y) + 1.0)) == [("mul", "tanh", "add", "mul_1")]
    assert found(graph, lambda x, y: x * 0.4 * (tanh(y) + 1.0)) == []
    assert found(traced(lambda net, x: net.a(x) ** 2), lambda x: linear(x) ** 2) == [("a", "pow")]
    assert found(traced(lambda net, x: (net.a(x) @ x.t()) / 2), lambda x, y: (linear(x) @ y) / 2) == [
        ("a", "matmul", "truediv"),
    ]  # fmt: skip


def test_arguments_are_conditions() -> None:
    graph = traced(lambda net, x: torch.add(net.wide(F.leaky_relu(net.a(x), 0.3)), 1, alpha=2).softmax(-1))
    leaky = gn.op(nn.LeakyReLU, negative_slope=lambda slope: slope > 0.2)
    assert found(graph, lambda x: gn.op(nn.Linear, bias=False)(leaky(x))) == [("leaky_relu", "wide")]
    assert found(graph, lambda x: gn.op(nn.LeakyReLU, negative_slope=0.2)(x)) == []
    assert found(graph, lambda x: linear(x) + 1) == []
    assert found(graph, lambda x: gn.op(torch.add, alpha=2)(linear(x), 1)) == [("wide", "add")]
    assert found(graph, lambda x: gn.op(nn.Softmax, dim=-1)(x)) == [("softmax",)]


def test_parameters_are_no_values() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gamma = nn.Parameter(torch.ones(4))

        def forward(self, x: Tensor) -> Tensor:
            return F.linear(torch.tanh(x) * self.gamma, torch.ones(4, 4))

    graph = gn.trace(Scaled(), torch.randn(2, 4))
    assert found(graph, lambda x: gn.op(operator.mul)(gn.op(nn.Tanh)(x))) == [("tanh", "mul")]


# ---------------------------------------------------------------- shapes of patterns
def test_value_may_be_read_twice() -> None:
    def swish(x: Any) -> Any:
        y = linear(x)
        return y * sigmoid(y)

    def shared(net: Any, x: Tensor) -> Tensor:
        y = net.a(x)
        return net.b(torch.sigmoid(y) * y)

    assert found(traced(shared), swish) == [("a", "sigmoid", "mul")]
    assert found(traced(lambda net, x: net.a(x) * torch.sigmoid(net.b(x))), swish) == []
    assert found(traced(lambda net, x: net.a(x) + net.a(x)), lambda x: linear(x) + linear(x)) == [("a", "a@1", "add")]
    assert found(traced(lambda net, x: net.a(x) + net.a(x)), lambda x: (y := linear(x)) + y) == []


def projections(x: Any) -> Any:
    return linear(x), linear(x), linear(x)


def test_pattern_gives_several_values_of_several() -> None:
    def attention(net: Any, x: Tensor) -> Tensor:
        q, k, v = net.a(x), net.b(x), net.c(x)
        return (q @ k.t()).softmax(-1) @ v

    graph = traced(attention)
    assert found(graph, projections) == [("a", "b", "c")]
    space = checked(graph, rule(projections, label="qkv"))
    chosen = [node for node in space.nodes if isinstance(node.op, Choose)]
    assert [node.name for node in chosen] == ["a_to_c_choice", "a_to_c_choice_1", "a_to_c_choice_2"]
    assert {node.op.choice.label for node in chosen} == {"qkv"}  # type: ignore[union-attr]
    assert space.size() == 2
    child = specialize(space, {"qkv": "other"})
    assert not {"a", "b", "c"} & child.by_name.keys()
    assert not {"a", "b", "c"} & child.entries.keys()
    net = gn.build(space, Net(attention).state_dict())
    assert net(torch.randn(2, 4), plan={"qkv": "other"}).shape == (2, 4)


def test_values_are_replaced_where_they_are_computed() -> None:
    def attention(net: Any, x: Tensor) -> Tensor:
        q = net.a(x).tanh()
        k = net.b(x).sin()
        return (q @ k.t()).softmax(-1) @ net.c(x).cos()

    space = checked(traced(attention), rule(projections))
    names = list(space.by_name)
    assert names.index("a_to_c_choice") == names.index("tanh") - 1
    assert names.index("a_to_c_choice_1") == names.index("sin") - 1
    assert space.node("sin").args == (Ref("a_to_c_choice_1"),)


def test_match_may_end_within_a_module() -> None:
    class Output(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.dense, self.norm = nn.Linear(4, 4), nn.LayerNorm(4)

        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return self.norm(self.dense(x) + y)

    class Layer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.up, self.output = nn.Linear(4, 4), Output()

        def forward(self, x: Tensor) -> Tensor:
            return self.output(F.gelu(self.up(x)), x)

    graph = gn.trace(nn.Sequential(Layer(), Layer()), torch.randn(2, 4))
    pattern = rule(lambda x: linear(gn.op(nn.GELU)(linear(x))))
    (site, _) = pattern.explain(graph).matched
    assert (site.name, site.path) == ("0.output.up_to_output_dense", "0.output")
    space = checked(graph, pattern)
    assert space.node("0.output.up_to_output_dense_choice").scope == graph.node("0.output.dense").scope
    child = specialize(space, dict.fromkeys(space.choices, "other"))
    assert not [path for path in child.entries if path.endswith(("up", "dense"))]
    gn.build(child, gn.build(space, gn.build(graph).state_dict()).state_dict())(torch.randn(2, 4))


def test_layer_with_parameters_matches_the_function_that_it_calls() -> None:
    class Own(nn.LayerNorm):
        def forward(self, x: Tensor) -> Tensor:
            return F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    graph = gn.trace(nn.Sequential(nn.Linear(4, 4), Own(4)), torch.randn(2, 4))
    assert found(graph, lambda x: gn.op(nn.LayerNorm)(linear(x))) == [("0", "1.layer_norm")]
    assert found(graph, lambda x: gn.op(F.layer_norm)(gn.op(F.linear)(x))) == [("0", "1.layer_norm")]
    norms = gn.trace(nn.Sequential(nn.BatchNorm1d(4), nn.BatchNorm1d(4)), torch.randn(2, 4))
    assert found(norms, lambda x: gn.op(nn.BatchNorm2d)(x)) == []


def test_parts_are_joined_by_what_they_are_given_in_any_order() -> None:
    tanh, sin, cos = gn.op(torch.tanh), gn.op(torch.sin), gn.op(torch.cos)
    graph = traced(lambda net, x: (x.tanh(), net.a(z := net.b(x)), x.cos() * z.sin()))
    # The first two operations share no value, but both share one with the third.
    assert found(graph, lambda x, y: (tanh(x), linear(y), cos(x) * sin(y))) == [("tanh", "a", "cos", "sin", "mul")]
    assert found(graph, lambda x, y: (tanh(x), linear(y), cos(y) * sin(x))) == []


def test_parts_of_a_tuple_are_taken_by_index() -> None:
    graph = traced(lambda net, x: (found := net.a(x).sort(-1))[0] * torch.sigmoid(found[1]))
    ordered = gn.op(torch.sort)

    def right(x: Any) -> Any:
        y = ordered(linear(x))
        return y[0] * sigmoid(y[1])

    def wrong(x: Any) -> Any:
        y = ordered(linear(x))
        return y[1] * sigmoid(y[0])

    assert found(graph, right) == [("a", "sort", "sigmoid", "mul")]
    assert found(graph, wrong) == []
    assert found(graph, lambda x: ordered(x)[0]) == []
    assert found(graph, lambda x: ((y := ordered(linear(x)))[0], y[1])) == [("a", "sort")]


def test_match_may_span_modules() -> None:
    graph = gn.trace(resnet18(4, 5), torch.randn(2, 3, 32, 32))
    explained = rule(lambda x, y: relu(norm(conv(x)) + norm(conv(y)))).explain(graph)
    assert [site.name for site in explained.matched] == [f"layer{i}.0.conv2_to_relu" for i in (2, 3, 4)]
    assert explained.matched[0].path == "layer2.0"
    assert [part.name for part in explained.matched[0].parts] == [
        "layer2.0.conv2", "layer2.0.bn2", "layer2.0.downsample.0", "layer2.0.downsample.1", "layer2.0.add",
        "layer2.0.relu@1",
    ]  # fmt: skip
    checked(graph, rule(lambda x, y: relu(norm(conv(x)) + norm(conv(y)))))


def test_calls_of_one_module_share_decision_and_weights() -> None:
    graph = traced(lambda net, x: net.act(net.a(net.act(net.a(x)))))
    space = checked(graph, rule(lambda x: relu(linear(x))))
    assert set(space.choices) == {"a_to_act"}
    assert [path for path in space.entries if "other" in path] == ["a_to_act_other", "a_to_act_other.scale"]
    assert [node.name for node in space.nodes if isinstance(node.op, Choose)] == [
        "a_to_act_choice",
        "a_to_act_choice@1",
    ]


def test_where_narrows_the_matches() -> None:
    graph = gn.trace(resnet18(4, 5), torch.randn(2, 3, 32, 32))
    pattern = rule(lambda x: relu(norm(conv(x))), where=gn.where("layer[12].*") - "layer1.0.*", label="cbr")
    assert [site.name for site in pattern.explain(graph).matched] == [
        "layer1.1.conv1_to_relu", "layer2.0.conv1_to_relu", "layer2.1.conv1_to_relu",
    ]  # fmt: skip
    assert set(checked(graph, pattern).choices) == {"cbr"}


def test_rules_before_are_seen() -> None:
    graph = traced(lambda net, x: net.act(net.a(x)))
    swapped = mutate(graph, gn.Swap("act", {"tanh": nn.Tanh}))
    (reason,) = reasons(swapped, lambda x: relu(linear(x)))
    assert re.fullmatch(r"node act_tanh \(.*\) reads a from within", reason)
    pattern = rule(lambda x: relu(linear(x)))
    assert checked(graph, pattern, gn.Swap("act", {"tanh": nn.Tanh}), gn.Skip("a_to_act_other")).size() == 4


# ---------------------------------------------------------------- what is passed over
@pytest.mark.parametrize(
    ("written", "pattern", "reason"),
    [
        (
            lambda net, x: net.act(y := net.a(x)) * y,
            lambda x: relu(linear(x)),
            r"node mul \(.*test_patterns.py:\d+\) reads a from within",
        ),
        (
            lambda net, x: (net.act(y := net.a(x)), y),
            lambda x: relu(linear(x)),
            "the network returns a from within",
        ),
        (
            lambda net, x: net.b(net.act(y := net.a(x)) + torch.tanh(y)),
            lambda x, z: ((y := linear(x)), relu(y) + z),
            r"node tanh .* reads a before all of the match is given",
        ),
        (
            lambda net, x: net.act(net.a(x)),
            lambda x: ((y := linear(x)), relu(y)),
            "nobody reads a; leave it out of what the pattern gives",
        ),
        (
            lambda net, x: net.a(torch.no_grad()(torch.tanh)(x)),
            lambda x: linear(gn.op(torch.tanh)(x)),
            "node .* changes in the midst of it how torch computes",
        ),
        (
            lambda net, x: net.a(x.masked_select(x > 0).reshape(-1, 1).expand(-1, 4)),
            lambda x: linear(x),
            "the shape of its result depends on the data",
        ),
    ],
)
def test_match_that_cannot_be_replaced_is_passed_over(written: Any, pattern: Any, reason: str) -> None:
    graph = traced(written)
    with pytest.raises(GraphError, match=f"passes over every site that it matches(.|\n)*{reason}"):
        mutate(graph, rule(pattern))


def test_value_read_elsewhere_is_taken_where_the_pattern_gives_it() -> None:
    graph = traced(lambda net, x: net.act(y := net.a(x)) * y)
    space = checked(graph, rule(lambda x: ((y := linear(x)), relu(y))))
    assert space.node("mul").args == (Ref("a_to_act_choice_1"), Ref("a_to_act_choice"))


def test_overlapping_matches_are_an_error_that_names_both() -> None:
    graph = traced(lambda net, x: net.c(net.b(net.a(x))))
    pattern = rule(lambda x: linear(linear(x)))
    message = (
        r"the pattern Linear\(Linear\(x\)\) matches overlapping sites: pattern a_to_b \(.*test_patterns.py:\d+\) and "
        r"pattern b_to_c \(.*\) both hold node b \(.*\); write more into the pattern, or take one of them by where"
    )
    with pytest.raises(GraphError, match=message):
        mutate(graph, pattern)
    assert len(checked(graph, rule(lambda x: linear(linear(x)), where="a_to_b")).choices) == 1


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        (
            lambda x: norm(linear(x)),
            r"looked for BatchNorm2d\(Linear\(x\)\). There is no BatchNorm2d at all. Did you mean",
        ),
        (lambda x: gn.op(nn.Linear, bias=False)(x), r"Linear\[bias=False\]\(x\).* Those there are have bias True."),
        (lambda x: linear(relu(x)), "Each of its operations is there, but nowhere are they connected so."),
    ],
)
def test_pattern_that_matches_nothing_says_what_is_missing(pattern: Any, message: str) -> None:
    graph = traced(lambda net, x: net.act(net.a(x)))
    with pytest.raises(GraphError, match=message):
        mutate(graph, rule(pattern))


def test_pattern_that_matches_elsewhere_says_where() -> None:
    graph = traced(lambda net, x: net.act(net.a(x)))
    message = r"looked for relu\(Linear\(x\)\) at names like 'b\*'. There are a_to_act"
    with pytest.raises(GraphError, match=message):
        mutate(graph, rule(lambda x: gn.op(F.relu)(linear(x)), where="b*"))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: rule("relu"), "a pattern is a function of values, such as"),
        (lambda: rule(nn.ReLU), "a pattern is a function of values"),
        (lambda: rule(lambda x: x), r"a pattern gives what an operator gives, .* but this one gives"),
        (lambda: rule(lambda x: (relu(x), 3)), "but this one gives 3"),
        (lambda: rule(lambda x: F.relu(x)), r"the pattern cannot be drawn: TypeError: .*; it applies gn.op"),
        (lambda: rule(lambda x: x.relu()), r"cannot be drawn: AttributeError"),
        (lambda: rule(lambda x: relu(*linear(x))), "cannot be drawn: TypeError: .*; .* takes parts of tuples by index"),
        (lambda: rule(lambda x, y: relu(x)), r"the pattern ReLU\(x\) does not use y; leave it out of its parameters"),
        (lambda: rule(lambda *x: relu(x[0])), r"a pattern names each value that it is given, .* but has \*x"),
        (lambda: rule(relu), r"a pattern applies its operators: lambda x: op\(x\) where op is ReLU"),
        (
            lambda: rule(lambda x: relu(x[0])),
            r"x\[0\] is a part of what the pattern is given; let it be given the part",
        ),
        (lambda: rule(lambda x, y: (relu(x), linear(y))), r"\(ReLU\(x\), Linear\(y\)\) falls apart"),
        (lambda: rule(lambda x: ((y := relu(x)), y)), "gives one value twice"),
        (lambda: rule(lambda x: relu("x")), "ReLU is applied to values of the pattern, but is given"),
        (lambda: gn.op(nn.Conv2d, kernal=3), "torch.nn.Conv2d has no argument 'kernal'"),
        (lambda: gn.op("conv"), "a kind is a class, or a function"),
        (lambda: gn.Pattern(lambda x: relu(x), {}), "alternatives are a mapping"),
        (lambda: rule(lambda x: relu(x), where=3), "where must be a glob"),
    ],
)
def test_pattern_that_is_none_is_refused_where_it_is_written(make: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        make()


# ---------------------------------------------------------------- alternatives
class Three(nn.Module):
    """An alternative that gives too much."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return x, x, x


def of_one(x: Any) -> Any:
    return relu(linear(x))


def of_two(x: Any) -> Any:
    y = linear(x)
    return y, relu(y)


ONE = traced(lambda net, x: net.act(net.a(x)))
TWO = traced(lambda net, x: (net.act(y := net.a(x)), y))


@pytest.mark.parametrize(
    ("graph", "pattern", "alternative", "message"),
    [
        (TWO, of_two, nn.Identity, r"gives one value at pattern .*; it must give a tuple of 2 tensors"),
        (TWO, of_two, Three, r"gives a tuple of 3 at pattern .*; it must give a tuple of 2 tensors"),
        (ONE, of_one, Three, r"gives a tuple at pattern a_to_act .*; it must give one tensor"),
        (ONE, of_one, lambda site: nn.Linear(4, 3), r"gives \(2, 3\) at pattern a_to_act .*gives \(2, 4\)"),
        (ONE, of_one, nn.Bilinear(4, 4, 4), "cannot stand at pattern a_to_act"),
    ],
)
def test_alternative_that_does_not_fit_is_refused(
    graph: gn.Graph, pattern: Any, alternative: Any, message: str
) -> None:
    with pytest.raises(GraphError, match=message):
        mutate(graph, gn.Pattern(pattern, {"bad": alternative}))


def test_alternative_is_given_what_the_pattern_is_given_one_by_one() -> None:
    seen: list[Site] = []

    class Product(nn.Module):
        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return x * y

    def product(site: Site) -> nn.Module:
        seen.append(site)
        return Product()

    graph = traced(lambda net, x: net.a(x) + x)
    space = checked(graph, gn.Pattern(lambda x, y: linear(x) + y, {"product": product}))
    assert specialize(space, {"a_to_add": "product"}).node("a_to_add_product.mul").args == (Ref("x"), Ref("x"))
    assert seen[-1].parts[0].config["out_features"] == 4


@pytest.mark.parametrize(
    ("graph", "rules", "message"),
    [
        (
            ONE,
            (rule(of_one), rule(of_one)),
            r"label 'a_to_act' decides at pattern a_to_act .* already, with the same options; apply the rule once",
        ),
        (TWO, (rule(of_two), rule(of_two)), r"label 'a_to_act' decides at pattern a_to_act .* already"),
        (
            ONE,
            (rule(lambda x: linear(x)), gn.Pattern(lambda x: linear(x), {"second": Many.of})),
            r"label 'a' is shared by node a_choice .* and pattern a .* with \('original', 'second'\)",
        ),
    ],
)
def test_label_that_means_two_decisions_is_refused(graph: gn.Graph, rules: tuple[Any, ...], message: str) -> None:
    with pytest.raises(GraphError, match=message):
        mutate(graph, *rules)


def test_child_with_a_pattern_replaced(golden: Callable[[str, str], None]) -> None:
    class Gated(nn.Module):
        def __init__(self, site: Site) -> None:
            super().__init__()
            first = site.parts[0].config
            self.main = nn.Conv2d(first["in_channels"], first["out_channels"], 1, stride=first["stride"], bias=False)
            self.gate = nn.Conv2d(first["out_channels"], first["out_channels"], 1)

        def forward(self, x: Tensor, shortcut: Tensor) -> Tensor:
            y = self.main(x)
            return y * torch.sigmoid(self.gate(y)) + shortcut

    torch.manual_seed(0)
    graph = gn.trace(resnet18(4, 5), torch.randn(2, 3, 32, 32))
    residual = gn.Pattern(
        lambda x, y: relu(norm(gn.op(nn.Conv2d, kernel_size=3)(x)) + y),
        {"gated": lambda site: Gated(site)},
        label="end",
        where="layer[12].*",
    )
    golden("children/pattern.py", gn.emit(specialize(checked(graph, residual), {"end": "gated"})))


def test_pattern_reads_as_it_is_written() -> None:
    pattern = rule(lambda x, y: (relu(gn.op(nn.Conv2d, kernel_size=3)(x) + y), y * 2), where="layer1.*")
    assert repr(pattern).startswith("Pattern((ReLU(add(Conv2d[kernel_size=3](x), y)), mul(y, 2)), {'other'")
    assert pattern == rule(pattern.pattern, where="layer1.*")


@pytest.mark.parametrize(
    ("make", "example", "pattern", "count"),
    [
        (lambda: resnet50(4, 10), lambda: torch.randn(2, 3, 32, 32), lambda x: relu(norm(conv(x))), 33),
        (lambda: VisionTransformer(depth=12), lambda: torch.randn(2, 3, 32, 32), lambda x, y: x + y, 24),
        (lambda: bert_base(24, 70), lambda: torch.randint(0, 65, (2, 7)), projections, 12),
    ],
    ids=["resnet50", "vit", "bert"],
)  # fmt: skip
def test_matching_is_fast(make: Any, example: Any, pattern: Any, count: int) -> None:
    graph = gn.trace(make(), example())
    steps = rule(pattern).drawing.steps
    start = time.process_time()
    assert len(occurrences(graph, steps)) == count
    assert time.process_time() - start < 1
