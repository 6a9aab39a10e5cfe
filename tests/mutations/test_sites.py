"""Sites, and how they are selected and explained."""

from __future__ import annotations

import json
import operator
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from graphnas.analysis.shapes import Shape
from graphnas.errors import GraphError
from graphnas.ir.counting import Estimate
from graphnas.ir.node import Ref
from graphnas.mutations.explain import in_words
from graphnas.mutations.mutate import mutate
from graphnas.mutations.selectors import where
from graphnas.mutations.sites import Site, sites
from graphnas.mutations.skip import Skip
from graphnas.mutations.swap import Swap
from graphnas.mutations.value import Value
from graphnas.mutations.where import matches
from tests.mutations.graphs import network


class Block(nn.Module):
    """Has the name of the class in the graph."""


def site(name: str) -> Site:
    return next(site for site in sites(network()) if site.name == name)


def named(where: Any) -> list[str]:
    return [site.name for site in sites(network()) if matches(where, site)]


def test_layer_is_a_site() -> None:
    found = site("layer1.1@1.conv1")
    assert (found.kind, found.type, found.path, found.label) == (
        "layer", "torch.nn.Conv2d", "layer1.1.conv1", "layer1.1.conv1",
    )  # fmt: skip
    assert (found.inputs, found.outputs) == ((Ref("layer1.1.add"),), (Ref("layer1.1@1.conv1"),))
    assert (found.input_shape, found.output_shape, found.config["kernel_size"]) == ((2, 8, 8, 8), (2, 8, 8, 8), 3)
    assert found.where == "layer layer1.1@1.conv1 (net.py:20)"


def test_block_is_a_site_with_what_goes_in_and_out() -> None:
    found = site("layer1.1@1")
    assert (found.kind, found.type, found.path) == ("block", "Block", "layer1.1")
    assert found.nodes == ("layer1.1@1.conv1", "layer1.1@1.act", "layer1.1@1.conv2", "layer1.1@1.add")
    assert (found.inputs, found.outputs) == ((Ref("layer1.1.add"),), (Ref("layer1.1@1.add"),))
    assert found.output_shapes == (Shape((2, 8, 8, 8)),)


def test_sizes_alone_are_no_inputs() -> None:
    assert site("view").inputs == (Ref("mean"),)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("layer1.1.conv?", ["layer1.1.conv1", "layer1.1.conv2", "layer1.1@1.conv1", "layer1.1@1.conv2"]),
        ("layer1.[01]", ["layer1.0", "layer1.1", "layer1.1@1"]),
        (nn.ReLU, ["layer1.0.act", "layer1.1.act", "layer1.1@1.act"]),
        (nn.Linear, ["fc"]),
        (Block, ["layer1.0", "layer1.1", "layer1.1@1"]),
        (F.relu, ["relu"]),
        (torch.relu, []),
        (torch.Tensor.mean, ["mean"]),
        (operator.add, ["layer1.0.add", "layer1.1.add", "layer1.1@1.add"]),
        (lambda site: site.kind == "layer" and site.output_shape == (2, 5), ["fc"]),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_where_selects(where: Any, expected: list[str]) -> None:
    assert named(where) == expected


def test_base_class_selects_layers() -> None:
    assert named(nn.modules.conv._ConvNd) == [name for name in named(nn.Conv2d) if name]
    assert len(named(nn.Conv2d)) == 7


def test_predicate_must_answer_true_or_false() -> None:
    with pytest.raises(GraphError, match=r"test_sites.py:\d+\) gives None at layer stem .*, a torch.*; it must"):
        named(lambda site: None)


