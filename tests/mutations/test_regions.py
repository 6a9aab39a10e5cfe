"""Regions: what becomes one site, what does not and why, and what rules make of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import graphnas as gn
from graphnas.errors import GraphError
from graphnas.ir.choice import Choice
from graphnas.ir.node import Choose, Ref
from graphnas.ir.specialize import default, specialize
from graphnas.mutations.mutate import mutate
from graphnas.mutations.regions import candidates
from graphnas.mutations.sites import Site
from tests.models.resnet import resnet18
from tests.mutations.graphs import network


def regions(graph: gn.Graph, where: Any) -> list[Site]:
    return [site for site in candidates(graph, where) if site.kind == "region"]


def checked(graph: gn.Graph, *rules: Any) -> gn.Graph:
    """The space, after making sure that its default is the graph."""
    space = mutate(graph, *rules)
    assert specialize(space, default(space)) == graph
    return space


def test_region_is_a_site() -> None:
    first, second, third = regions(network(), gn.region("layer1.*.conv1", "layer1.*.conv2"))
    assert (first.name, first.path, first.nodes) == (
        "layer1.0.conv1_to_conv2", "layer1.0", ("layer1.0.conv1", "layer1.0.act", "layer1.0.conv2"),
    )  # fmt: skip
    assert (first.inputs, first.outputs) == ((Ref("stem"),), (Ref("layer1.0.conv2"),))
    assert (second.name, third.name) == ("layer1.1.conv1_to_conv2", "layer1.1@1.conv1_to_conv2")
    assert second.label == third.label
    assert first.where == "region layer1.0.conv1_to_conv2 (net.py:20)"


def test_region_ends_at_the_next_site_that_ends_it() -> None:
    graph = gn.trace(resnet18(4, 5), torch.randn(1, 3, 32, 32))
    found = regions(graph, gn.region("layer1.?.conv1", "layer1.?.relu"))
    assert [site.nodes[-1] for site in found] == ["layer1.0.relu", "layer1.1.relu"]


def test_region_may_begin_and_end_at_whole_modules() -> None:
    (found,) = regions(network(), gn.region("layer1.0", "layer1.1"))
    assert (found.nodes[0], found.nodes[-1]) == ("layer1.0.conv1", "layer1.1.add")
    assert (found.name, found.scope, found.unfit) == ("layer1_0_to_layer1_1", (), "")
    space = checked(network(), gn.Swap(gn.region("layer1.0", "layer1.1"), {"none": nn.Identity}))
    child = specialize(space, {"layer1_0_to_layer1_1": "none"})
    assert [node.name for node in child.nodes][:2] == ["stem", "layer1_0_to_layer1_1_none"]


def test_swap_and_skip_take_regions() -> None:
    where = gn.region("layer1.*.conv1", "layer1.*.conv2")
    space = checked(network(), gn.Swap(where, {"point": lambda site: nn.Conv2d(8, 8, 1)}), gn.Skip(where))
    assert dict(space.choices)["layer1.1.conv1_to_conv2"].options == ("original", "point")
    assert space.node("layer1.0.conv1_to_conv2_choice").op == Choose(
        Choice("layer1.0.conv1_to_conv2", ("original", "point"))
    )
    assert space.node("layer1.0.conv1_to_conv2_choice").args == (
        Ref("layer1.0.conv2"), Ref("layer1.0.conv1_to_conv2_point"),
    )  # fmt: skip
    assert space.node("layer1.0.conv1_to_conv2_sum").args == (Ref("layer1.0.conv1_to_conv2_choice"), Ref("stem"))
    assert space.size() == 2**4
    one = {label: "point" if "skip" not in label else False for label in space.choices}
    assert "layer1.1.conv1" not in specialize(space, one).entries


def test_regions_are_combined_with_other_selectors() -> None:
    where = gn.region("layer1.*.conv1", "layer1.*.conv2") - gn.where("layer1.1.*") | gn.kind(nn.Linear)
    found = gn.Swap(where, {"same": lambda site: nn.Linear(8, 5)}).explain(network())
    assert [site.name for site in found.matched] == ["layer1.0.conv1_to_conv2", "fc"]
    overlapping = gn.region("layer1.0.conv1", "layer1.0.act") | gn.region("layer1.0.act", "layer1.0.conv2")
    ((site, reason),) = gn.Swap(overlapping, {"none": nn.Identity}).explain(network()).passed
    assert (site.name, reason) == (
        "layer1.0.act_to_conv2", "it overlaps layer1.0.conv1_to_act, which the rule matches as a whole",
    )  # fmt: skip


@pytest.mark.parametrize("inner_first", [True, False])
def test_rules_inside_a_region_are_part_of_it(inner_first: bool) -> None:
    inner = gn.Swap("layer1.0.conv2", {"point": lambda site: nn.Conv2d(8, 8, 1)})
    outer = gn.Swap(gn.region("layer1.0.conv1", "layer1.0.conv2"), {"none": nn.Identity})
    space = checked(network(), *((inner, outer) if inner_first else (outer, inner)))
    assert space.size() == 3
    assert "layer1.0.conv2" not in gn.canonical(space, {"layer1.0.conv1_to_conv2": "none", "layer1.0.conv2": "point"})


class Odd(nn.Module):
    """Has something that keeps every region but the last from being taken."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c, self.d = (nn.Linear(4, 4) for _ in range(4))
        self.act = nn.ReLU(inplace=True)
        self.block = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4))
        self.register_buffer("seen", torch.zeros(4))

    def forward(self, x: Tensor) -> Tensor:
        kept = self.a(x)
        y = self.b(kept)
        self.seen.add_(y.detach().mean(0))
        y = self.block(self.c(y))
        flat = y.reshape(-1)
        y = F.dropout(self.d(y), 0.0) + kept
        return y.view(flat.shape[0] // 4, 4)


@pytest.mark.parametrize(
    ("first", "last", "reason"),
    [
        ("a", "b", r"2 of its values are read by others \(a, b\)"),
        ("b", "c", r"node add \(.*test_regions.py:\d+\) would act whatever is chosen; leave it out of the region"),
        ("c", "block.1", r"it would cut the call of block in two: node block.2 \(.*\) stands in it as well"),
        ("block.1", "d", r"it would cut the call of block in two: node block.0 \(.*\) stands in it as well"),
        ("block", "d", r"node view \(.*test_regions.py:\d+\) reads \w+ from within"),
    ],
)
def test_region_that_cannot_be_taken_is_passed_over_with_the_reason(first: str, last: str, reason: str) -> None:
    graph = gn.trace(Odd(), torch.randn(2, 4))
    with pytest.raises(GraphError, match=f"passes over every site that it matches(.|\n)*{reason}"):
        mutate(graph, gn.Skip(gn.region(first, last)))


def test_region_whose_write_others_wait_for_is_passed_over() -> None:
    class Waiting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            y = self.a(x)
            z = self.b(y.mul_(2))
            return z + y

    graph = gn.trace(Waiting(), torch.randn(2, 4))
    with pytest.raises(GraphError, match=r"node add \(.*test_regions.py:\d+\) waits for what mul changes in place"):
        mutate(graph, gn.Skip(gn.region("mul", "b")))


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (gn.Skip(gn.region("fc", "stem")), r"begins at layer fc .*, but nothing ends it behind that: it ends at stem"),
        (
            gn.Skip(gn.region("layer1.*.conv1", "layer1.1.conv2")),
            r"layer1.0.conv1 \(net.py:20\), but nothing ends it before it begins anew at layer layer1.1.conv1",
        ),
        (gn.Skip(gn.region("stem", "fcc")), "regions from names like 'stem' to names like 'fcc'. Nothing matches"),
        (gn.Value(gn.region("stem", "relu"), "bias", (False,)), "a region has no arguments; name what stands in it"),
    ],
)  # fmt: skip
def test_region_that_is_none_is_refused(rule: Callable[[gn.Graph], gn.Graph], message: str) -> None:
    with pytest.raises(GraphError, match=message):
        mutate(network(), rule)


