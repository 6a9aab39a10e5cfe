"""What words say of themselves: labels, errors, and that they run before any search."""

from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import graphnas as gn
from graphnas.nn import Cell, InputChoice, LayerChoice, Repeat
from tests.nn.networks import Conv, Nested, Widths, Words, image


class Holding(nn.Module):
    """Calls its parts one after the other."""

    def __init__(self, **parts: nn.Module) -> None:
        super().__init__()
        self.parts = nn.ModuleDict(parts)

    def forward(self, x: Tensor) -> Tensor:
        for part in self.parts.values():
            x = part(x)
        return x


def test_labels_are_the_paths_or_what_was_given() -> None:
    space = gn.trace(Words(), image())
    assert {label: choice.options for label, choice in space.choices.items()} == {
        "act": ("relu", "gelu", "conv"), "stage": (2, 1, 0), "picked": ("stage", "act"),
    }  # fmt: skip


def test_one_label_is_one_decision_wherever_it_stands() -> None:
    space = gn.trace(Nested(), image())
    assert list(space.choices) == ["inner", "block.0", "block.1", "depth", "shared"]
    # One block: conv, skip, or deep with 2 depths; two: 4 pairs without a deep one, 5 with, of 2 depths each.
    assert space.size() == 2 * ((2 + 2) + (4 + 5 * 2))


def test_the_model_runs_before_any_search_and_can_be_copied() -> None:
    for make in (Words, Widths):
        model = make().eval()
        expected = model(image())
        for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
            assert torch.equal(other(image()), expected)
            assert gn.trace(other, image()) == gn.trace(model, image())
        assert repr(model)


def test_what_an_option_writes_in_place_is_seen_by_no_other() -> None:
    model = Holding(act=LayerChoice([nn.Tanh(), nn.ReLU(inplace=True), nn.Sigmoid()]))
    space = gn.trace(model, image())
    for option, function in enumerate((torch.tanh, torch.relu, torch.sigmoid)):
        assert torch.equal(gn.build(gn.specialize(space, {"parts.act": option}))(image()), function(image()))


def test_several_examples_are_joined_with_choices_in_them() -> None:
    class Sometimes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.act = LayerChoice([nn.ReLU(), nn.Tanh()])

        def forward(self, x: Tensor, twice: bool = False) -> Tensor:
            x = self.act(x)
            return self.act(x + 1) if twice else x

    space = gn.trace(Sometimes(), gn.example(image()), gn.example(image(), twice=True))
    assert list(space.choices) == ["act"]
    child = gn.build(gn.specialize(space, {"act": 1}))
    assert torch.equal(child(image(), twice=True), (image().tanh() + 1).tanh())
    assert torch.equal(child(image()), image().tanh())


class Scaled(nn.Module):
    """Does more while it is trained, or where a factor is given."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Conv2d(3, 3, 1)

    def forward(self, x: Tensor, factor: Tensor | None = None) -> Tensor:
        x = self.mix(x)
        if factor is not None:
            x = x * factor
        return x + 1 if self.training else x


class Factored(nn.Module):
    """Hands on a factor to what is chosen."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = LayerChoice([Scaled(), Scaled(), Scaled()])

    def forward(self, x: Tensor, factor: Tensor | None = None) -> Tensor:
        return self.mix(x, factor=factor)


def test_what_only_some_calls_do_may_stand_in_any_option() -> None:
    torch.manual_seed(0)
    model, x, factor = Factored(), image(), torch.rand(1)
    space = gn.trace(model, gn.example(x), gn.example(x, factor=factor))
    supernet = gn.build(space, model.state_dict())
    for option in range(3):
        child, expected = gn.build(gn.specialize(space, {"mix": option}), model.state_dict()), model.mix[option]
        for training in (False, True):
            for network in (supernet, child, expected):
                network.train(training)
            for kwargs in ({}, {"factor": factor}):
                assert torch.equal(child(x, **kwargs), expected(x, **kwargs))
                assert torch.equal(supernet(x, **kwargs, plan={"mix": option}), expected(x, **kwargs))


