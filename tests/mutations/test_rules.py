"""What each rule makes of a graph, and what it refuses."""

from __future__ import annotations

import random
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graphnas.analysis.shapes import shapes
from graphnas.errors import GraphError
from graphnas.ir.choice import Choice
from graphnas.ir.graph import Graph
from graphnas.ir.node import Choose, Layer, Ref
from graphnas.ir.specialize import default, specialize
from graphnas.mutations import library
from graphnas.mutations.mutate import mutate
from graphnas.mutations.skip import Skip
from graphnas.mutations.swap import Swap
from graphnas.mutations.value import Value
from graphnas.tracing.tracer import trace
from tests.models.resnet import BasicBlock, resnet18
from tests.mutations.graphs import call, graph_of, layer, network


class Separable(nn.Module):
    """A depthwise and a pointwise convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depth = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.point = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.point(F.relu(self.depth(x)))


class Whole(nn.Module):
    """Gives another dtype."""

    def forward(self, x: Tensor) -> Tensor:
        return x.long()


class Two(nn.Module):
    """Gives a tuple."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, x


KERNEL_BY_ITSELF = Value("*.conv2", "kernel_size", (5,), also={"padding": lambda kernel: kernel})


def stem(site: Any) -> nn.Module:
    return nn.Conv2d(3, 8, 5, padding=2)


def separable(site: Any) -> nn.Module:
    return Separable(site.input_shape[1])


def checked(graph: Graph, *rules: Any) -> Graph:
    """The space, after making sure that its default is the graph."""
    space = mutate(graph, *rules)
    assert specialize(space, default(space)) == graph
    return space


def choice_nodes(space: Graph) -> list[str]:
    return [node.name for node in space.nodes if isinstance(node.op, Choose)]


# ---------------------------------------------------------------- Swap
def test_swap_names_what_it_adds_beside_the_site() -> None:
    space = checked(network(), Swap("layer1.1.act", {"silu": nn.SiLU}))
    assert choice_nodes(space) == ["layer1.1.act_choice", "layer1.1@1.act_choice"]
    first, second = space.node("layer1.1.act_silu"), space.node("layer1.1@1.act_silu")
    assert isinstance(first.op, Layer)
    assert first.op == second.op
    assert first.op.path == "layer1.1.act_silu"
    assert (first.args, second.args) == ((Ref("layer1.1.conv1"),), (Ref("layer1.1@1.conv1"),))
    assert space.node("layer1.1@1.conv2").args == (Ref("layer1.1@1.act_choice"),)
    assert dict(space.choices) == {"layer1.1.act": Choice("layer1.1.act", ("original", "silu"))}
    paths = list(space.entries)
    assert paths.index("layer1.1.act_silu") == paths.index("layer1.1.act") + 1


def test_swap_takes_a_class_with_arguments_given_beforehand() -> None:
    space = checked(
        network(), Swap("layer1.0.act", {"leaky": partial(nn.LeakyReLU, 0.2), "off": partial(nn.Dropout, p=0.3)})
    )
    leaky, off = space.node("layer1.0.act_leaky").op, space.node("layer1.0.act_off").op
    assert isinstance(leaky, Layer)
    assert isinstance(off, Layer)
    assert (leaky.type, leaky.config["negative_slope"]) == ("torch.nn.LeakyReLU", 0.2)
    assert (off.type, off.config["p"], off.config["inplace"]) == ("torch.nn.Dropout", 0.3, False)


def test_swap_keeps_the_original_in_place() -> None:
    space = checked(network(), Swap(nn.ReLU, {"silu": nn.SiLU}))
    op = space.node("layer1.0.act").op
    assert isinstance(op, Layer)
    assert op.config["inplace"] is True


def test_swap_traces_a_module_on_the_shapes_of_its_site() -> None:
    space = checked(network(), Swap("*.conv2", {"sep": separable}))
    child = specialize(space, {"layer1.1.conv2": "sep", "layer1.0.conv2": "original"})
    names = [node.name for node in child.nodes]
    assert names[7:11] == [
        "layer1.1.conv2_sep.depth",
        "layer1.1.conv2_sep.relu",
        "layer1.1.conv2_sep.point",
        "layer1.1.add",
    ]
    assert "layer1.1.conv2_sep@1.relu" in names
    assert "layer1.1.conv2" not in child.entries
    assert [path for path in child.entries if "sep" in path] == [
        "layer1.1.conv2_sep", "layer1.1.conv2_sep.depth", "layer1.1.conv2_sep.point",
    ]  # fmt: skip