def test_guard_of_a_module_in_a_region_goes_with_the_module() -> None:
    class Guarded(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            y = self.fc(x)
            return y if len(y) > 1 else y * 2

    graph = gn.trace(nn.Sequential(nn.Linear(4, 4), Guarded(), Guarded()), torch.randn(2, 4))
    space = checked(graph, gn.Swap(gn.region("1", "2"), {"none": nn.Identity}))
    guards = [
        [node.name for node in specialize(space, {"1_to_2": option}).nodes if node.name.endswith("guard")]
        for option in ("original", "none")
    ]
    assert guards == [["1.guard", "2.guard"], []]


def test_child_with_a_region_swapped(golden: Callable[[str, str], None]) -> None:
    torch.manual_seed(0)
    model = resnet18(4, 5)
    where = gn.region("layer[12].*.conv1", "layer[12].*.relu") - gn.where("layer2.0.*")

    def plain(site: Site) -> nn.Module:
        width = site.input_shape[1]
        return nn.Sequential(nn.Conv2d(width, width, 5, padding=2), nn.GELU())

    space = checked(gn.trace(model, torch.randn(2, 3, 32, 32)), gn.Swap(where, {"plain": plain}, "early"))
    golden("children/region.py", gn.emit(specialize(space, {"early": "plain"})))
