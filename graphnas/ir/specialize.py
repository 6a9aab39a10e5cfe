"""Closing choices: from a space and decisions to a smaller space, or to a network."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from graphnas.errors import ArchError, ConstraintError, GraphError, nearest
from graphnas.ir import printing
from graphnas.ir.arithmetic import at_node
from graphnas.ir.choice import Apply, Arch, Choice, Expr, Option, choices_in, evaluate
from graphnas.ir.closing import close, close_node, follow, substitute
from graphnas.ir.counting import verdict
from graphnas.ir.frozen import FrozenDict, remembered
from graphnas.ir.graph import Formals, Graph
from graphnas.ir.modules import owner
from graphnas.ir.node import Arg, Entry, Layer, Node, Param, Ref


def specialize(graph: Graph, arch: Arch) -> Graph:
    """The graph with the choices of `arch` closed and with what nobody needs any more dropped.

    Args:
        graph: a space.
        arch: label → option; with some labels only, the result is again a space.

    Raises:
        ArchError: a label or an option that the space does not have.
        ConstraintError: the decisions break a constraint.
        GraphError: they leave an expression without a value, as a division by zero.
    """
    arch = canonical(graph, arch)
    return _rebuild(graph, arch) if arch else graph


def prune(graph: Graph) -> Graph:
    """The graph without what neither its output nor an effect in a live module call needs."""
    return graph if all(graph.flow.live({})[: len(graph.nodes)]) else _rebuild(graph, {})


def _rebuild(graph: Graph, arch: Arch) -> Graph:
    # Before the nodes: where a constraint forbids an option, their expressions may have no value.
    constraints = _constraints(graph, arch)
    live = graph.flow.live(arch)
    aliases: dict[str, Arg] = {}
    kept = []
    for position, node in enumerate(graph.nodes):
        if live[position]:
            try:
                closed = close_node(node, arch, aliases)
            except GraphError as error:
                raise at_node(error, node, arch) from error
            if closed is not None:
                kept.append(closed)
    small = replace(
        graph,
        nodes=tuple(kept),
        output=substitute(graph.output, aliases, arch),
        modules=_modules(graph, kept, arch),
        formals=_formals(graph, kept, aliases),
        constraints=(),
    )
    # A constraint that speaks of a label nobody can reach says nothing.
    meant = tuple(item for item in constraints if all(choice.label in small.choices for choice in choices_in(item)))
    return replace(small, constraints=meant) if meant else small


def canonical(space: Graph, arch: Arch) -> dict[str, Option]:
    """The architecture without the labels that are dead under its other decisions, in the order of the space.

    Raises:
        ArchError: a label or an option that the space does not have; the message names the nearest.
    """
    check_arch(space, arch)
    return space.flow.canonical(arch)  # type: ignore[return-value]


def check_arch(space: Graph, arch: Arch) -> None:
    """Checks that the space has the labels of an architecture, and each of them the option.

    Raises:
        ArchError: it does not; the message names the nearest.
    """
    choices = space.choices
    for label, option in arch.items():
        choice = choices.get(label)
        if choice is None:
            raise ArchError(
                f"space {space.name} has no label {label!r}; it has {len(choices)} labels.{nearest(label, choices)}"
            )
        if not _admits(choice, option):
            raise ArchError(
                f"label {label!r} has no option {option!r}; options are {_listed(choice)}\n"
                f"  at {place(space, choice)}.{nearest(option, choice.options)}"
            )


def default(space: Graph) -> dict[str, Option]:
    """The original network: the first option of every choice that is live under the others."""
    return space.flow.canonical({label: choice.default for label, choice in space.choices.items()})  # type: ignore[return-value]


def _admits(choice: Choice, option: Option) -> bool:
    domain = choice.domain
    return option in domain and _is_same(option, domain[domain.index(option)])


def _is_same(option: Option, known: Option) -> bool:
    # 1 and True are equal and hash alike, but they are not the same option; nor are (1,) and (True,).
    if type(option) is tuple and type(known) is tuple:
        return all(map(_is_same, option, known))
    return type(option) is type(known)


def _listed(choice: Choice) -> str:
    return (
        f"{choice.options}"
        if choice.take == 1
        else f"{'any subset' if choice.take is None else f'any {choice.take}'} of {choice.options}, as a tuple"
    )


def place(space: Graph, choice: Choice) -> str:
    """The first node that a choice decides, with the user's line, for messages."""
    return next((node.where for node in space.nodes if choice in node.choices), "a constraint")


class _Uses(NamedTuple):
    """The paths of the layers and tensors that nodes use, and of the modules that are called around them."""

    used: set[str]
    called: set[str]


def _uses(nodes: Iterable[Node]) -> _Uses:
    used = {node.op.path for node in nodes if isinstance(node.op, Layer | Param)}
    return _Uses(used, {frame.path for node in nodes for frame in node.scope})


@remembered
def _all_uses(graph: Graph) -> _Uses:
    return _uses(graph.nodes)


