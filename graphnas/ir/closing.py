"""Nodes and terms under decisions: choices closed, and values read from what was chosen."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from graphnas.ir.choice import Arch, Choice
from graphnas.ir.frozen import remembered
from graphnas.ir.node import MERGES, Arg, Call, Choose, Given, Layer, Node, Param, Ref, Size, transform

_CLOSINGS = 256  # of one node are remembered


def close(tree: Arg, arch: Arch) -> Any:
    """The tree with the choices of `arch` closed.

    Raises:
        GraphError: an expression has no value then.
    """
    return transform(tree, lambda leaf: arch.get(leaf.label, leaf) if type(leaf) is Choice else leaf)


def substitute(tree: Arg, aliases: Mapping[str, Arg], arch: Arch) -> Arg:
    """An argument tree with references re-pointed and choices closed."""

    def leaf(item: Any) -> Any:
        kind = type(item)
        if kind is Ref:
            return follow(item, aliases)
        if kind is Choice:
            return arch.get(item.label, item)
        if kind is Size and item.of.name in aliases:
            return replace(item, of=follow(item.of, aliases))
        if kind is Given and item.of.name in aliases:
            return Given(follow(item.of, aliases))
        return item

    return transform(tree, leaf)


def follow(ref: Ref, aliases: Mapping[str, Arg]) -> Arg:
    """What is read instead of a value, where a decision has given it another name."""
    if ref.name not in aliases:
        return ref
    found = aliases[ref.name]
    for depth, step in enumerate(ref.item):
        if isinstance(found, Ref):
            return Ref(found.name, found.item + ref.item[depth:])
        found = found[step]
    return found


class _Terms(NamedTuple):
    """What a node speaks of."""

    names: frozenset[str]
    labels: frozenset[str]


@remembered
def _terms(node: Node) -> _Terms:
    names = frozenset((*(ref.name for ref in node.refs), *node.after))
    return _Terms(names, frozenset(choice.label for choice in node.choices))


def close_node(node: Node, arch: Arch, aliases: dict[str, Arg]) -> Node | None:
    """The node under the decisions; None for a decided choice, whose readers from now on read the chosen argument."""
    names, labels = _terms(node)
    if names.isdisjoint(aliases) and labels.isdisjoint(arch):
        return node
    if isinstance(node.op, Choose) and isinstance(node.op.choice, Choice) and node.op.choice.label in arch:
        picked = node.op.choice.positions(arch[node.op.choice.label])
        if len(picked) == 1:
            aliases[node.name] = substitute(node.args[picked[0]], aliases, arch)
            return None
    moved = {name: aliases[name] for name in names if name in aliases}
    if not all(isinstance(value, Ref) for value in moved.values()):
        return _closed(node, arch, aliases)
    known = _closings(node)
    # By repr: 1 and True are equal, but not the same option.
    key = frozenset(moved.items()), *[repr(arch[label]) if label in arch else "" for label in labels]
    if key not in known:
        if len(known) >= _CLOSINGS:
            known.clear()
        known[key] = _closed(node, arch, aliases)
    return known[key]


@remembered
def _closings(node: Node) -> dict[Hashable, Node]:
    """The node as children have it, by what its values and decisions are there: children share what they can."""
    return {}


def _closed(node: Node, arch: Arch, aliases: Mapping[str, Arg]) -> Node:
    op, args = node.op, node.args
    match op:
        case Choose(choice=Choice(label=label) as choice) if label in arch:
            args = tuple([args[position] for position in choice.positions(arch[label])])
            op = Call(MERGES[op.merge])
        case Choose(choice=condition):
            op = Choose(substitute(condition, aliases, {}), op.merge)
        case Layer(path=path, type=kind, config=config) if not _terms(node).labels.isdisjoint(arch):
            op = Layer(path, kind, close(config, arch))
        case Param(path=path, shape=shape):
            op = Param(path, close(shape, arch))
    after = (_after(name, aliases) for name in node.after)
    return replace(
        node,
        op=op,
        args=substitute(args, aliases, arch),
        kwargs=substitute(node.kwargs, aliases, arch),
        when=substitute(node.when, aliases, arch),
        after=tuple(dict.fromkeys(name for name in after if name)),
    )


def _after(name: str, aliases: Mapping[str, Arg]) -> str:
    found = aliases.get(name, Ref(name))
    return found.name if isinstance(found, Ref) else ""