def test_swap_works_on_calls_and_blocks() -> None:
    space = checked(
        network(),
        Swap(F.relu, {"gelu": nn.GELU}),
        Swap("layer1.?", {"sep": separable, "none": nn.Identity()}, label="block"),
    )
    assert set(space.choices) == {"relu", "block"}
    child = specialize(space, {"relu": "gelu", "block": "none"})
    assert [node.name for node in child.nodes] == [
        "stem", "layer1.0_none", "layer1.1_none", "layer1.1_none@1", "relu_gelu", "mean", "view", "fc",
    ]  # fmt: skip


def test_swap_may_be_applied_to_its_own_result() -> None:
    rules = (
        Swap("relu", {"gelu": nn.GELU}),
        Swap("relu", {"gelu": nn.GELU}, "again"),
        Swap("relu_gelu", {"tanh": nn.Tanh}),
    )
    space = checked(network(), *rules)
    assert set(space.choices) == {"relu", "again", "relu_gelu"}
    assert "relu_gelu_1" in space.entries


def test_alternative_finds_open_arguments_at_their_own_values() -> None:
    rules = (
        Value("*.conv2", "kernel_size", (5,), also={"padding": lambda k: k // 2}),
        Swap("*.conv2", {"free": lambda site: nn.Conv2d(8, 8, site.config["kernel_size"], padding=1, bias=False)}),
    )
    space = checked(network(), *rules)
    assert space.size() == 3**2
    op = space.node("layer1.0.conv2_free").op
    assert isinstance(op, Layer)
    assert op.config["kernel_size"] == 3


def test_alternative_leaves_global_random_state_alone() -> None:
    torch_state, python_state = torch.get_rng_state(), random.getstate()

    def drawing(site: Any) -> nn.Module:
        random.random()
        return nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.Dropout(0.5))

    checked(network(), Swap("*.conv2", {"drawn": drawing}))
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert random.getstate() == python_state


@pytest.mark.parametrize(
    ("alternative", "message"),
    [
        (lambda site: nn.Conv2d(8, 4, 3, padding=1), r"gives \(2, 4, 8, 8\) at layer .* gives \(2, 8, 8, 8\)"),
        (lambda site: nn.Conv2d(7, 8, 3), r"cannot run on \(2, 8, 8, 8\)|cannot stand at layer layer1.0.conv2"),
        (nn.Conv2d, "an alternative that needs arguments is a function: lambda site: Conv2d"),
        (lambda site: None, "gives None at layer layer1.0.conv2 .* must give an nn.Module"),
        (lambda site: site.nothing, "AttributeError"),
        (library.separable, r"'bad' gives another alternative at layer .*; call it: separable\(\)"),
        (Two, r"gives a tuple at layer layer1.0.conv2 .*; it must give one tensor"),
        (lambda site: nn.Conv2d(8, 8, 3, padding=1).double(), "does not run where it is to stand: node .*conv2_bad"),
        (lambda site: nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), Whole()), r"gives \(2, 8, 8, 8\) int64 at layer"),
        (F.gelu, r"must be Tensor, not Site; it is called with the site, .* and gives an nn.Module"),
        (nn.Bilinear(2, 2, 2), "cannot stand at|cannot run"),
    ],
)  # fmt: skip
def test_alternative_that_does_not_fit_is_refused(alternative: Any, message: str) -> None:
    with pytest.raises(GraphError, match=message) as caught:
        mutate(network(), Swap("layer1.0.conv2", {"bad": alternative}))
    assert "in the rule Swap(where='layer1.0.conv2'" in str(caught.value)
    assert "net.py:22" in str(caught.value)


def test_calls_that_share_weights_must_have_the_same_alternative() -> None:
    turns = iter((True, False))
    with pytest.raises(GraphError, match=r"differs between the calls of layer1\.1\.act"):
        mutate(network(), Swap("layer1.1.act", {"fc": lambda site: nn.Linear(8, 8, bias=next(turns))}))


# ---------------------------------------------------------------- Skip
def test_skip_adds_what_the_site_was_given() -> None:
    space = checked(network(), Skip("layer1.0"))
    assert space.node("layer1.0_sum").args == (Ref("layer1.0.add"), Ref("stem"))
    assert space.node("layer1.0_choice").op == Choose(Choice("layer1.0.skip", (False, True)))
    assert space.node("layer1.1.conv1").args == (Ref("layer1.0_choice"),)


def test_skip_passes_over_blocks_that_change_shape() -> None:
    torch.manual_seed(0)
    graph = trace(resnet18(), torch.randn(2, 3, 32, 32))
    found = Skip(BasicBlock).explain(graph)
    assert [site.name for site, _ in found.passed] == ["layer2.0", "layer3.0", "layer4.0"]
    assert len(checked(graph, Skip(BasicBlock)).choices) == 5


