"""Deliberate faults in the implementation, one at a time: what the laws have to notice.

`python -m tests.laws.mutants` prints which law finds which fault.
"""

from __future__ import annotations

import functools
import random
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

from graphnas.ir import closing, counting, editing, effects, printing, sampling, specialize, storing
from graphnas.ir.choice import TRAINING, Choice
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.graph import Graph
from graphnas.ir.liveness import Flow, Fork, Gate
from graphnas.ir.node import GUARD, Call, Choose, Layer, Node
from tests.laws import spaces, test_editing, test_sampling, test_specialize, test_storing

SPACES = 300
LAWS = [
    law.hypothesis.inner_test
    for module in (test_specialize, test_sampling, test_storing, test_editing)
    for name, law in vars(module).items()
    if name.startswith("test_") and hasattr(law, "hypothesis")
]


@dataclass(frozen=True)
class Mutant:
    """A fault: `plant` puts it into the implementation."""

    name: str
    plant: Callable[[pytest.MonkeyPatch], None]

    def __repr__(self) -> str:
        return self.name.replace(" ", "_")


def killer(mutant: Mutant, count: int = SPACES) -> str:
    """The name of the law that the fault breaks first on one of `count` spaces; empty if it goes unnoticed.

    The spaces come from the right implementation: a fault must not keep what would show it out of them.
    """
    made = [_space(seed) for seed in range(count)]
    with pytest.MonkeyPatch.context() as patch:
        mutant.plant(patch)
        for seed, space in enumerate(made):
            for law in LAWS:
                try:
                    law(space=_copy(space), seed=seed)
                except (Exception, pytest.fail.Exception):
                    return law.__name__
    return ""


def _copy(space: Graph) -> Graph:
    """The space without what it, its nodes and its rows keep of what was worked out about them under other faults."""
    nodes, modules = tuple(map(replace, space.nodes)), tuple(map(replace, space.modules))
    return replace(space, nodes=nodes, modules=modules)


@functools.cache
def _space(seed: int) -> Graph:
    return spaces.space(random.Random(seed))


def swap(patch: pytest.MonkeyPatch, function: Any, fault: Callable[..., Any]) -> None:
    """Puts `fault` wherever a module of graphnas or of the laws holds `function`."""
    for name, module in list(sys.modules.items()):
        if name.startswith(("graphnas", "tests.laws")) and name != __name__:
            for attribute, value in list(vars(module).items()):
                if value is function:
                    patch.setattr(module, attribute, fault)


def fault(function: Callable[..., Any], wrong: Callable[..., Any]) -> Callable[[pytest.MonkeyPatch], None]:
    """Plants `wrong`, which is given the right function and its arguments, in the place of a function."""
    return lambda patch: swap(patch, function, lambda *args, **kwargs: wrong(function, *args, **kwargs))


def method(owner: type, name: str, wrong: Callable[..., Any]) -> Callable[[pytest.MonkeyPatch], None]:
    """As `fault`, for a method."""
    right = getattr(owner, name)
    return lambda patch: patch.setattr(owner, name, lambda *args, **kwargs: wrong(right, *args, **kwargs))


def stored(strip: Callable[[Node], Node]) -> Callable[[pytest.MonkeyPatch], None]:
    """A fault that loses something of each node on the way to JSON."""
    return fault(
        storing.to_json,
        lambda right, graph, **options: right(replace(graph, nodes=tuple(map(strip, graph.nodes))), **options),
    )


def printed(strip: Callable[[Graph], Graph]) -> Callable[[pytest.MonkeyPatch], None]:
    """A fault that does not print something."""
    return fault(printing.text, lambda right, graph, **options: right(strip(graph), **options))


def child(strip: Callable[[Graph], Graph]) -> Callable[[pytest.MonkeyPatch], None]:
    """A fault in what `specialize` returns."""
    return fault(specialize.specialize, lambda right, graph, arch: strip(right(graph, arch)))


# ---------------------------------------------------------------- the wrong functions
def _everything_lives(right: Any, flow: Flow, arch: Any) -> bytearray:
    return bytearray(b"\1" * len(right(flow, arch)))


def _effects_outlive_their_module(right: Any, flow: Flow, graph: Graph, found: list[Node]) -> list[int]:
    return [*right(flow, graph, found), *(graph.nodes.index(node) for node in found)]