def test_predicate_that_raises_is_named_with_the_site() -> None:
    message = r"<lambda> \(.*test_sites.py:\d+\) raises KeyError at block layer1.0 .*: 'kernel_size'; .* site.kind"
    with pytest.raises(GraphError, match=message) as error:
        mutate(network(), Skip(lambda site: site.config["kernel_size"] == 3))
    assert "in the rule Skip(" in str(error.value)
    assert isinstance(error.value.__cause__.__cause__, KeyError)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (
            Swap("layer1.0.cnov1", {"a": nn.SiLU}),
            r"looked for names like 'layer1.0.cnov1'. Did you mean 'layer1.0.conv1'",
        ),
        (Swap(nn.ReLU6, {"a": nn.SiLU}), r"class torch.nn.ReLU6. Did you mean 'torch.nn.ReLU'"),
        (Skip(F.relu6), r"calls of torch.nn.functional.relu6. Did you mean 'torch.nn.functional.relu'"),
        (Skip(lambda site: False), "sites for which the predicate .* holds. There are"),
        (Value("zzz", "p", (1,)), "looked for names like 'zzz'. There are stem, layer1.0.conv1"),
    ],
)
def test_rule_that_matches_nothing_names_what_it_looked_for(rule: Any, message: str) -> None:
    with pytest.raises(GraphError, match=message):
        rule(network())
    assert "takes nothing" in str(rule.explain(network()))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Skip(3),  # type: ignore[arg-type]
        lambda: Skip(nn.ReLU()),
        lambda: Skip("a", label="{node"),
        lambda: Skip("a", label="{nod}"),
        lambda: Skip("a", label=""),
        lambda: Swap("a", {}),
        lambda: Swap("a", {"original": nn.SiLU}),
        lambda: Swap("a", {"a.b": nn.SiLU}),
        lambda: Swap("a", {"a": 3}),  # type: ignore[dict-item]
        lambda: Swap("a", {1: nn.SiLU}),  # type: ignore[dict-item]
        lambda: Swap("a", [nn.SiLU]),  # type: ignore[arg-type]
        lambda: Value("a", "p", ()),
        lambda: Value("a", "p", ([1],)),
        lambda: Value("a", "p", 5),  # type: ignore[arg-type]
        lambda: Value("a", "p", "zeros"),  # type: ignore[arg-type]
        lambda: Value("a", "p", (float("nan"),)),
    ],
)
def test_bad_arguments_are_refused_at_the_door(make: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        make()


def test_explanation_says_what_is_taken_and_what_is_passed_over() -> None:
    found = Skip("layer1.*").explain(network())
    assert [site.name for site in found.matched] == ["layer1.0", "layer1.1", "layer1.1@1"]
    assert dict(found.decisions) == {"layer1.0.skip": (False, True), "layer1.1.skip": (False, True)}
    assert {reason for _, reason in found.passed} == {
        f"it lies inside {name}, which the rule matches as a whole" for name in ("layer1.0", "layer1.1", "layer1.1@1")
    }


def test_explanation_points_out_a_shared_decision() -> None:
    found = Swap(nn.ReLU, {"silu": nn.SiLU}, label="act").explain(network())
    assert found.notes == ("label 'act' has no placeholder: its 3 sites share one decision",)


TABLE = """\
Skip looked for names like 'stem' or names like 'layer1.0'
     site      what it is       shapes                        source     decision, or why it is passed over
  +  layer1.0  Block            (2, 8, 8, 8) -> (2, 8, 8, 8)  net.py:20  layer1.0.skip: False | True
  -  stem      torch.nn.Conv2d  (2, 3, 8, 8) -> (2, 8, 8, 8)  net.py:10  no input has its output's shape: it takes \
(2, 3, 8, 8) and gives (2, 8, 8, 8)
  1 taken, 1 passed over; decisions: 1; architectures: 2"""


def test_explanation_reads_as_one_table() -> None:
    assert str(Skip(where("stem") | "layer1.0").explain(network())) == TABLE


def test_explanation_reads_as_json() -> None:
    found = Swap("relu", {"silu": nn.SiLU}, "act").explain(network())
    data = json.loads(json.dumps(found.as_dict()))
    assert data["matched"] == [
        {
            "site": "relu", "kind": "call", "type": "torch.nn.functional.relu", "inputs": ["(2, 8, 8, 8)"],
            "outputs": ["(2, 8, 8, 8)"], "source": "net.py:30", "label": "act",
        },
    ]  # fmt: skip
    assert (data["decisions"], data["architectures"]) == ({"act": ["original", "silu"]}, 2)
    data = Skip("stem").explain(network()).as_dict()
    assert (data["passed"][0]["site"], data["architectures"]) == ("stem", None)


def test_explanation_of_a_rule_that_cannot_be_applied_says_so() -> None:
    found = Swap("stem", {"thin": lambda site: nn.Conv2d(3, 4, 3, padding=1)}).explain(network())
    assert (len(found.matched), found.architectures) == (1, None)
    assert "\n  note: applying the rule is an error: alternative 'thin' gives (2, 4, 8, 8)" in str(found)
    assert "note: the rule takes nothing: applying it is an error. There are" in str(Skip("q*").explain(network()))


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1, "1"),
        (123456789, "123,456,789"),
        (4**50, "1.27e+30"),
        (2**5000, "1.41e+1505"),
        (Estimate(1234.5, 67.8, 100), "about 1.23e+03 ± 7e+01"),
    ],
)
def test_number_of_architectures_is_readable(number: Any, text: str) -> None:
    assert in_words(number) == text
