"""The text of graphs: golden files, and what each kind of value looks like."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from graphnas.ir.choice import TRAINING, Apply, Choice
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.node import Call, Choose, Constant, Device, Given, List, Node, Ref, Size, Slice
from graphnas.ir.printing import argument, expression, statement, text
from graphnas.ir.specialize import specialize
from tests.ir.graphs import HERE, WIDTH, space

Golden = Callable[[str | Path, str], None]


def test_text_of_a_space(golden: Golden) -> None:
    golden("graphs/space.txt", text(space()))
    assert text(space()) == str(space())


def test_text_of_a_child(golden: Golden) -> None:
    golden("graphs/child.txt", text(specialize(space(), {"width": 16, "block.act": "gelu"})))


def test_text_with_sources(golden: Golden) -> None:
    golden("graphs/space_with_sources.txt", text(space(), sources=True))


def test_sources_are_no_part_of_the_text() -> None:
    moved = replace(space(), nodes=tuple(replace(node, source=None) for node in space().nodes))
    assert text(moved) == text(space())
    assert str(HERE) in text(space(), sources=True)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "None"),
        (1.0, "1.0"),
        (1, "1"),
        ("a'b", '"a\'b"'),
        (Ellipsis, "..."),
        ((), "()"),
        ((1,), "(1,)"),
        (List((1, Ref("x"))), "[1, x]"),
        (Ref("lstm", (1, "state")), "lstm[1]['state']"),
        (FrozenDict({"a": 1, 2: None}), "{'a': 1, 2: None}"),
        (Slice(None, None), ":"),
        (Slice(1, WIDTH, 2), "1:<width>:2"),
        (Constant("torch.float32"), "torch.float32"),
        (Device("cuda:0"), "device('cuda:0')"),
        (Size(Ref("x"), 0), "x.shape[0]"),
        (Size(Ref("x"), None), "x.numel()"),
        (Given(Ref("x")), "given(x)"),
        (TRAINING, "training"),
        (WIDTH * 4 + 1, "(<width> * 4) + 1"),
        (-(WIDTH // 2), "-(<width> // 2)"),
        (~(WIDTH <= 16), "not (<width> <= 16)"),
        ((WIDTH <= 16).implies(TRAINING), "(<width> <= 16) implies training"),
        (WIDTH.one_of(1, 2), "<width> in (1, 2)"),
        (Apply("if", (TRAINING, 0.1, 0.0)), "0.1 if training else 0.0"),
        (Apply("max", (WIDTH, 8)), "max(<width>, 8)"),
    ],
)
def test_value_as_text(value: Any, expected: str) -> None:
    assert argument(value) == expected


@pytest.mark.parametrize(
    ("target", "args", "expected"),
    [
        ("torch.Tensor.__add__", (Ref("a"), Ref("b")), "a + b"),
        ("torch.Tensor.__radd__", (Ref("a"), 1), "1 + a"),
        ("torch.Tensor.__iadd__", (Ref("a"), Ref("b")), "a += b"),
        ("torch.Tensor.__matmul__", (Ref("a"), Ref("b")), "a @ b"),
        ("torch.Tensor.__neg__", (Ref("a"),), "-a"),
        ("torch.Tensor.__getitem__", (Ref("a"), (Ellipsis, 0)), "a[(..., 0)]"),
        ("torch.Tensor.__setitem__", (Ref("a"), 0, 1.0), "a[0] = 1.0"),
        ("torch.Tensor.__mul__", (Ref("a"), WIDTH * 2), "a * (<width> * 2)"),
        ("torch.Tensor.view", (Ref("a"), -1), "Tensor.view(a, -1)"),
        ("torch.Tensor.T", (Ref("a"),), "Tensor.T of a"),
        ("torch.nn.functional.relu", (Ref("a"),), "F.relu(a)"),
        ("torch.cat", (List((Ref("a"), Ref("b"))), 1), "torch.cat([a, b], 1)"),
    ],
)
def test_call_as_text(target: str, args: tuple[Any, ...], expected: str) -> None:
    assert statement(Node("n", Call(target), args)) == f"n = {expected}"


def test_choose_as_text() -> None:
    choice = Choice("inputs", ("first", "second", "third"), take=2)
    node = Node("n", Choose(choice, "concat"), (Ref("a"), Ref("b"), Ref("c")), when=TRAINING, after=("w",))
    expected = "n = choose <inputs> by concat {'first': a, 'second': b, 'third': c} when training after w"
    assert statement(node) == expected
    assert statement(Node("n", Choose(TRAINING), (Ref("a"), Ref("b")))) == "n = choose by training (a, b)"


def test_expression_is_an_argument() -> None:
    assert expression(WIDTH) == argument(WIDTH) == "<width>"