def _shared_label_twice(right: Any, space: Graph) -> int:
    uses = [choice for node in space.nodes for choice in node.choices]
    extra = [len(choice.domain) for choice in space.choices.values() if uses.count(choice) > 1]
    return right(space) * (extra[0] if extra else 1)


def _all_labels(right: Any, space: Graph, arch: Any, rng: Any) -> dict[str, Any]:
    return {label: rng.choice(choice.domain) for label, choice in space.choices.items()} or right(space, arch, rng)


def _repeated(right: Any, space: Graph) -> Iterator[Any]:
    found = list(right(space))
    yield from found
    yield from found[-1:]


def _without_last(right: Any, space: Graph) -> Iterator[Any]:
    found = list(right(space))
    yield from found[:-1] or found


def _last_position(right: Any, choice: Choice, value: Any) -> tuple[int, ...]:
    return tuple(len(choice.options) - 1 - position for position in right(choice, value))


def _last_options(right: Any, space: Graph) -> Mapping[str, Any]:
    return specialize.canonical(space, {label: choice.domain[-1] for label, choice in space.choices.items()})


def _without_when(graph: Graph) -> Graph:
    return replace(graph, nodes=tuple(replace(node, when=None) for node in graph.nodes))


def _without_after(graph: Graph) -> Graph:
    return replace(graph, nodes=tuple(replace(node, after=()) for node in graph.nodes))


def _in_training(graph: Graph) -> Graph:
    nodes = [
        replace(node, op=Call("graphnas.alias"), args=node.args[:1]) if node.condition == TRAINING else node
        for node in graph.nodes
    ]
    return replace(graph, nodes=tuple(nodes))


def _reordered_table(graph: Graph) -> Graph:
    return replace(graph, modules=(graph.modules[0], *sorted(graph.modules[1:], key=lambda entry: entry.path)))


def _open_config(right: Any, node: Node, arch: Any, aliases: Any) -> Node | None:
    closed = right(node, arch, aliases)
    return replace(closed, op=node.op) if closed is not None and isinstance(node.op, Layer) else closed


def _without_new_after(right: Any, node: Node, aliases: Any) -> Node:
    return replace(right(node, aliases), after=node.after)


