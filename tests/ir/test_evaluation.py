"""Values of expressions under architectures, whole and partial."""

from __future__ import annotations

import itertools
import pickle
import random
from typing import Any

import pytest

from graphnas.errors import ArchError
from graphnas.ir.choice import TRAINING, Apply, Choice, Expr, evaluate
from graphnas.ir.closing import close
from graphnas.ir.counting import holds
from graphnas.ir.evaluation import OPEN
from graphnas.ir.graph import Graph
from graphnas.ir.node import Call, Choose, Input, Node, Ref
from graphnas.ir.specialize import specialize

NUMBER, WORD, SEVERAL = Choice("number", (3, 1, 2)), Choice("word", ("a", "b")), Choice("several", (1, 2, 4), 2)
DOMAINS = {choice.label: choice.domain for choice in (NUMBER, WORD, SEVERAL)}


def _expression(rng: random.Random, depth: int) -> Any:
    """A number that depends on choices."""
    if depth == 0:
        return rng.choice((NUMBER, 1, 2, 5))
    first, second = (_expression(rng, depth - 1) for _ in range(2))
    if rng.random() < 0.5:
        return Apply(rng.choice("+-*"), (first, second))
    tests = (WORD.equals("b"), Apply("in", (2, SEVERAL)), Apply("<", (NUMBER, second)))
    return Apply("if", (rng.choice(tests), first, second))


def _partial_archs() -> list[dict[str, Any]]:
    domains = [(OPEN, *domain) for domain in DOMAINS.values()]
    return [
        {label: value for label, value in zip(DOMAINS, values, strict=True) if value is not OPEN}
        for values in itertools.product(*domains)
    ]


@pytest.mark.parametrize("seed", range(100))
def test_evaluation_agrees_with_closing_the_expression(seed: int) -> None:
    expr = _expression(random.Random(seed), 4)
    for arch in _partial_archs():
        closed, value = close(expr, arch), evaluate(expr, arch)
        assert (value is OPEN) == isinstance(closed, Expr)
        assert value is OPEN or (value == closed and type(value) is type(closed))


def test_a_choice_that_is_not_selected_needs_no_option() -> None:
    expr = Apply("if", (WORD.equals("a"), 1, NUMBER * 10))
    assert expr({"word": "a"}) == 1
    assert expr({"word": "b", "number": 2}) == 20
    with pytest.raises(ArchError, match="not decided: 'number'"):
        expr({"word": "b"})


def test_what_is_not_selected_need_not_have_a_value() -> None:
    expr = Apply("if", (NUMBER.equals(3), 0, Apply("//", (6, NUMBER - 3))))
    assert [expr({"number": number}) for number in NUMBER.options] == [0, -3, -6]
    assert [close(expr, {"number": number}) for number in NUMBER.options] == [0, -3, -6]


def test_a_value_without_options_that_matter_is_decided() -> None:
    assert evaluate(Apply("if", (WORD.equals("a"), 4, 4)), {}) == 4
    assert evaluate(Apply("if", (WORD.equals("a"), 1, True)), {}) is OPEN


def test_what_only_the_running_network_knows_has_no_value() -> None:
    with pytest.raises(ArchError, match="while the network runs"):
        Apply("if", (TRAINING, 1, 2))({})


def test_an_expression_that_was_evaluated_can_be_copied_to_another_process() -> None:
    expr = NUMBER * 2 + 1
    assert expr({"number": 2}) == 5
    assert pickle.loads(pickle.dumps(expr)) == expr


def test_a_constraint_binds_although_a_label_that_it_does_not_need_is_dead() -> None:
    outer, inner = Choice("outer", ("a", "b")), Choice("inner", (1, 5))
    cost = Apply("if", (outer.equals("a"), 9, inner))
    graph = Graph(
        inputs=(Input("x", ("x",), (2, 8)),),
        nodes=(
            Node("relu", Call("torch.relu"), (Ref("x"),)),
            Node("inside", Choose(inner), (Ref("x"), Ref("relu"))),
            Node("outside", Choose(outer), (Ref("x"), Ref("inside"))),
        ),
        output=Ref("outside"),
        constraints=(cost <= 4,),
    )
    assert not holds(graph, {"outer": "a"})
    assert graph.size() == 1
    assert specialize(graph, {"outer": "b"}).constraints == (inner <= 4,)