def test_an_alternative_of_a_rule_may_hold_words() -> None:
    class Activated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.act = LayerChoice({"relu": nn.ReLU(), "tanh": nn.Tanh()})

        def forward(self, x: Tensor) -> Tensor:
            return self.act(x) * 2

    model = Holding(a=nn.Sigmoid(), b=nn.Sigmoid())
    space = gn.mutate(gn.trace(model, image()), gn.Swap(nn.Sigmoid, {"word": Activated}))
    assert {*space.choices} == {"parts.a", "parts.b", "parts.a_word.act", "parts.b_word.act"}
    child = gn.build(gn.specialize(space, {"parts.a": "word", "parts.a_word.act": "tanh", "parts.b": "original"}))
    assert torch.equal(child(image()), (image().tanh() * 2).sigmoid())


def test_a_cell_of_loose_ends_leaves_out_the_nodes_that_are_picked() -> None:
    cell = Cell({"a": lambda edge: nn.Identity()}, 3, inputs=1, branches=1, output="loose")
    space = gn.trace(cell, image())
    x = image()
    assert gn.default(space) == {"inputs.2_0": 0, "inputs.3_0": 0}
    for picked, loose in (((0, 0), 3), ((0, 2), 2), ((1, 0), 2), ((1, 1), 2), ((1, 2), 1)):
        arch = dict(zip(space.choices, picked, strict=True))
        assert torch.equal(gn.build(gn.specialize(space, arch))(x), sum([x] * (loose - 1), x)), picked


class Ranged(nn.Module):
    """Makes as many layers as a choice says."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(4, 4) for _ in range(gn.choice("depth", (1, 2))))


class Embedded(nn.Module):
    """Makes a parameter of a chosen size."""

    def __init__(self) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.zeros(gn.choice("width", (4, 8))))


class Deciding(nn.Module):
    """Decides by a choice in forward."""

    def __init__(self) -> None:
        super().__init__()
        self.width = gn.choice("width", (4, 8))

    def forward(self, x: Tensor) -> Tensor:
        return x.relu() if self.width > 5 else x.tanh()


class Sliced(nn.Module):
    """Takes as many layers as a choice says."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.ReLU() for _ in range(3))
        self.depth = gn.choice("depth", (3, 2))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers[: self.depth]:
            x = layer(x)
        return x


class Forgetful(nn.Module):
    """Counts its calls, which no graph holds, around a choice."""

    def __init__(self) -> None:
        super().__init__()
        self.act, self.calls = LayerChoice([nn.ReLU(), nn.Tanh()]), 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return self.act(x) * self.calls


class Later(nn.Module):
    """Reads what an option has written over."""

    def __init__(self) -> None:
        super().__init__()
        self.act = LayerChoice([nn.ReLU(inplace=True), nn.Tanh()])

    def forward(self, x: Tensor) -> Tensor:
        x = x + 1
        return self.act(x) + x


def _traced(model: nn.Module, *inputs: Tensor) -> Callable[[], object]:
    return lambda: gn.trace(model, *(inputs or (image(),)))


def _shared() -> nn.Module:
    first, second = ["relu", "tanh"], ["tanh", "relu"]
    acts = {"relu": nn.ReLU, "tanh": nn.Tanh}
    return Holding(
        a=LayerChoice({name: acts[name]() for name in first}, label="act"),
        b=LayerChoice({name: acts[name]() for name in second}, label="act"),
    )


