"""The rule `Constraint`: a condition that every architecture of the space satisfies."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from graphnas.errors import ConstraintError, GraphError, nearest
from graphnas.ir import printing
from graphnas.ir.choice import Apply, Choice, Expr, choices_in
from graphnas.ir.counting import holds
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.graph import Graph
from graphnas.ir.sampling import sample
from graphnas.ir.specialize import default
from graphnas.ir.values import is_boolean
from graphnas.mutations.explain import Explanation, in_words, number_of_architectures

# A Boolean expression, or a function that makes one of the space's choices by label.
Condition: TypeAlias = "Expr | Callable[[Mapping[str, Choice]], Any]"


@dataclass(frozen=True)
class Constraint:
    """Keeps the architectures that satisfy a condition; one that lacks any of its labels satisfies it.

    The original network may break it. Then it is no member of the space, and `explain` says so.

    Args:
        condition: a Boolean expression of choices of the space, or a function that makes one of them by label:
            `lambda choice: choice["op"].equals("skip").implies(choice["layer3.depth"] <= 2)`.
    """

    condition: Condition

    def __post_init__(self) -> None:
        if isinstance(self.condition, Expr):
            _check_boolean(self.condition)
        elif not callable(self.condition):
            raise TypeError(
                f"a constraint is a Boolean expression of choices or a function that makes one, but is "
                f"{self.condition!r:.100}; compare by .equals(), since == tells whether two expressions are one"
            )

    def __call__(self, graph: Graph) -> Graph:
        """The graph with the constraint.

        Raises:
            GraphError: the condition is not Boolean, speaks of labels or options that the space does not have, or is
                one of its constraints already.
            ConstraintError: no architecture satisfies it together with the constraints that the space has, or it is
                not decided within the steps of the search whether one does.
        """
        condition = self._condition(graph)
        if condition in graph.constraints:
            raise GraphError(f"the space has the constraint {printing.expression(condition)} already; apply it once")
        narrower = replace(graph, constraints=(*graph.constraints, condition))
        sample(narrower, seed=0)  # raises where there is nothing to find
        return narrower

    def explain(self, graph: Graph) -> Explanation:
        """The condition, the decisions that it speaks of, whether the original satisfies it, and how many others do."""
        condition = self._condition(graph)
        spoken = {choice.label: choice.options for choice in choices_in(condition)}
        narrower = replace(graph, constraints=(*graph.constraints, condition))
        is_kept = holds(narrower, default(graph))
        notes = ["the original satisfies it" if is_kept else "the original breaks it, and is no member of the space"]
        architectures = None
        try:
            architectures = number_of_architectures(self(graph))
            notes.append(
                f"it keeps {in_words(architectures)} of {in_words(number_of_architectures(graph))} architectures"
            )
        except (ConstraintError, GraphError) as error:
            notes.append(f"applying the rule is an error: {error}")
        return Explanation(
            type(self).__name__, f"architectures with {printing.expression(condition)}", (), (), (),
            FrozenDict(spoken), architectures, tuple(notes),
        )  # fmt: skip

    def _condition(self, graph: Graph) -> Expr:
        condition = self.condition
        if not isinstance(condition, Expr):
            condition = _made(condition, graph)
        for choice in choices_in(condition):
            known = _Labels(graph)[choice.label]
            if known != choice:
                raise GraphError(
                    f"the constraint {printing.expression(condition)} speaks of a label {choice.label!r} with the "
                    f"options {choice.options!r}, but in the space it has {known.options!r}; write a function of the "
                    "space's choices"
                )
        for choice, option in _named_options(condition):
            if option not in choice.options:
                raise GraphError(
                    f"the constraint {printing.expression(condition)} compares {choice.label!r} with {option!r}, which "
                    f"is none of its options {choice.options!r}.{nearest(option, choice.options)}"
                )
        return condition


class _Labels(Mapping[str, Choice]):
    """The choices of a space by label."""

    def __init__(self, space: Graph) -> None:
        self._space = space

    def __getitem__(self, label: str) -> Choice:
        known = self._space.choices
        if label not in known:
            raise GraphError(
                f"space {self._space.name} has no label {label!r} for a constraint to speak of; it has {len(known)} "
                f"labels.{nearest(label, known)}"
            )
        return known[label]

    def __iter__(self) -> Iterator[str]:
        return iter(self._space.choices)

    def __len__(self) -> int:
        return len(self._space.choices)


def _made(function: Callable[[Mapping[str, Choice]], Any], space: Graph) -> Expr:
    """The condition that a function makes of a space's choices."""
    try:
        condition = function(_Labels(space))
    except GraphError:
        raise
    except Exception as error:
        raise GraphError(
            f"the function of a constraint{_place(function)} raises {type(error).__name__}: {error}"
        ) from error
    if not isinstance(condition, Expr):
        raise GraphError(
            f"the function of a constraint{_place(function)} gives {condition!r:.100}, which is no expression of "
            "choices; compare by .equals(), since == tells whether two expressions are one"
        )
    _check_boolean(condition)
    return condition


def _place(function: Callable[..., Any]) -> str:
    code = getattr(function, "__code__", None)
    return f" ({code.co_filename}:{code.co_firstlineno})" if code else ""


def _check_boolean(condition: Expr) -> None:
    if not is_boolean(condition):
        raise GraphError(
            f"a constraint is true or false, but {printing.expression(condition)} is neither; compare it, as in "
            "choice <= 2 or choice.equals(option)"
        )
    for leaf in _leaves(condition):
        if isinstance(leaf, Expr) and not isinstance(leaf, Choice):
            raise GraphError(
                f"the constraint {printing.expression(condition)} speaks of {printing.expression(leaf)}, which is "
                "known only when a network runs; only choices are decided before"
            )
    if not any(True for _ in choices_in(condition)):
        raise GraphError(f"the constraint {printing.expression(condition)} speaks of no choice")


def _leaves(tree: Any) -> Iterator[Any]:
    match tree:
        case Apply(args=args):
            for item in args:
                yield from _leaves(item)
        case tuple():
            for item in tree:
                yield from _leaves(item)
        case _:
            yield tree


def _named_options(tree: Any) -> Iterator[tuple[Choice, Any]]:
    """The options that a condition compares choices of one option with, and those that it looks for in subsets."""
    match tree:
        case Apply("==" | "!=", (Choice(take=1) as choice, option)) if not isinstance(option, Expr):
            yield choice, option
        case Apply("==" | "!=", (option, Choice(take=1) as choice)) if not isinstance(option, Expr):
            yield choice, option
        case Apply("in", (Choice(take=1) as choice, tuple() as options)):
            yield from ((choice, option) for option in options if not isinstance(option, Expr))
        case Apply("in", (option, Choice() as choice)) if choice.take != 1 and not isinstance(option, Expr):
            yield choice, option
        case Apply(args=args):
            for item in args:
                yield from _named_options(item)