def _modules(graph: Graph, kept: list[Node], arch: Arch) -> tuple[Entry, ...]:
    """The rows that stay: never used before, or still used.

    A module goes with its last call, and all below it that nobody else uses.
    """
    used, called = _uses(kept)
    before = _all_uses(graph)
    # The weight of a layer that nobody calls may still be read, if only for its dtype.
    read = {path.rpartition(".")[0] for path in used}
    gone, dead = before.used - used - read, before.called - called

    holders = {path for user in (*used, *called) for path in _ancestors(user)} if dead else used | called

    def stays(entry: Entry) -> bool:
        if entry.path in holders:
            return True
        if entry.kind in ("layer", "module") and (entry.same_as in gone or entry.same_as in dead):
            return False
        return entry.path not in gone and not (dead and any(path in dead for path in _ancestors(entry.path)))

    rows = [entry for entry in graph.modules if stays(entry)] if gone or dead else list(graph.modules)
    if len(rows) < len(graph.modules) and any(entry.same_as for entry in rows):
        rows = _inherit_ties(rows)
    return tuple([_close_entry(entry, arch) for entry in rows])


def _ancestors(path: str) -> Iterable[str]:
    while path:
        yield path
        path = path.rpartition(".")[0]


def _inherit_ties(rows: list[Entry]) -> list[Entry]:
    """A tie lives while both ends do; where the owner is gone, its first alias becomes the owner."""
    entries = {entry.path: entry for entry in rows}

    def held_by_layer(path: str) -> bool:
        # The parameter `emb.weight` of a layer has no row of its own: it is there while the layer is.
        around = owner(entries, path.rpartition(".")[0])
        return around is not None and around.kind == "layer"

    heirs: dict[str, str] = {}
    result = []
    for entry in rows:
        if entry.same_as and entry.path.rpartition(".")[0] not in entries and not held_by_layer(entry.path):
            continue
        if entry.same_as and entry.same_as not in entries and not held_by_layer(entry.same_as):
            heir = heirs.setdefault(entry.same_as, entry.path)
            if heir != entry.path:
                entry = replace(entry, same_as=heir)
            elif held_by_layer(entry.path):
                continue
            else:
                entry = replace(entry, same_as="")
        result.append(entry)
    return result


@remembered
def _labels(entry: Entry) -> frozenset[str]:
    return frozenset(choice.label for choice in choices_in(entry.config))


def _close_entry(entry: Entry, arch: Arch) -> Entry:
    return entry if _labels(entry).isdisjoint(arch) else replace(entry, config=close(entry.config, arch))


def reads_inside(nodes: Iterable[Node]) -> dict[tuple[str, int], set[str]]:
    """(path, call) of each module call → the names of what its nodes read."""
    found: dict[tuple[str, int], set[str]] = {}
    for node in nodes:
        for frame in node.scope:
            found.setdefault((frame.path, frame.call), set()).update(ref.name for ref in node.refs)
    return found


def _formals(graph: Graph, kept: list[Node], aliases: Mapping[str, Arg]) -> Formals:
    """The names that values have inside live calls.

    That of a decided choice goes over to what it chooses; of several the first stays. A name lasts as long as its value
    while anything is open, since a decision may yet have it read, and then as long as it is read: so the order of
    decisions makes no difference.
    """
    reads = reads_inside(kept)
    known = {node.name for node in kept} | {item.name for item in graph.inputs}
    is_open = any([node.choices for node in kept])

    def renamed(names: FrozenDict[Ref, str], read: Container[str]) -> FrozenDict[Ref, str]:
        if all([ref.name in read for ref in names]):
            return names
        found: dict[Ref, str] = {}
        for ref, name in names.items():
            new = follow(ref, aliases)
            if isinstance(new, Ref) and new.name in read:
                found.setdefault(new, name)
        return FrozenDict(found)

    live = {call: names for call, names in graph.formals.items() if call in reads}
    return FrozenDict({call: renamed(names, known if is_open else reads[call]) for call, names in live.items()})


def _constraints(graph: Graph, arch: Arch) -> list[Expr]:
    """What the constraints say of the labels that stay open."""
    kept = []
    for constraint in graph.constraints:
        said = verdict(constraint, arch)
        if isinstance(said, Expr):
            kept.append(said)
        elif not said:
            decided = {choice.label: arch[choice.label] for choice in choices_in(constraint) if choice.label in arch}
            raise ConstraintError(
                f"architecture breaks the constraint {printing.brief(constraint)}{_sides(constraint, arch)}: "
                f"it has {decided!s:.1000}"
            )
    return kept


def _sides(constraint: Expr, arch: Arch) -> str:
    """What a comparison compares, where that has to be worked out."""
    match constraint:
        case Apply("<" | "<=" | ">" | ">=" as fn, sides) if any(isinstance(side, Apply) for side in sides):
            first, second = (evaluate(side, arch) for side in sides)
            return f", {first} {fn} {second}"
    return ""
