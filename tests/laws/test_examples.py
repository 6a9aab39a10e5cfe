"""Law 7 for several examples: right on each, elsewhere right or refused, whatever the forward decides on."""

from __future__ import annotations

import random
from typing import Any

import hypothesis
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from graphnas.codegen.build import build
from graphnas.codegen.emit import emit
from graphnas.ir.storing import from_json, to_json
from graphnas.ir.verify import verify
from graphnas.tracing.examples import Example, example
from graphnas.tracing.tracer import Tracer
from tests.laws import programs
from tests.laws.networks import Run, assert_same, run

Weights = dict[str, torch.Tensor]


def _model(rng: random.Random) -> nn.Module:
    torch.manual_seed(rng.randrange(10**6))
    return programs.Block(programs.program(rng), 2)


def _examples(rng: random.Random, count: int) -> list[Example]:
    return [example(*args, **kwargs) for args, kwargs in (programs.given(rng) for _ in range(count))]


def _run(network: nn.Module, weights: Weights, call: Example, training: bool) -> Run | None:
    """What a network does, drawing as a trace does; None where it refuses the call."""
    try:
        return run(network, weights, *call.args, training=training, seed=0, **call.kwargs)
    except ValueError as error:
        if "traced under another condition" in str(error):
            return None
        raise


@given(st.integers(0, 10**9), st.integers(1, 6))
@hypothesis.example(4100381, 5)  # a write into a buffer behind joins of both modes
def test_examples_are_right_and_nothing_is_silently_wrong(seed: int, count: int) -> None:
    rng = random.Random(seed)
    model = _model(rng)
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    traced = _examples(rng, count)
    graph = Tracer(exact=True).trace(model, *traced)
    verify(graph)
    assert from_json(to_json(graph)) == graph
    assert emit(graph) == emit(from_json(to_json(graph)))
    assert all(torch.equal(tensor, weights[name]) for name, tensor in model.state_dict().items())
    built = build(graph, weights)
    for call in (*traced, *_examples(rng, 5)):
        for training in (False, True):
            found = _run(built, weights, call, training)
            assert found is not None or call not in traced, "an example is refused"
            if found is not None:
                assert_same(_run(model, weights, call, training), found)  # type: ignore[arg-type]


def test_programs_decide_on_everything() -> None:
    """The models above are no vacuous ones: all tests and steps occur, in modules and regions too."""
    found: set[Any] = set()
    for seed in range(300):
        for step in programs.steps(programs.program(random.Random(seed))):
            found.add(step[1][0] if step[0] == "if" else step[0])
    kinds = {"if", "loop", "no_grad", "module"} | {step[0] for step in programs.PLAIN}
    assert found >= (kinds - {"if"}) | {test[0] for test in programs.TESTS}


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
def test_combination_that_was_not_traced_is_refused(training: bool) -> None:
    scaled, doubled = (("scale", 2.0),), (("layer", 0),)
    program = (("if", ("size", 2), scaled, doubled), ("if", ("all",), doubled, scaled))
    model = programs.Block(program, 1)
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    calls = [
        example(torch.ones(batch, programs.WIDTH), torch.full((batch,), flag)) for batch in (2, 3) for flag in (0, 1)
    ]
    for left_out in range(4):
        traced = [call for place, call in enumerate(calls) if place != left_out]
        built = build(Tracer().trace(model, *traced), weights)
        for place, call in enumerate(calls):
            found = _run(built, weights, call, training)
            assert (found is None) == (place == left_out)
            if found is not None:
                assert_same(_run(model, weights, call, training), found)  # type: ignore[arg-type]
