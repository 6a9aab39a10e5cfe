"""Which nodes do more than compute a value: writes, guards, switches, random draws."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphnas.ir import targets
from graphnas.ir.node import (
    ALIAS,
    ENTERS,
    EXITS,
    GUARD,
    SET_DATA,
    Call,
    Choose,
    Frame,
    Layer,
    Node,
    Param,
    Ref,
    refs_in,
)

if TYPE_CHECKING:
    from graphnas.ir.graph import Graph

_ALWAYS = frozenset({GUARD, SET_DATA, *ENTERS, *EXITS})
_DUNDER_WRITES = frozenset(
    f"torch.Tensor.__{name}__"
    for name in (
        "iadd",
        "isub",
        "imul",
        "itruediv",
        "idiv",
        "ifloordiv",
        "imod",
        "ipow",
        "iand",
        "ior",
        "ixor",
        "ilshift",
        "irshift",
        "setitem",
        "delitem",
    )  # fmt: skip
)


def writes(node: Node) -> bool:
    """Whether a node changes its first argument in place."""
    match node.op:
        case Call(target=target):
            if target in _DUNDER_WRITES or target == SET_DATA or node.kwargs.get("inplace") is True:
                return True
            name = target.rpartition(".")[2]
            return name.endswith("_") and not name.endswith("__")
        case Layer(config=config):
            return config.get("inplace") is True
        case _:
            return False


def draws(node: Node) -> bool:
    """Whether a node takes random numbers, at least in training; a module that is not known may."""
    match node.op:
        case Call(target=target):
            return target in targets.RANDOM
        case Layer(type=kind):
            return kind in targets.RANDOM_LAYERS or kind not in targets.LAYERS
        case _:
            return False


def keeps_statistics(node: Node) -> bool:
    """Whether a node changes running statistics, at least in training."""
    match node.op:
        case Layer(type=kind, config=config):
            default = targets.STATISTICS_LAYERS.get(kind)
            return default is not None and config.get("track_running_stats", default) is True
        case Call(target=target):
            place = targets.STATISTICS_CALLS.get(target)
            if place is None:
                return False
            given = node.args[place] if place < len(node.args) else node.kwargs.get("running_mean")
            return isinstance(given, Ref)
        case _:
            return False


def shares_storage(node: Node) -> bool:
    """Whether a node's result may be the storage of its first argument."""
    match node.op:
        case Call(target=target):
            return target == ALIAS or target in targets.VIEWS or writes(node)
        case Layer(type=kind):
            return kind in targets.VIEW_LAYERS or kind not in targets.LAYERS or writes(node)
        case Choose():
            return True
        case _:
            return False


def keeps_result(node: Node) -> bool:
    """Whether the gradient of a node is computed from its result, which nothing may be written into then."""
    match node.op:
        case Call(target=name):
            known = name in targets.KEPT_RESULTS
        case Layer(type=name):
            known = name in targets.KEPT_RESULT_LAYERS or name not in targets.LAYERS
        case _:
            return False
    return known or (name in targets.KEPT_WRITES and writes(node))


def writes_state(node: Node, graph: Graph) -> bool:
    """Whether a node changes a parameter, a buffer or an input of the network, also through views."""
    if not writes(node):
        return False
    waiting, seen = [ref.name for ref in refs_in(node.args[:1])], set()
    while waiting:
        name = waiting.pop()
        origin = graph.by_name.get(name)
        if origin is None or isinstance(origin.op, Param):
            return True
        if name not in seen and shares_storage(origin):
            seen.add(name)
            sources = origin.args if isinstance(origin.op, Choose) else origin.args[:1]
            waiting += [ref.name for ref in refs_in(sources)]
    return False


def effect(node: Node, graph: Graph) -> bool:
    """Whether a node lives for what it does: a guard or a switch, or what is unread and writes to state or draws.

    Such a node lives exactly while the module call that it lives with holds another live node. A write or draw that
    somebody reads lives for its value alone, so that the unread arm of a decided choice leaves nothing behind.
    Running statistics are state as well.
    """
    if isinstance(node.op, Call) and node.op.target in _ALWAYS:
        return True
    if node.name in graph.readers or node.name in graph.output_names:
        return False
    return draws(node) or keeps_statistics(node) or writes_state(node, graph)


def homes(graph: Graph) -> dict[str, Frame | None]:
    """Name of each effect → the module call that it lives with; None: the root, which always lives.

    That is the innermost call around it of which somebody outside reads a value: a call that is unread is an effect of
    the call around it.
    """
    found = [node for node in graph.nodes if effect(node, graph)]
    wanted: set[Frame] = set()
    if any(node.scope for node in found):
        for node in graph.nodes:
            for ref in node.refs:
                made = graph.by_name.get(ref.name)
                if made is not None and made.scope is not node.scope:
                    wanted.update(frame for frame in made.scope if frame not in node.scope)
        for name in graph.output_names & graph.by_name.keys():
            wanted.update(graph.by_name[name].scope)
    return {node.name: next((frame for frame in reversed(node.scope) if frame in wanted), None) for node in found}


def awaited_in(graph: Graph) -> set[str]:
    """The names of the nodes that somebody is `after`; to be after a choice is to be after each of its arms."""
    found: set[str] = set()
    waiting = [name for node in graph.nodes for name in node.after]
    while waiting:
        name = waiting.pop()
        node = graph.by_name.get(name)
        if name not in found and node is not None and isinstance(node.op, Choose):
            waiting += [ref.name for ref in node.refs]
        found.add(name)
    return found