def _sum_for_mean(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(closing, "MERGES", {"sum": "graphnas.mean", "mean": "graphnas.sum", "concat": "graphnas.concat"})


def _unconstrained(right: Any, space: Graph, *args: Any, **kwargs: Any) -> Any:
    return right(replace(space, constraints=()), *args, **kwargs)


def _strict(space: Graph, arch: Any, about: str | None = None) -> bool:
    """A constraint that speaks of a dead label is taken for broken."""
    labels = {choice.label for constraint in space.constraints for choice in counting.choices_in(constraint)}
    undecided = labels - arch.keys()
    dead = undecided - set(space.flow.reached(arch, through_open=True)[1])
    return not dead and counting_holds(space, arch, about)


counting_holds = counting.holds

MUTANTS = [
    Mutant("specialize forgets to prune", method(Flow, "live", _everything_lives)),
    Mutant(
        "specialize forgets half of the arch",
        fault(specialize.specialize, lambda right, graph, arch: right(graph, dict(list(arch.items())[::2]))),
    ),
    Mutant("specialize leaves expressions in configs open", fault(closing.close_node, _open_config)),
    Mutant(
        "specialize leaves the module table's configs open",
        fault(specialize._close_entry, lambda right, entry, arch: entry),
    ),
    Mutant(
        "specialize keeps the module table", fault(specialize._modules, lambda right, graph, kept, arch: graph.modules)
    ),
    Mutant(
        "specialize drops unused rows of the table",
        child(
            lambda graph: replace(graph, modules=tuple(e for e in graph.modules if not e.path or "spare" not in e.path))
        ),
    ),
    Mutant("specialize sorts the module table", child(_reordered_table)),
    Mutant("specialize leaves ties dangling", fault(specialize._inherit_ties, lambda right, rows: rows)),
    Mutant("specialize does not re-point after", fault(closing._after, lambda right, name, aliases: name)),
    Mutant("specialize loses when", child(_without_when)),
    Mutant("specialize loses after", child(_without_after)),
    Mutant("specialize closes the mode", child(_in_training)),
    Mutant("specialize loses formals", child(lambda graph: replace(graph, formals=FrozenDict()))),
    Mutant("specialize loses constraints", child(lambda graph: replace(graph, constraints=()))),
    Mutant("specialize takes a mean for a sum", _sum_for_mean),
    Mutant("specialize lets constraints be broken", fault(specialize.specialize, _unconstrained)),
    Mutant("options are counted from the end", method(Choice, "positions", _last_position)),
    Mutant("default is the last option", fault(specialize.default, _last_options)),
    Mutant(
        "guards are no effects",
        fault(effects.effect, lambda right, node, graph: node.op != Call(GUARD) and right(node, graph)),
    ),
    Mutant("writes to state are no effects", fault(effects.writes_state, lambda right, node, graph: False)),
    Mutant("random draws are no effects", fault(effects.draws, lambda right, node: False)),
    Mutant("effects outlive their module call", method(Flow, "_connect", _effects_outlive_their_module)),
    Mutant("a choice of several holds up no module call", method(Gate, "stays", lambda right, gate, arch: False)),
    Mutant(
        "a choice of several needs its arms alone",
        method(Fork, "taken", lambda right, fork, arch: tuple(way for way in right(fork, arch) if way is not fork.own)),
    ),
    Mutant(
        "an arm that is not taken is alive",
        method(Fork, "taken", lambda right, fork, arch: (*fork.ways.values(), fork.own)),
    ),
    Mutant("canonical keeps dead labels", method(Flow, "canonical", lambda right, flow, arch: dict(arch))),
    Mutant(
        "canonical drops nested labels",
        method(
            Flow,
            "canonical",
            lambda right, flow, arch: {
                label: arch[label] for label in arch if label in flow.reached({}, through_open=False)[1]
            },
        ),
    ),
    Mutant("size counts a shared label twice", fault(counting.count, _shared_label_twice)),
    Mutant("size ignores constraints", fault(counting.count, _unconstrained)),
    Mutant("size counts dead labels", fault(counting.count, lambda right, space: _product(space))),
    Mutant("sample ignores constraints", fault(sampling.sample, _unconstrained)),
    Mutant(
        "sample forgets what is decided",
        fault(sampling.complete, lambda right, space, arch, rng: right(space, {}, rng)),
    ),
    Mutant("sample decides dead labels", fault(sampling.complete, _all_labels)),
    Mutant(
        "sample takes the first option",
        fault(sampling.sample, lambda right, space, seed: specialize.canonical(space, next(enumerated(space)))),
    ),
    Mutant("enumeration repeats the last", fault(sampling.enumerate_archs, _repeated)),
    Mutant("enumeration misses the last", fault(sampling.enumerate_archs, _without_last)),
    Mutant("enumeration ignores constraints", fault(sampling.enumerate_archs, _unconstrained)),
    Mutant("a constraint on a dead label is broken", lambda patch: swap(patch, counting.holds, _strict)),
    Mutant(
        "neighbors include the arch",
        fault(sampling.neighbors, lambda right, space, arch: [*right(space, arch), specialize.canonical(space, arch)]),
    ),
    Mutant("insert does not re-point after", fault(editing._point, _without_new_after)),
    Mutant("insert does not re-point readers", fault(editing._point, lambda right, node, aliases: node)),
    Mutant(
        "insert puts rows at the end",
        fault(
            editing._rows,
            lambda right, graph, entries: (*graph.modules, *(row for rows in entries.values() for row in rows)),
        ),
    ),
    Mutant("JSON loses after", stored(lambda node: replace(node, after=()))),
    Mutant("JSON loses when", stored(lambda node: replace(node, when=None))),
    Mutant("JSON loses the source", stored(lambda node: replace(node, source=None))),
    Mutant(
        "JSON loses merges",
        stored(lambda node: replace(node, op=Choose(node.op.choice)) if isinstance(node.op, Choose) else node),
    ),
    Mutant(
        "JSON sorts keyword arguments",
        stored(lambda node: replace(node, kwargs=FrozenDict(sorted(node.kwargs.items(), reverse=True)))),
    ),
    Mutant("text hides when", printed(_without_when)),
    Mutant("text hides after", printed(_without_after)),
    Mutant("text hides constraints", printed(lambda graph: replace(graph, constraints=()))),
    Mutant("digest ignores constraints", fault(storing.digest, _unconstrained)),
]

enumerated = sampling.enumerate_archs


def _product(space: Graph) -> int:
    result = 1
    for choice in space.choices.values():
        result *= len(choice.domain)
    return result


if __name__ == "__main__":
    for mutant in MUTANTS:
        print(f"{mutant.name:50} {killer(mutant) or 'GOES UNNOTICED'}", flush=True)