ERRORS: dict[str, tuple[Callable[[], object], type[Exception], str]] = {
    "no candidates": (lambda: LayerChoice([]), ValueError, "at least one"),
    "no module": (lambda: LayerChoice({"a": torch.relu}), TypeError, "'a' is <built-in.*stands in a module"),  # type: ignore[dict-item]
    "a class": (lambda: LayerChoice([nn.ReLU]), TypeError, "0 is <class.*; a class is built first"),  # type: ignore[list-item]
    "no list": (lambda: LayerChoice(nn.ReLU(), nn.Tanh()), TypeError, r"a list of modules, or a dict.*not ReLU\(\)"),  # type: ignore[arg-type]
    "a dot in an option": (lambda: LayerChoice({"a.b": nn.ReLU()}), ValueError, "option 'a.b'.*name of a submodule"),
    "a taken option": (lambda: LayerChoice({"forward": nn.ReLU()}), ValueError, "'forward' already exists"),
    "an empty label": (lambda: LayerChoice([nn.ReLU()], label=""), ValueError, "not empty"),
    "too many taken": (lambda: InputChoice(2, take=3), ValueError, "1 <= take <= 2"),
    "an unknown merge": (lambda: InputChoice(2, take=2, merge="max"), ValueError, "sum, mean, concat"),
    "other inputs": (lambda: InputChoice(2)(image()), ValueError, "among 2 tensors, but got 1"),
    "a function without depth": (lambda: Repeat(lambda i: nn.ReLU()), TypeError, "depth="),
    "one number for a depth": (lambda: Repeat([nn.ReLU()], depth=1), TypeError, r"\(least, most\).* but is 1"),  # type: ignore[arg-type]
    "three depths": (lambda: Repeat(lambda i: nn.ReLU(), depth=(1, 2, 4)), TypeError, "all between are options"),  # type: ignore[arg-type]
    "a chosen depth": (lambda: Repeat(lambda i: nn.ReLU(), gn.choice("d", (1, 2))), TypeError, "depth is"),
    "an index of a number": (lambda: gn.choice("a", (1, 2))[0], TypeError, "'int' object is not subscriptable"),
    "too great a depth": (lambda: Repeat([nn.ReLU()], depth=(1, 2)), ValueError, r"number of blocks, 1.*\(1, 2\)"),
    "blocks that do not fit": (
        lambda: Repeat([nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 1)])(image()),
        *(ValueError, "block 1 of a Repeat cannot take what block 0 gives"),
    ),
    "blocks that change the shape": (
        _traced(Holding(a=Repeat([nn.Conv2d(3, 3, 1), nn.Conv2d(3, 4, 1)]))),
        *(gn.TraceError, r"Repeat 'parts.a'.*\(2: \(2, 4, 8, 8\).*1: \(2, 3, 8, 8\)(?s:.)*test_words.py.*not chain"),
    ),
    "blocks that write over what they are given": (
        _traced(Holding(a=Repeat([nn.Sequential(nn.ReLU(inplace=True), nn.Tanh()) for _ in range(2)], depth=(1, 2)))),
        *(gn.TraceError, "a block of Repeat 'parts.a' writes into what it is given"),
    ),
    "options of other shapes": (
        _traced(Holding(a=LayerChoice({"a": nn.Conv2d(3, 3, 1), "b": nn.Conv2d(3, 3, 3)}))),
        *(gn.TraceError, r"LayerChoice 'parts.a'.*a: \(2, 3, 8, 8\).*b: \(2, 3, 6, 6\)(?s:.)*same shape"),
    ),
    "options of other inputs": (
        _traced(Holding(a=LayerChoice([nn.Conv2d(3, 3, 1), nn.Conv2d(4, 3, 1)]))),
        *(gn.TraceError, r"an option of LayerChoice 'parts.a' cannot run: module 'parts.a.1' \(Conv2d\) raises"),
    ),
    "one label, other options": (_traced(_shared()), gn.GraphError, "label 'act' has options"),
    "no sources": (lambda: Cell({"a": lambda edge: nn.ReLU()}, [(0,), ()]), ValueError, "node 3 of a cell reads"),
    "a later source": (lambda: Cell({"a": lambda edge: nn.ReLU()}, [(0, 3)]), ValueError, "node 2 .* 0 to 1"),
    "a node that leads nowhere": (
        lambda: Cell({"a": lambda edge: nn.ReLU()}, [(0,), (1,)], output="last"),
        *(ValueError, "nobody reads node 2"),
    ),
    "a plain int": (Ranged, gn.TraceError, r"plain number is made of <depth>(?s:.)*test_words.py:\d+.*Repeat"),
    "a decision": (lambda: Deciding()(image()), gn.TraceError, r"<width> > 5.*width=8(?s:.)*test_words.py:\d+"),
    "a slice": (_traced(Sliced()), gn.TraceError, r"plain number is made of <depth>(?s:.)*test_words.py:\d+"),
    "a value of a tensor": (
        lambda: nn.Parameter(torch.full((2,), gn.choice("start", (0.5, 0.1)))),
        *(gn.TraceError, r"plain number is made of <start>(?s:.)*test_words.py:\d+"),
    ),
    "no options": (lambda: gn.choice("a", ()), ValueError, "needs distinct options"),
    "no label": (lambda: gn.choice((1, 2), (1, 2)), ValueError, "has a label"),  # type: ignore[arg-type]
    "options that are no numbers": (lambda: gn.choice("a", ("x", "y")), TypeError, "LayerChoice"),  # type: ignore[arg-type]
    "a choice in what stays whole": (
        _traced(Holding(inner=Forgetful(), outer=nn.ReLU())),
        *(gn.TraceError, r"'parts.inner' \(Forgetful\) stays one layer, and a LayerChoice in it at 'act'"),
    ),
    "read after it is written over": (_traced(Later()), gn.TraceError, "option 0 of LayerChoice 'act' writes into"),
}  # fmt: skip


