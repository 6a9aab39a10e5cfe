"""What a study searches: a space, training settings along with it, and what counts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from graphnas.errors import ArchError, ConstraintError, GraphNASError, TrialError, nearest
from graphnas.ir import encoding, printing
from graphnas.ir.choice import Arch, Choice, Expr, Option, choices_in
from graphnas.ir.closing import substitute
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.graph import Graph
from graphnas.ir.node import ALIAS, Call, Node, Ref
from graphnas.ir.values import is_boolean

_SETTINGS = "graphnas.parameters"
DIRECTIONS = ("maximize", "minimize")


@dataclass(frozen=True)
class Problem:
    """A space and what is asked of it.

    Attributes:
        space: with the constraints of the search.
        joint: the same with the searched training settings as further choices; what a strategy sees.
        labels: searched training setting → its label in `joint`.
        fixed: the other training settings.
        objectives: metric → "maximize" or "minimize".
        metrics: what follows from the architecture alone.
    """

    space: Graph
    joint: Graph
    labels: Mapping[str, str]
    fixed: Mapping[str, Any]
    objectives: Mapping[str, str]
    metrics: Mapping[str, Expr]

    @property
    def answers(self) -> str:
        """The metric that a plain number from `evaluate` stands for; "" if that is not clear."""
        measured = [name for name in self.objectives if name not in self.metrics]
        return measured[0] if len(measured) == 1 else ""

    def split(self, proposed: Arch) -> tuple[dict[str, Option], dict[str, Any]]:
        """A proposal as an architecture of the space and the training settings."""
        settings = set(self.labels.values())
        arch = {label: option for label, option in proposed.items() if label not in settings}
        return arch, {**self.fixed, **{name: proposed[label] for name, label in self.labels.items()}}

    def joined(self, arch: Arch, parameters: Mapping[str, Any]) -> dict[str, Option]:
        """What `split` was given, in the order of the space."""
        found = {**arch, **{label: parameters[name] for name, label in self.labels.items()}}
        return {label: found[label] for label in self.joint.choices if label in found}

    def derived(self, proposed: Arch) -> dict[str, float]:
        """The metrics that follow from a proposal; labels that are dead in it count with their defaults.

        Raises:
            TrialError: one of them is no number.
        """
        decided = {label: choice.default for label, choice in self.joint.choices.items()} | dict(proposed)
        found = {name: substitute(expr, {}, decided) for name, expr in self.metrics.items()}
        for name, value in found.items():
            if not isinstance(value, int | float):
                raise TrialError(
                    f"metric {name!r} is no number for {decided}, but {value!r:.100}\n  at metrics[{name!r}]. "
                    "It may depend on choices alone, of which one option is a number."
                )
        return {name: float(value) for name, value in found.items()}

    def description(self) -> dict[str, str]:
        """Metrics and training settings as JSON, by which a study is known again."""
        metrics = {name: encoding.value(expr, {}) for name, expr in self.metrics.items()}
        fixed = {name: encoding.value(value, {}) for name, value in self.fixed.items()}
        parameters = {"fixed": fixed, "searched": dict(self.labels)}
        return {
            "objective": json.dumps(dict(self.objectives)),
            "metrics": json.dumps(metrics),
            "parameters": json.dumps(parameters),
        }


def problem(
    space: Graph,
    parameters: Mapping[str, Any],
    objectives: Mapping[str, str],
    metrics: Mapping[str, Expr],
    constraints: Sequence[Expr],
) -> Problem:
    """The problem that the arguments of a search describe.

    Raises:
        TrialError: objectives, metrics or parameters are not what they should be.
        ConstraintError: a constraint is no condition on choices of the space.
    """
    for name, given in (("objectives", objectives), ("metrics", metrics), ("parameters", parameters)):
        if not isinstance(given, Mapping):
            raise TrialError(
                f"{name} are a dict, by name, but this is {given!r:.100}\n  at {name}=. Write {{name: ...}}."
            )
    if isinstance(constraints, str) or not isinstance(constraints, Sequence):
        raise ConstraintError(
            f"constraints are a list, but this is {constraints!r:.100}\n  at constraints=. Write [...]."
        )
    _check_objectives(objectives)
    searched = {name: _choice(name, value) for name, value in parameters.items() if _is_searched(value)}
    fixed = {name: value for name, value in parameters.items() if name not in searched}
    for name, value in fixed.items():
        _check_storable(name, value)
    for name, choice in searched.items():
        if choice.label in space.choices:
            raise TrialError(
                f"the space has a label {choice.label!r} already\n  at parameters[{name!r}]. Give it another name."
            )
    known = {**space.choices, **{choice.label: choice for choice in searched.values()}}
    for constraint in constraints:
        _check_constraint(constraint, known)
    for name, expr in metrics.items():
        _check_metric(name, expr, known)
    own = [item for item in constraints if all(choice.label in space.choices for choice in choices_in(item))]
    whole = replace(space, constraints=(*space.constraints, *own))
    joint = replace(space, constraints=(*space.constraints, *constraints))
    joint = _with_settings(joint, searched) if searched else joint
    labels = {name: choice.label for name, choice in searched.items()}
    return Problem(whole, joint, labels, fixed, dict(objectives), dict(metrics))


def _with_settings(space: Graph, searched: Mapping[str, Choice]) -> Graph:
    """The space with a value that depends on the settings: what the output reads, every architecture decides."""
    settings = Node(_SETTINGS, Call(ALIAS), (FrozenDict(searched),))
    return replace(space, nodes=(*space.nodes, settings), output=(space.output, Ref(_SETTINGS)))


def _check_objectives(objectives: Mapping[str, str]) -> None:
    if not objectives:
        raise TrialError('there is no objective\n  at objectives=. Give one, such as {"accuracy": "maximize"}.')
    for name, direction in objectives.items():
        if direction not in DIRECTIONS:
            raise TrialError(
                f"objective {name!r} has the direction {direction!r}\n  at objectives=. "
                f"Directions are {' and '.join(DIRECTIONS)}.{nearest(direction, DIRECTIONS)}"
            )


def _is_searched(value: object) -> bool:
    return isinstance(value, Choice | tuple | list)


def _choice(name: str, value: Any) -> Choice:
    if isinstance(value, Choice):
        return value
    try:
        return Choice(f"parameters.{name}", tuple(value))
    except (TypeError, ValueError) as error:
        raise TrialError(f"{error}\n  at parameters[{name!r}]. Give distinct plain values to choose among.") from error


def _check_storable(name: str, value: Any) -> None:
    try:
        encoding.value(value, {})
    except GraphNASError as error:
        raise TrialError(f"{error}\n  at parameters[{name!r}]. Give a number, string, truth value or None.") from error


def _check_constraint(constraint: Expr, known: Mapping[str, Choice]) -> None:
    if not isinstance(constraint, Expr) or not is_boolean(constraint):
        raise ConstraintError(
            f"{constraint!r:.100} is no condition on choices\n  at constraints=. Compare an expression, "
            "such as macs <= 30e6 or choice.equals(option)."
        )
    for choice in choices_in(constraint):
        if choice.label not in known:
            raise ConstraintError(
                f"the space has no label {choice.label!r}\n  at the constraint {printing.brief(constraint)}."
                f"{nearest(choice.label, known)}"
            )


def _check_metric(name: str, expr: Expr, known: Mapping[str, Choice]) -> None:
    if not isinstance(expr, Expr):
        raise TrialError(
            f"{expr!r:.100} is no expression of choices\n  at metrics[{name!r}]. What is measured, evaluate returns."
        )
    for choice in choices_in(expr):
        if choice.label not in known:
            raise ArchError(
                f"the space has no label {choice.label!r}\n  at metrics[{name!r}].{nearest(choice.label, known)}"
            )
