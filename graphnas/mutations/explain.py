"""What a rule does to a graph and why: the sites it takes, those it passes over, and the decisions that result."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any, cast

from graphnas.errors import GraphError
from graphnas.ir.choice import Choice, Option
from graphnas.ir.counting import Estimate
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.graph import Graph
from graphnas.mutations.labels import placeholders
from graphnas.mutations.selectors import Where
from graphnas.mutations.sites import Site
from graphnas.mutations.where import describe, matches, suggestions


@dataclass(frozen=True, slots=True)
class Selection:
    """The sites that a rule takes, and those that it matches but passes over, with the reason."""

    looked_for: str  # in words
    matched: tuple[Site, ...]
    passed: tuple[tuple[Site, str], ...]
    hint: str  # where nothing matches, the names nearest to what was looked for

    def required(self) -> tuple[Site, ...]:
        """The sites taken.

        Raises:
            GraphError: there are none.
        """
        if self.matched:
            return self.matched
        if not self.passed:
            raise GraphError(f"the rule matches nothing: it looked for {self.looked_for}.{self.hint}")
        reasons = "".join(f"\n  {site.where}: {reason}" for site, reason in self.passed)
        raise GraphError(f"the rule passes over every site that it matches; it looked for {self.looked_for}.{reasons}")


def select(where: Where, candidates: Iterable[Site], unfit: Callable[[Site], str]) -> Selection:
    """The sites that `where` means.

    Where a site and something inside it both match, the outer one is meant.

    Args:
        where: what to look for.
        candidates: the sites that the rule works on, an outer one before those inside it.
        unfit: why a site cannot be taken; empty where it can.
    """
    candidates = tuple(candidates)
    matched: list[Site] = []
    passed: list[tuple[Site, str]] = []
    covered: dict[str, str] = {}  # node → the matched site that it lies in
    for site in candidates:
        if not matches(where, site):
            continue
        around = next((covered[name] for name in site.nodes if name in covered), None)
        is_inside = all(name in covered for name in site.nodes)
        covered.update({name: site.name for name in site.nodes if name not in covered})
        reason = f"it {'lies inside' if is_inside else 'overlaps'} {around}, which the rule matches as a whole"
        reason = reason if around else unfit(site)
        if reason:
            passed.append((site, reason))
        else:
            matched.append(site)
    hint = "" if matched or passed else suggestions(where, candidates)
    return Selection(describe(where), tuple(matched), tuple(passed), hint)


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a rule does to a graph.

    Attributes:
        rule: its class.
        looked_for: what it looks for, in words.
        matched: the sites taken.
        passed: the sites that match and are passed over, with the reason.
        labels: the label of every site taken.
        decisions: label → options, the original first.
        architectures: how many the space then has, exactly or estimated; None where the rule cannot be applied.
        notes: what is worth knowing besides.
    """

    rule: str
    looked_for: str
    matched: tuple[Site, ...]
    passed: tuple[tuple[Site, str], ...]
    labels: tuple[str, ...]
    decisions: FrozenDict[str, tuple[Option, ...]]
    architectures: int | Estimate | None
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The explanation as JSON values."""
        return {
            "rule": self.rule,
            "looked_for": self.looked_for,
            "matched": [{**_row(site), "label": label} for site, label in zip(self.matched, self.labels, strict=True)],
            "passed": [{**_row(site), "reason": reason} for site, reason in self.passed],
            "decisions": {label: list(options) for label, options in self.decisions.items()},
            "architectures": json_value(self.architectures),
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        rows = [("", "site", "what it is", "shapes", "source", "decision, or why it is passed over")]
        for site, label in zip(self.matched, self.labels, strict=True):
            options = " | ".join(map(str, self.decisions[label]))
            rows.append(("+", site.name, *_facts(site), f"{label}: {options}"))
        rows += [("-", site.name, *_facts(site), reason) for site, reason in self.passed]
        lines = [f"{self.rule} looked for {self.looked_for}", *(_table(rows) if len(rows) > 1 else ())]
        summary = f"{len(self.matched)} taken, {len(self.passed)} passed over; decisions: {len(self.decisions)}"
        if self.architectures is not None:
            summary += f"; architectures: {in_words(self.architectures)}"
        return "\n".join([*lines, f"  {summary}", *(f"  note: {note}" for note in self.notes)])


def explanation(
    rule: Callable[[Graph], Graph], graph: Graph, selection: Selection, label: str, choose: Callable[[Site], Choice]
) -> Explanation:
    """The explanation of a rule that gives each site taken a choice, by its label.

    Args:
        rule: is applied once, so that the architectures of its space can be counted.
        graph: what the rule is applied to.
        selection: what it takes there.
        label: of the rule, with placeholders.
        choose: the choice that a site gets.
    """
    rows = [(choice.label, choice.options) for choice in map(choose, selection.matched)]
    labels = tuple(name for name, _ in rows)
    notes = []
    architectures = None
    if not selection.matched:
        notes.append(f"the rule takes nothing: applying it is an error.{selection.hint}")
    else:
        try:
            architectures = number_of_architectures(rule(graph))
        except GraphError as error:
            notes.append(f"applying the rule is an error: {error}")
    if len(rows) > 1 and not placeholders(label):
        notes.append(f"label {label!r} has no placeholder: its {len(rows)} sites share one decision")
    return Explanation(
        type(rule).__name__, selection.looked_for, selection.matched, selection.passed, labels, FrozenDict(rows),
        architectures, tuple(notes),
    )  # fmt: skip


def number_of_architectures(space: Graph) -> int | Estimate:
    """How many architectures a space has; an estimate where its choices are too entangled to be counted."""
    try:
        return cast(int, space.size())
    except GraphError:
        return cast(Estimate, space.size(estimate=True))


def json_value(number: int | Estimate | None) -> int | dict[str, Any] | None:
    """A number of architectures as a JSON value."""
    return asdict(number) if isinstance(number, Estimate) else number


def in_words(number: int | Estimate) -> str:
    """A number of architectures, exact as long as one can read it."""
    match number:
        case Estimate(value, error):
            return f"about {value:.3g} ± {error:.1g}"
        case int() if number < 10**9:
            return f"{number:,}"
    return f"{Decimal(number):.3g}"


def _row(site: Site) -> dict[str, Any]:
    return {
        "site": site.name,
        "kind": site.kind,
        "type": site.type,
        "inputs": [str(shape) for shape in site.input_shapes],
        "outputs": [str(shape) for shape in site.output_shapes],
        "source": str(site.source) if site.source else None,
    }


def _facts(site: Site) -> tuple[str, str, str]:
    """What a site is, its shapes and its source, for a table."""
    flow = f"{', '.join(map(str, site.input_shapes))} -> {', '.join(map(str, site.output_shapes))}"
    return site.kind if site.parts else site.type, flow, str(site.source or "")


def _table(rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Rows in columns as wide as what is in them; the last one is as long as it is."""
    cells = list(rows)
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells
    ]