@pytest.mark.parametrize("name", ERRORS)
def test_bad_use_is_told(name: str) -> None:
    act, kind, message = ERRORS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", gn.TraceWarning)  # told twice, since torch swallows some of the errors
        with pytest.raises(kind, match=message):
            act()


def test_a_size_that_torch_makes_plain_is_told_beside_the_error_of_torch() -> None:
    told = pytest.warns(gn.TraceWarning, match=r"plain number is made of <width>(?s:.)*test_words.py:\d+")
    with told, pytest.raises(TypeError, match="zeros"):
        Embedded()


def test_a_model_may_slice_by_a_choice_while_nobody_traces_it() -> None:
    assert torch.equal(Sliced()(image()), image().relu())


def test_parts_of_a_word_are_found_by_option() -> None:
    word = LayerChoice({"a": nn.ReLU(), "b": Conv(3, 1)})
    assert isinstance(word["a"], nn.ReLU)
    assert len(word) == len(list(word)) == 2
    repeat = Repeat([nn.ReLU(), nn.Tanh()])
    assert isinstance(repeat[1], nn.Tanh)
    assert len(repeat) == len(list(repeat)) == 2


def test_candidates_may_come_in_the_containers_of_torch() -> None:
    parts = {"a": nn.ReLU(), "b": nn.Tanh()}
    assert LayerChoice(nn.ModuleDict(parts)).choice.options == ("a", "b")
    assert LayerChoice(nn.ModuleList(parts.values())).choice.options == (0, 1)


def test_a_module_may_stand_at_several_places_of_a_word() -> None:
    torch.manual_seed(0)
    shared, x = nn.Conv2d(3, 3, 1), image()
    act, loop = LayerChoice({"a": shared, "b": nn.Tanh(), "c": shared}), Repeat([shared] * 3, depth=(0, 3))
    model = Holding(act=act, loop=loop)
    once = shared(x)
    expected = {0: once, 1: shared(once), 2: shared(shared(once)), 3: shared(shared(shared(once)))}
    assert torch.equal(model(x), expected[3])
    space = gn.trace(model, x)
    assert {label: choice.options for label, choice in space.choices.items()} == {
        "parts.act": ("a", "b", "c"), "parts.loop": (3, 2, 1, 0),
    }  # fmt: skip
    for depth, result in expected.items():
        for option in "ac":
            child = gn.build(gn.specialize(space, {"parts.act": option, "parts.loop": depth}), model.state_dict())
            assert torch.equal(child(x), result)


def test_edges_of_a_cell_are_added_as_people_write_it() -> None:
    cell = Cell({"skip": lambda edge: nn.Identity(), "tanh": lambda edge: nn.Tanh()}, 1, inputs=3, label="cell")
    space = gn.trace(cell, torch.zeros(2, 3), torch.zeros(2, 3), torch.zeros(2, 3))
    text = gn.emit(gn.specialize(space, gn.default(space)))
    assert text.count(" + ") == 2
    assert ".add(" not in text
