"""Selectors: what they select, how they read, and what they refuse."""

from __future__ import annotations

import operator
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import graphnas as gn
from graphnas.errors import GraphError
from graphnas.ir.node import Ref
from graphnas.mutations.sites import sites
from graphnas.mutations.where import describe, matches
from tests.models.resnet import resnet18
from tests.mutations.graphs import call, graph_of, layer, network


def named(where: Any, graph: gn.Graph | None = None) -> list[str]:
    return [site.name for site in sites(graph or network()) if matches(where, site)]


def small(site: Any) -> bool:
    return site.kind == "layer" and site.path == "stem"


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (gn.where("stem"), ["stem"]),
        (gn.where("layer1.0.*") & nn.Conv2d, ["layer1.0.conv1", "layer1.0.conv2"]),
        (nn.Conv2d & gn.where("layer1.0.*"), ["layer1.0.conv1", "layer1.0.conv2"]),
        (gn.where("stem") | F.relu, ["stem", "relu"]),
        (nn.Linear | gn.where(small), ["stem", "fc"]),
        (gn.where(nn.Conv2d) - "layer1.*", ["stem"]),
        ("layer1.0.*" - gn.where(nn.Conv2d), ["layer1.0.act", "layer1.0.add"]),
        (~gn.where("layer1.*") & ~gn.where("[rmv]*"), ["stem", "fc"]),
        (gn.where("layer1.1.*") & gn.kind(nn.Conv2d) - gn.where("*.conv2"), ["layer1.1.conv1", "layer1.1@1.conv1"]),
        ((gn.where("layer1.1.*") & gn.kind(nn.Conv2d)) - gn.where("*.conv2"), ["layer1.1.conv1", "layer1.1@1.conv1"]),
        (gn.where("stem") | gn.where("fc") - gn.where("*"), ["stem"]),
        ((gn.where("stem") | gn.where("fc")) - gn.where("*"), []),
        (gn.kind(nn.ReLU), ["layer1.0.act", "layer1.1.act", "layer1.1@1.act"]),
        (gn.kind(F.relu), ["relu"]),
        (gn.kind(nn.Conv2d, in_channels=3), ["stem"]),
        (gn.kind(nn.Conv2d, in_channels=lambda width: width > 3, kernel_size=3) & "layer1.0.*", [
            "layer1.0.conv1", "layer1.0.conv2",
        ]),
        (gn.kind(nn.Conv2d, kernel_size=(3, 3), padding=[1, 1]) & "stem", ["stem"]),
        (gn.kind(nn.Conv2d, kernel_size=(3, 1)), []),
        (gn.kind(nn.Conv2d, kernel_size=1), []),
        (gn.kind(torch.Tensor.mean, dim=(2, 3)), ["mean"]),
        (gn.kind(torch.Tensor.mean, dim=2), []),
        (gn.kind(nn.modules.conv._ConvNd, out_channels=8) & "stem", ["stem"]),
        (gn.kind(nn.Module, out_features=5), ["fc"]),
    ],
    ids=repr,
)  # fmt: skip
def test_selector_selects(where: Any, expected: list[str]) -> None:
    assert named(where) == expected


def test_the_example_of_the_guide_means_what_it_says() -> None:
    where = gn.where("layer[34].*") & gn.kind(nn.Conv2d, kernel_size=(3, 3)) - gn.where("*.downsample.*")
    graph = gn.trace(resnet18(), torch.randn(1, 3, 32, 32))
    assert named(where, graph) == [f"layer{i}.{j}.conv{k}" for i in (3, 4) for j in (0, 1) for k in (1, 2)]


def test_arguments_of_calls_are_found_however_they_are_given() -> None:
    graph = graph_of(
        call("first", "torch.softmax", Ref("x"), 1),
        call("second", "torch.nn.functional.softmax", Ref("first"), dim=-1),
        layer("norm", "LayerNorm", "second", normalized_shape=(8,)),
        layer("wide", "LayerNorm", "norm", normalized_shape=(8, 8)),
        layer("half", "Conv2d", "wide", in_channels=3, out_channels=3, kernel_size=(1, 3)),
    )
    assert named(gn.kind(torch.softmax, dim=1), graph) == ["first"]
    assert named(gn.kind(F.softmax, dim=lambda dim: dim < 0), graph) == ["second"]
    assert named(gn.kind(nn.LayerNorm, normalized_shape=8), graph) == ["norm"]
    assert named(gn.kind(nn.LayerNorm, normalized_shape=[8, 8]), graph) == ["wide"]
    assert named(gn.kind(nn.Conv2d, kernel_size=lambda size: size == (1, 3)), graph) == ["half"]
    assert named(gn.kind(nn.Conv2d, kernel_size=3), graph) == []


