"""Closing choices: from a space and decisions to a smaller space, or to a network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from graphnas.errors import ArchError, ConstraintError, nearest
from graphnas.ir import printing
from graphnas.ir.choice import Arch, Choice, Expr, Option, choices_in
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.graph import Formals, Graph
from graphnas.ir.node import MERGES, Arg, Call, Choose, Entry, Layer, Node, Param, Ref, Size, transform


def specialize(graph: Graph, arch: Arch) -> Graph:
    """The graph with the choices of `arch` closed and with what nobody needs any more dropped.

    Args:
        graph: a space.
        arch: label → option; with some labels only, the result is again a space.

    Raises:
        ArchError: a label or an option that the space does not have.
        ConstraintError: the decisions break a constraint.
    """
    arch = canonical(graph, arch)
    if not arch:
        return graph
    live = graph.flow.live(arch)
    aliases: dict[str, Arg] = {}
    kept = []
    for position, node in enumerate(graph.nodes):
        if live[position]:
            closed = _close(node, arch, aliases)
            if closed is not None:
                kept.append(closed)
    small = replace(
        graph,
        nodes=tuple(kept),
        output=substitute(graph.output, aliases, arch),
        modules=_modules(graph, kept, arch),
        formals=_formals(graph.formals, kept, aliases),
        constraints=(),
    )
    return replace(small, constraints=_constraints(graph, small, arch)) if graph.constraints else small


def canonical(space: Graph, arch: Arch) -> dict[str, Option]:
    """The architecture without the labels that are dead under its other decisions, in the order of the space.

    Raises:
        ArchError: a label or an option that the space does not have; the message names the nearest.
    """
    choices = space.choices
    for label, option in arch.items():
        choice = choices.get(label)
        if choice is None:
            raise ArchError(f"space {space.name} has no label {label!r}; it has {len(choices)} labels.{nearest(label, choices)}")
        if not _admits(choice, option):
            raise ArchError(
                f"label {label!r} has no option {option!r}; options are {_listed(choice)}\n"
                f"  at {_place(space, choice)}.{nearest(option, choice.options)}"
            )
    return space.flow.canonical(arch)  # type: ignore[return-value]


def default(space: Graph) -> dict[str, Option]:
    """The original network: the first option of every choice that is live under the others."""
    return space.flow.canonical({label: choice.default for label, choice in space.choices.items()})  # type: ignore[return-value]


def substitute(tree: Arg, aliases: Mapping[str, Arg], arch: Arch) -> Arg:
    """An argument tree with references re-pointed and choices closed."""

    def leaf(item: Any) -> Any:
        kind = type(item)
        if kind is Ref:
            return _follow(item, aliases)
        if kind is Choice:
            return arch.get(item.label, item)
        if kind is Size and item.of.name in aliases:
            return Size(_follow(item.of, aliases), item.dim)
        return item

    return transform(tree, leaf)


def violated(constraints: Iterable[Expr], arch: Arch) -> Expr | None:
    """The first constraint that the decisions break; one that speaks of an undecided label is not broken."""
    for constraint in constraints:
        if all(choice.label in arch for choice in choices_in(constraint)) and not substitute(constraint, {}, arch):
            return constraint
    return None


def _admits(choice: Choice, option: Option) -> bool:
    # 1 and True are equal and hash alike, but they are not the same option.
    return any(option == known and type(option) is type(known) for known in choice.domain)


def _listed(choice: Choice) -> str:
    return f"{choice.options}" if choice.take == 1 else f"{'any subset' if choice.take is None else f'any {choice.take}'} of {choice.options}, as a tuple"


def _place(space: Graph, choice: Choice) -> str:
    return next((node.where for node in space.nodes if choice in node.choices), "a constraint")


def _follow(ref: Ref, aliases: Mapping[str, Arg]) -> Arg:
    if ref.name not in aliases:
        return ref
    found = aliases[ref.name]
    for depth, step in enumerate(ref.item):
        if isinstance(found, Ref):
            return Ref(found.name, found.item + ref.item[depth:])
        found = found[step]
    return found


def _close(node: Node, arch: Arch, aliases: dict[str, Arg]) -> Node | None:
    """The node under the decisions; None for a decided choice, whose readers from now on read the chosen argument."""
    touched = any(ref.name in aliases for ref in node.refs) or any(name in aliases for name in node.after)
    if not touched and not any(choice.label in arch for choice in node.choices):
        return node
    args = substitute(node.args, aliases, arch)
    after = tuple(dict.fromkeys(name for name in (_after(name, aliases) for name in node.after) if name))
    op = node.op
    match op:
        case Choose(choice=Choice(label=label) as choice) if label in arch:
            picked = tuple(args[position] for position in choice.positions(arch[label]))
            if len(picked) == 1:
                aliases[node.name] = picked[0]
                return None
            op, args = Call(MERGES[op.merge]), picked
        case Choose(choice=condition):
            op = replace(op, choice=substitute(condition, aliases, {}))
        case Layer(config=config):
            op = replace(op, config=substitute(config, aliases, arch))
        case Param(shape=shape):
            op = replace(op, shape=substitute(shape, aliases, arch))
    kwargs = substitute(node.kwargs, aliases, arch)
    return replace(node, op=op, args=args, kwargs=kwargs, when=substitute(node.when, aliases, arch), after=after)


def _after(name: str, aliases: Mapping[str, Arg]) -> str:
    found = aliases.get(name, Ref(name))
    return found.name if isinstance(found, Ref) else ""


def _modules(graph: Graph, kept: list[Node], arch: Arch) -> tuple[Entry, ...]:
    """The rows that stay: never used before, or still used. A module goes with its last call, and all below it."""
    used = _paths(kept)
    gone = _paths(graph.nodes) - used
    called = {frame.path for node in kept for frame in node.scope}
    dead = {frame.path for node in graph.nodes for frame in node.scope} - called

    def stays(entry: Entry) -> bool:
        if entry.path in used or entry.path in called:
            return True
        return entry.path not in gone and not any(path in dead for path in _ancestors(entry.path))

    rows = [entry for entry in graph.modules if stays(entry)] if gone or dead else list(graph.modules)
    if any(entry.same_as for entry in rows) and len(rows) < len(graph.modules):
        rows = _inherit_ties(rows)
    return tuple(_close_entry(entry, arch) for entry in rows)


def _paths(nodes: Iterable[Node]) -> set[str]:
    return {node.op.path for node in nodes if isinstance(node.op, Layer | Param)}


def _ancestors(path: str) -> Iterable[str]:
    while path:
        yield path
        path = path.rpartition(".")[0]


def _inherit_ties(rows: list[Entry]) -> list[Entry]:
    """A tie lives while both ends do; where the owner is gone, its first alias becomes the owner."""
    paths = {entry.path for entry in rows}
    heirs: dict[str, str] = {}
    result = []
    for entry in rows:
        if entry.same_as and not _present(entry.path.rpartition(".")[0], paths):
            continue
        if entry.same_as and not _present(entry.same_as, paths):
            heir = heirs.setdefault(entry.same_as, entry.path)
            if heir == entry.path:
                if entry.kind in ("parameter", "buffer") and not _owned_by_layer(entry, rows):
                    result.append(replace(entry, same_as=""))
                continue
            entry = replace(entry, same_as=heir)
        result.append(entry)
    return result


def _present(path: str, paths: set[str]) -> bool:
    # The parameter `emb.weight` of a layer has no row of its own: it is there while the layer is.
    return not path or path in paths or path.rpartition(".")[0] in paths


def _owned_by_layer(entry: Entry, rows: list[Entry]) -> bool:
    parent = entry.path.rpartition(".")[0]
    return any(row.path == parent and row.kind == "layer" for row in rows)


def _close_entry(entry: Entry, arch: Arch) -> Entry:
    config = substitute(entry.config, {}, arch)
    return entry if config is entry.config else replace(entry, config=config)


def _formals(formals: Formals, kept: list[Node], aliases: Mapping[str, Arg]) -> Formals:
    frames: set[tuple[str, int]] = {(frame.path, frame.call) for node in kept for frame in node.scope}
    result = {}
    for call, names in formals.items():
        if call in frames:
            result[call] = _rename(names, aliases) if any(ref.name in aliases for ref in names) else names
    return FrozenDict(result)


def _rename(names: FrozenDict[Ref, str], aliases: Mapping[str, Arg]) -> FrozenDict[Ref, str]:
    found: dict[Ref, str] = {}
    for ref, name in names.items():
        new = _follow(ref, aliases)
        if isinstance(new, Ref):
            found.setdefault(new, name)
    return FrozenDict(found)


def _constraints(graph: Graph, small: Graph, arch: Arch) -> tuple[Expr, ...]:
    """The constraints that still say something; one that speaks of a label nobody can reach says nothing."""
    open_labels = set(small.choices)
    kept = []
    for constraint in graph.constraints:
        closed = substitute(constraint, {}, arch)
        if not isinstance(closed, Expr):
            if not closed:
                decided = {choice.label: arch[choice.label] for choice in choices_in(constraint)}
                raise ConstraintError(f"architecture breaks the constraint {printing.expression(constraint)}: it has {decided}")
        elif all(choice.label in open_labels for choice in choices_in(closed)):
            kept.append(closed)
    return tuple(kept)