def test_skip_of_nothing_but_unfit_sites_is_an_error() -> None:
    with pytest.raises(GraphError, match=r"passes over every site.*\n  layer stem \(net.py:10\): no input has"):
        mutate(network(), Skip("stem"))


def test_sites_of_open_shape_are_passed_over() -> None:
    width = Choice("width", (3, 8))
    graph = graph_of(
        layer("wide", "Conv2d", "x", in_channels=3, out_channels=width, kernel_size=1),
        call("relu", "torch.relu", Ref("wide")),
        layer("narrow", "Conv2d", "relu", in_channels=width, out_channels=3, kernel_size=1),
    )
    with pytest.raises(GraphError, match="its shape depends on choices that are open already"):
        Skip("relu")(graph)


# ---------------------------------------------------------------- Value
def test_value_opens_an_argument_and_what_follows_from_it() -> None:
    space = checked(network(), Value("*.conv2", "kernel_size", (5, 7), also={"padding": lambda k: k // 2}))
    assert space.choices["layer1.1.conv2.kernel_size"].options == (3, 5, 7)
    child = specialize(space, {"layer1.1.conv2.kernel_size": 7, "layer1.0.conv2.kernel_size": 3})
    for name in ("layer1.1.conv2", "layer1.1@1.conv2"):
        op = child.node(name).op
        assert isinstance(op, Layer)
        assert (op.config["kernel_size"], op.config["padding"]) == (7, 3)
        assert child.entries["layer1.1.conv2"].config == op.config


def test_value_tabulates_what_is_no_expression() -> None:
    def padding(kernel: int) -> int:
        return 0 if kernel == 1 else 1

    space = checked(network(), Value("layer1.0.conv1", "kernel_size", (1,), also={"padding": padding}))
    op = specialize(space, {"layer1.0.conv1.kernel_size": 1}).node("layer1.0.conv1").op
    assert isinstance(op, Layer)
    assert op.config["padding"] == 0


def test_value_of_calls_by_keyword_position_and_default() -> None:
    graph = graph_of(
        call("elu", "torch.nn.functional.elu", Ref("x"), 0.5),
        call("drop", "torch.nn.functional.dropout", Ref("elu"), p=0.1),
        call("softmax", "torch.softmax", Ref("drop"), 1),
    )
    space = checked(
        graph, Value("elu", "alpha", (1.0,)), Value("drop", "p", (0.2, 0.3)), Value("softmax", 1, (2, 3), "{node}.dim")
    )
    assert {label: choice.options for label, choice in space.choices.items()} == {
        "elu.alpha": (0.5, 1.0), "drop.p": (0.1, 0.2, 0.3), "softmax.dim": (1, 2, 3),
    }  # fmt: skip
    named = checked(graph, Value("softmax", "dim", (2,)))
    assert named.node("softmax").args[1] == named.choices["softmax.dim"]


def test_value_finds_by_position_what_the_tracer_has_named() -> None:
    class Net(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return F.leaky_relu(x, 0.3)

    space = checked(trace(Net(), torch.ones(2, 3)), Value(F.leaky_relu, 1, (0.2,)))
    assert space.choices["leaky_relu.1"].options == (0.3, 0.2)
    assert specialize(space, {"leaky_relu.1": 0.2}).node("leaky_relu").kwargs["negative_slope"] == 0.2


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (Value("stem", "out_channels", (16,)), r"=16 at node stem .* a network that cannot run: node layer1.0.conv1 "),
        (Value("fc", "out_features", (7,)), r"changes the network's output from \(2, 5\) to \(2, 7\)"),
        (Value("stem", "in_channels", (4,)), "cannot run on"),
        (KERNEL_BY_ITSELF, r"gives 3 at the site's own kernel_size 3, but node layer1.0.conv2 .*has padding=1"),
        (Value("*.conv2", "kernel_size", (5,), also={"padding": len}), "cannot be computed for the values"),
        (Value("*", "kernel_sze", (5,)), "has no argument 'kernel_sze'. Did you mean 'kernel_size'"),
        (Value("stem", "kernel_size", (3,)), "its kernel_size is 3 already"),
        (Value(nn.ReLU, "inplace", (False,)), "whether it writes in place changes no result"),
    ],
)  # fmt: skip
def test_value_that_cannot_be_is_refused(rule: Value, message: str) -> None:
    with pytest.raises(GraphError, match=message):
        mutate(network(), rule)


def test_value_wants_functions_of_the_value_for_what_follows() -> None:
    with pytest.raises(TypeError, match=r"also\['padding'\] is a function of the value, .* but is 2"):
        Value("stem", "kernel_size", (5,), also={"padding": 2})  # type: ignore[dict-item]


def test_value_with_a_shared_label_needs_one_set_of_options() -> None:
    graph = graph_of(
        layer("one", "Dropout", "x", p=0.1),
        layer("two", "Dropout", "one", p=0.2),
        call("three", "torch.relu", Ref("two")),
    )
    with pytest.raises(
        GraphError, match=r"label 'p' is shared by layer one .* with the options \(0.1, 0.3\) and layer two"
    ):
        mutate(graph, Value(nn.Dropout, "p", (0.3,), "p"))
    assert set(mutate(graph, Value(nn.Dropout, "p", (0.3,))).choices) == {"one.p", "two.p"}


def test_value_that_changes_shapes_is_taken_where_every_combination_runs() -> None:
    nodes = [
        layer(f"conv{i}", "Conv2d", f"conv{i - 1}" if i else "x", in_channels=3, out_channels=3, kernel_size=3)
        for i in range(2)
    ]
    tail = layer("pool", "AdaptiveAvgPool2d", "conv1", output_size=1)
    space = checked(graph_of(*nodes, tail), Value(nn.Conv2d, "kernel_size", (4,)))
    assert shapes(space, {"conv0.kernel_size": 4, "conv1.kernel_size": 4})["conv1"].dims[2] == 2  # type: ignore[union-attr]
    with pytest.raises(GraphError, match=r"conv0\.kernel_size=6, conv1\.kernel_size=6 at several sites"):
        mutate(graph_of(*nodes, tail), Value(nn.Conv2d, "kernel_size", (6,)))


# ---------------------------------------------------------------- labels
@pytest.mark.parametrize(
    ("rules", "message"),
    [
        (
            (Swap("relu", {"gelu": nn.GELU}), Swap("relu", {"silu": nn.SiLU})),
            r"label 'relu' is shared by node relu_choice \(net.py:30\) with the options \('original', 'gelu'\) and "
            r"call relu \(net.py:30\) with \('original', 'silu'\); give the rule another label",
        ),
        (
            (Swap("relu", {"gelu": nn.GELU}), Swap("relu", {"gelu": nn.GELU})),
            r"label 'relu' decides at call relu \(net.py:30\) already, with the same options; apply the rule once",
        ),
        ((Skip("layer1.0"), Skip("layer1.0")), r"label 'layer1.0.skip' decides at block layer1.0 .* already"),
        (
            (Swap("relu", {"gelu": nn.GELU}, "a"), Value("stem", "bias", (False,), "a")),
            r"label 'a' is shared by node relu_choice .* and layer stem \(net.py:10\) with \(True, False\)",
        ),
    ],
)  # fmt: skip
def test_label_that_means_two_decisions_is_refused(rules: tuple[Any, ...], message: str) -> None:
    with pytest.raises(GraphError, match=message):
        mutate(network(), *rules)


def test_rules_may_share_a_decision() -> None:
    space = checked(network(), Swap("stem", {"wide": stem}, "a"), Swap("relu", {"wide": nn.GELU}, "a"))
    assert space.size() == 2
    assert {"stem_wide", "relu_wide"} <= set(specialize(space, {"a": "wide"}).by_name)


# ---------------------------------------------------------------- mutate
def test_what_is_no_graph_and_no_rule_is_refused() -> None:
    with pytest.raises(TypeError, match=r"as gn\.trace gives it, but this is ReLU"):
        mutate(nn.ReLU(), Skip("relu"))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a rule maps a graph to a graph, but this is 'relu'"):
        mutate(network(), "relu")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"give the rules one by one, gn\.mutate\(graph, \*rules\)"):
        mutate(network(), [Skip("relu")])  # type: ignore[arg-type]
    with pytest.raises(GraphError, match=r"the rule gives None; it must give a graph\n  in the rule"):
        mutate(network(), lambda graph: None)  # type: ignore[arg-type,return-value]


def test_rules_compose() -> None:
    torch.manual_seed(0)
    graph = trace(resnet18(), torch.randn(2, 3, 32, 32))
    space = checked(
        graph,
        Swap(nn.ReLU, {"silu": nn.SiLU}),
        Value("layer[34].*.conv2", "kernel_size", (5,), also={"padding": lambda k: k // 2}),
        Skip(BasicBlock),
        Swap("layer1.1", {"sep": separable}),
    )
    assert len(space.choices) == 9 + 4 + 5 + 1


def test_any_function_is_a_rule_and_its_result_is_verified() -> None:
    def broken(graph: Graph) -> Graph:
        return Graph(graph.inputs, graph.nodes, Ref("nowhere"), modules=graph.modules)

    assert mutate(network(), lambda graph: graph) == network()
    with pytest.raises(GraphError, match=r"'nowhere' is read.*\n.*\n  in the rule <function .*broken"):
        mutate(network(), broken)