@pytest.mark.parametrize(
    ("where", "text"),
    [
        (
            gn.where("layer[34].*") & gn.kind(nn.Conv2d, kernel_size=(3, 3)) - gn.where("*.downsample.*"),
            "where('layer[34].*') & kind(torch.nn.Conv2d, kernel_size=(3, 3)) - where('*.downsample.*')",
        ),
        ((gn.where("a") | "b") & "c", "(where('a') | where('b')) & where('c')"),
        (gn.where("a") - (gn.where("b") & F.relu), "where('a') - (where('b') & where(torch.nn.functional.relu))"),
        (~(gn.where("a") | "b"), "~(where('a') | where('b'))"),
        (gn.where(operator.add) | nn.ReLU, "where(operator.add) | where(torch.nn.ReLU)"),
        (gn.region("a", "b") - gn.where("c"), "region('a', 'b') - where('c')"),
        (gn.kind(F.gelu), "kind(torch.nn.functional.gelu)"),
    ],
)
def test_selector_reads_as_it_is_written(where: Any, text: str) -> None:
    assert repr(where) == text


def test_selectors_are_values() -> None:
    assert gn.where("a") & nn.ReLU == gn.where("a") & gn.where(nn.ReLU)
    assert hash(gn.kind(nn.Conv2d, kernel_size=3)) == hash(gn.kind(nn.Conv2d, kernel_size=3))
    assert gn.where(gn.where("a")) == gn.where("a")


def test_selector_is_described_in_words() -> None:
    where = (gn.where("a*") | nn.ReLU) & gn.kind(F.relu, inplace=True) - gn.where("b")
    assert describe(where) == (
        "(names like 'a*' or layers and modules of class torch.nn.ReLU) and "
        "(calls of torch.nn.functional.relu with inplace=True but not names like 'b')"
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: gn.kind(nn.Conv2d, kernal_size=3),
            r"Conv2d has no argument 'kernal_size'. Did you mean 'kernel_size'",
        ),
        (lambda: gn.kind(F.leaky_relu, slope=3), r"has no argument 'slope'.* It has input, negative_slope, inplace"),
        (lambda: gn.kind("conv", kernel_size=3), "a kind is a class, or a function that networks call, but is 'conv'"),
        (lambda: gn.kind(lambda site: True), "a kind is a class, or a function"),
        (lambda: gn.kind(nn.ReLU()), r"a kind is a class, or a function that networks call, but is ReLU\(\)"),
        (lambda: gn.Skip(["a", "b"]), r"as in gn.where\('a'\) \| 'b', but is \['a', 'b'\]"),
        (lambda: gn.where(3), "where must be a glob on names, .* but is 3"),
        (lambda: gn.where("a") & nn.ReLU(), r"but is ReLU\(\)"),
        (lambda: gn.where("a") - 3, "but is 3"),
        (lambda: gn.region("a", 3), "but is 3"),
        (lambda: gn.Skip(nn.ReLU()), "where must be"),
    ],
)
def test_what_cannot_select_is_refused_where_it_is_written(make: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        make()


@pytest.mark.parametrize(
    ("where", "message"),
    [
        (gn.kind(nn.Conv2d, kernel_size=7), r"with kernel_size=7. Those there are have kernel_size 3."),
        (gn.kind(nn.ReLU6), "Did you mean 'torch.nn.ReLU'"),
        (gn.where("layer1.*") & nn.Linear, "Each part of it matches something, but no site matches all."),
        (gn.where("layer1.0.cnov1") & nn.Conv2d, "Nothing matches names like 'layer1.0.cnov1'. Did you mean"),
        (gn.where("fc") - gn.where(nn.Linear), "Each part of it matches something"),
        (~gn.where("*"), "Every site there is matches what is left out."),
    ],
)  # fmt: skip
def test_selector_that_selects_nothing_says_what_there_is(where: Any, message: str) -> None:
    with pytest.raises(GraphError, match=message):
        gn.Skip(where)(network())


def test_predicate_on_an_argument_that_raises_is_named_with_the_site() -> None:
    with pytest.raises(GraphError, match=r"raises TypeError at layer stem .*, whose kernel_size is 3: .*; it is"):
        named(gn.kind(nn.Conv2d, kernel_size=len))
    with pytest.raises(GraphError, match=r"<lambda> \(.*test_where.py:\d+\) gives None at layer stem .*; it must"):
        named(gn.kind(nn.Conv2d, kernel_size=lambda size: None))


def test_every_rule_takes_selectors() -> None:
    where = gn.where("layer1.*") & gn.kind(nn.Conv2d, kernel_size=3) - gn.where("*.conv1")
    rules = (
        gn.Swap(where, {"same": lambda site: nn.Conv2d(8, 8, 1)}),
        gn.Value(where, "bias", (False,)),
        gn.Skip(where),
    )
    for rule in rules:
        assert [site.name for site in rule.explain(network()).matched] == [
            "layer1.0.conv2", "layer1.1.conv2", "layer1.1@1.conv2",
        ]  # fmt: skip
        assert repr(where) in repr(rule)
